// Word n-grams of a text, piece by piece: what is held does not grow with the text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/column.hpp"
#include "engine/text/segment.hpp"

namespace corpuskit {

/// Where a text may be cut behind `from`, so that the words of both sides are those of the whole:
/// before a blank of ASCII or a letter that is a word by itself; else at its end.
std::size_t word_border(std::string_view text, std::size_t from);

/// Reads the shingles of texts: runs of `size` words. A text of fewer words is one shingle of all
/// of them; a text without words has none.
class Shingler {
  public:
    explicit Shingler(std::size_t size) : size_(size) {}

    /// Calls take(std::string_view) for each shingle, as often as it stands; returns whether there
    /// was one.
    template <typename Take>
    bool each(std::string_view text, Take&& take) {
        window_.clear(), at_.assign(1, 0);
        bool any = false;
        for (std::size_t first = 0; first < text.size();) {
            const std::size_t last = word_border(text, first + kPiece);
            add(text.substr(first, last - first));
            first = last;
            if (words() < size_) continue;
            any = true;
            for (std::size_t i = 0; i + size_ <= words(); ++i) take(run(i, i + size_));
            keep(size_ - 1);
        }
        if (any || words() == 0) return any;
        take(run(0, words()));
        return true;
    }

  private:
    static constexpr std::size_t kPiece = std::size_t{1} << 15;

    std::size_t words() const { return at_.size() - 1; }
    std::string_view run(std::size_t first, std::size_t last) const {
        return std::string_view(window_).substr(at_[first], at_[last] - at_[first] - 1);
    }
    void add(std::string_view piece);
    void keep(std::size_t last_words);

    std::size_t size_;
    Words words_;
    std::string window_;           // folded words, a blank behind each
    std::vector<std::size_t> at_;  // where each begins, and the end
};

/// The sets of shingles of texts, as ascending 64-bit hashes (XXH64) one set behind the other.
struct ShingleSets {
    std::vector<std::int64_t> ends{0};
    std::vector<std::uint64_t> hashes;
};
ShingleSets shingle_sets(const Column& texts, std::size_t size);

}  // namespace corpuskit
