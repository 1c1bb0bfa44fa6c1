// The words of a text: corpuskit/documents/words.py says what a word is, and is compared with this.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace corpuskit {

/// How a code point takes part in a word.
enum class CodePoint : std::uint8_t {
    kNone,    // stands between words
    kLetter,  // and numbers that are no decimal digits
    kDigit,
    kMark,    // part of the word of the letter before it
    kJoiner,  // the same, and not seen
    kApart,   // a word by itself, in scripts without blanks
};
CodePoint code_point_kind(char32_t c);

/// The words of one text. Words are numbered from 0; all vectors but `folded` have one entry for
/// each, `at` one more.
struct Words {
    std::vector<std::size_t> begin, end;  // bytes of the text
    std::string folded;  // the words case folded, a blank behind each
    std::vector<std::size_t> at;  // where each begins in `folded`

    std::size_t size() const { return begin.size(); }
    std::string_view word(std::size_t i) const {
        return std::string_view(folded).substr(at[i], at[i + 1] - at[i] - 1);
    }
    /// Words first to last - 1 with a blank between each two: an n-gram as one string.
    std::string_view run(std::size_t first, std::size_t last) const {
        return std::string_view(folded).substr(at[first], at[last] - at[first] - 1);
    }
    void clear();
};

/// Finds the words of a text, in time linear in it. What was in `words` is forgotten, its memory
/// used again. The folded forms are those of the text as it stands: bring it to NFC before.
void find_words(std::string_view text, Words& words);

}  // namespace corpuskit
