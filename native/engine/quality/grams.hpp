// How much of a text n-grams of its tokens repeat; corpuskit/stages/quality/repeats.py defines it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/quality/hash.hpp"
#include "engine/quality/tokens.hpp"

namespace corpuskit::quality {

/// As the paper counts (Rae et al. 2021), or as datatrove 0.10.1 does.
enum class Variant : std::uint8_t { kOurs, kDatatrove };

struct GramFigures {
    std::array<std::int64_t, 3> top{};       // of order 2 to 4
    std::array<std::int64_t, 6> repeated{};  // of order 5 to 10
};

/// Counts the n-grams of one text after the other; memory is used again. Time is linear in it.
class Grams {
  public:
    /// With `kDatatrove` tokens must be numbered as they are written.
    GramFigures count(const Tokens& tokens, Variant variant);

  private:
    bool next_order(std::size_t n, const std::vector<std::uint32_t>& ids);
    std::int64_t top(std::size_t n);
    std::int64_t repeated(std::size_t n);
    std::int64_t datatrove_top(std::size_t n, std::size_t size);
    void join(const Tokens& tokens);
    std::int64_t datatrove_repeated(std::size_t n, std::size_t size);

    std::vector<std::int64_t> before_;    // characters of all tokens before each
    std::vector<std::uint32_t> numbers_;  // of the n-gram at each place, kOnce of one that is alone
    std::vector<std::uint32_t> counts_;   // by number
    std::vector<std::int64_t> covered_;
    std::vector<std::size_t> ends_;
    struct Candidate {
        std::size_t at;
        std::uint64_t hash;
    };
    std::vector<Candidate> candidates_;
    Twice twice_;
    Numbering numbering_;

    std::string joined_;               // all tokens without anything between them
    std::vector<std::size_t> places_;  // where each begins in it
    std::vector<std::size_t> first_;
};

}  // namespace corpuskit::quality
