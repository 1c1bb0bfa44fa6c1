// The tokens of a text, numbered; corpuskit/stages/quality/statistics.py says what they are.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/quality/hash.hpp"
#include "engine/quality/spaces.hpp"
#include "engine/text/segment.hpp"

namespace corpuskit::quality {

/// Words of Unicode, compared case folded; pieces between white space, compared as written.
enum class Splitter : std::uint8_t { kUnicode, kWhiteSpace };

struct TokenFigures {
    std::int64_t tokens = 0, words = 0, word_chars = 0, median_length_2 = 0, longest = 0;
    std::int64_t compounds = 0, alpha = 0, stop_words = 0, stop_word_occurrences = 0, distinct = 0;
    std::int64_t entropy_millibits = 0;
};

/// The tokens of one text after the other; memory is used again.
class Tokens {
  public:
    /// Reads a text of so many characters. With `as_written` tokens are numbered as they are
    /// written, not as compared; what is counted is of the compared ones all the same.
    void read(std::string_view text, std::int64_t characters, Splitter splitter, bool as_written);

    std::size_t size() const { return ids.size(); }
    std::string_view text() const { return text_; }
    std::string_view written(std::size_t i) const {
        return {text_.data() + begin(i), end(i) - begin(i)};
    }
    const TokenFigures& figures() const { return figures_; }

    std::vector<std::uint32_t> ids;      // by first place; equal tokens have equal ones
    std::vector<std::uint32_t> counts;   // of each id
    std::vector<std::uint32_t> lengths;  // characters of each token as it is written

  private:
    std::size_t begin(std::size_t i) const { return words_.begin[i]; }
    std::size_t end(std::size_t i) const { return words_.end[i]; }
    std::string_view folded(std::size_t i) const {
        return {words_.folded.data() + words_.at[i], words_.at[i + 1] - words_.at[i] - 1};
    }
    std::uint32_t characters_of(std::size_t i) const;
    template <typename Piece>
    void number(std::string_view whole, Piece piece);
    template <typename Piece>
    void count_pieces(Piece piece);
    void measure_words();
    void measure_pieces();
    void add_length(std::uint32_t length, std::uint32_t count);
    void find_median();

    std::string_view text_;
    bool ascii_ = false;
    Words words_;
    Spaces spaces_;
    Numbering numbering_;
    std::vector<Key> known_;            // of each id
    std::vector<std::uint32_t> first_;  // place of each id's first token
    std::vector<std::uint32_t> by_length_, long_, lengths_of_;
    TokenFigures figures_;
};

/// Shannon's entropy of counts in thousandths of a bit, rounded half up.
std::int64_t entropy_millibits(const std::vector<std::uint32_t>& counts, std::size_t total);

}  // namespace corpuskit::quality
