// Looks for token sequences in a block of an n-gram index.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <vector>

#include "engine/ngrams/block.hpp"

namespace corpuskit {

/// What was read is not what was written.
struct NgramDamage : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Ids; one that no token of the line has is in order.
using NgramQuery = std::vector<std::uint32_t>;

/// A block that was built, where it lies: entries and sums are those of `NgramBlock`. A page is
/// checked when something of it is read first. Several threads may search at a time.
class NgramSearch {
  public:
    /// Throws std::invalid_argument as `build_ngram_block`.
    NgramSearch(const TokenLine& line, std::size_t start, std::size_t count,
                const std::uint8_t* entries, const std::uint64_t* sums);

    /// Ranks [low, high).
    struct Range {
        std::size_t low = 0, high = 0;
    };
    /// The places where a sequence stands within one document. With the line's end mark as its
    /// last token these are the documents that end so; with the mark before that there are none.
    ///
    /// All of these throw NgramDamage where a page is not as written.
    Range find(const NgramQuery& query) const;

    /// The first `most` places in the line of a range, ascending. Throws std::invalid_argument for
    /// one that leaves the block.
    std::vector<std::int64_t> places(Range range, std::size_t most) const;

    const TokenLine& line() const { return line_; }

  private:
    template <typename Token>
    friend class TypedSearch;

    std::size_t entry(std::size_t rank) const;

    TokenLine line_;
    std::size_t start_, count_;
    const std::uint8_t* entries_;
    const std::uint64_t* sums_;
    std::unique_ptr<std::atomic<bool>[]> checked_;
};

/// From each token of a query on the longest match within one document of a line, all of whose
/// blocks are given, where it is longer than `lengths` says, and a place in the line where it
/// stands. The time grows with the tokens of the query and with those that matches, which none
/// other holds, have in common.
///
/// Throws NgramDamage, and std::invalid_argument for blocks of several lines.
void match_ngrams(const std::vector<const NgramSearch*>& blocks, const NgramQuery& query,
                  std::int64_t* lengths, std::int64_t* places);

}  // namespace corpuskit
