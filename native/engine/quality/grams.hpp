// How much of a text n-grams of its tokens repeat; corpuskit/stages/quality/repeats.py defines it.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
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
    struct Candidate {
        std::uint64_t hash;
        std::uint32_t at;
        std::uint32_t alone;  // a beginning of so many bytes stands once, see `join`
    };

    struct Gram {
        std::uint32_t at, number;
    };

    std::uint32_t frequent_gram(const Tokens& tokens);
    void first_order(const Tokens& tokens);
    void next_order();
    void find_candidates();
    std::int64_t top(std::size_t n);
    std::int64_t repeated(std::size_t n);
    std::int64_t datatrove_top(std::size_t n, std::size_t size);
    void join(const Tokens& tokens);
    void find_heads(std::size_t grams);
    void find_longer_heads(std::size_t bytes);
    std::int64_t datatrove_repeated(std::size_t n, std::size_t size);
    template <typename Goes>
    void drop_candidates(Goes goes);
    std::span<Candidate> candidates() { return {candidates_.data(), held_}; }
    std::size_t length(std::size_t at, std::size_t n) const {
        return places_[at + n] - places_[at];
    }
    std::string_view part(std::size_t at, std::size_t n) const {
        return {joined_.data() + places_[at], length(at, n)};
    }

    std::vector<std::int64_t> before_;    // characters of all tokens before each
    std::vector<Gram> grams_;             // n-grams that are not rare, by place
    std::vector<std::uint32_t> counts_;   // of each number
    std::vector<std::int64_t> covered_;
    std::vector<std::size_t> ends_;
    std::uint32_t least_ = 2;  // n-grams that occur less often are not looked for
    std::vector<std::uint32_t> runs_, tally_;
    std::vector<Candidate> candidates_;  // held_ of them, room for more
    std::size_t held_ = 0;
    Sketch<2> twice_;
    Sketch<8> often_;
    Numbering numbering_;

    std::string joined_;               // all tokens without anything between them
    std::vector<std::size_t> places_;  // where each begins in it
    std::vector<std::uint32_t> heads_;
    std::vector<std::uint32_t> first_;
};

}  // namespace corpuskit::quality
