// Ids of texts by a byte-level byte-pair encoding: its merges done in the order of their ranks.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/bpe/pages.hpp"
#include "engine/bpe/pretokens.hpp"
#include "engine/text/column.hpp"

namespace corpuskit {

/// A byte-pair encoding. Merge i has rank i; of two merges of one pair the later counts.
struct BpeModel {
    std::array<std::uint32_t, 256> byte_ids;
    std::vector<std::uint32_t> left, right, ids;  // of each merge
    Strings whole;                                 // pretokens that are tokens without any merge
    std::vector<std::uint32_t> whole_ids;
};

/// The ids of texts, one after the other, and where those of each end.
struct Encoded {
    std::unique_ptr<std::uint32_t[]> ids;  // not filled beforehand, as a vector would be
    std::size_t size = 0;
    std::vector<std::int64_t> ends;
};

/// Encodes texts; several threads may, each with a memory of words of its own (8 MB).
class BpeEncoder {
  public:
    /// Throws std::invalid_argument for parts of the model of unequal size, for too many of them
    /// and for ids from 2^24 on.
    BpeEncoder(Cut cut, const BpeModel& model);
    ~BpeEncoder();

    /// Throws std::invalid_argument when the offsets do not ascend within the bytes.
    Encoded encode(const Column& texts) const;

  private:
    class Desk;
    using Rank = std::uint32_t;
    static constexpr Rank kNoRank = ~Rank{0};

    struct Pair {
        std::uint64_t ids = 0;  // the left one above the right one
        Rank rank = kNoRank;
        std::uint32_t made = 0;
    };

    const Pair& pair_of(std::uint32_t left, std::uint32_t right) const;
    void set_pairs(const BpeModel& model);
    std::size_t encode_word(std::string_view word, std::uint32_t* ids) const;
    template <int kBits>
    std::size_t merge_few(std::string_view word, std::uint32_t* ids) const;
    std::size_t merge_many(std::string_view word, std::uint32_t* ids) const;
    void encode_text(std::string_view text, Desk& desk) const;
    std::unique_ptr<Desk> take_desk() const;

    Cut cut_;
    std::array<std::uint32_t, 256> byte_ids_;
    PageVector<Pair> pairs_;        // by hash, a power of two of them
    std::vector<Pair> byte_pairs_;  // by two bytes
    Strings whole_texts_;
    std::unordered_map<std::string_view, std::uint32_t> whole_;
    mutable std::mutex lock_;
    mutable std::vector<std::unique_ptr<Desk>> desks_;  // that no thread works at
};

}  // namespace corpuskit
