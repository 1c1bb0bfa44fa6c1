// Pretokens: the pieces that byte-pair encoding never merges across, cut by hand-written scanners
// that give what the published regular expressions give.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace corpuskit {

/// The published patterns. corpuskit/tokenizer/special.py has them as regular expressions.
enum class Pattern : int {
    kGpt2,
    kLlama3,  // and cl100k, which cuts alike
    kQwen2,   // the same with single digits
    kQwen35,  // the same with marks as letters
    kO200k,
};
inline constexpr int kPatterns = 5;

/// How texts are cut.
struct Cut {
    Pattern pattern;
    int digits = 0;  // that stand together at most; 0 for as many as the pattern says
};
inline constexpr int kMostDigits = 3;

/// The version of Unicode that says what is a letter, a mark, a number and white space.
std::string_view pretoken_unicode();

/// Where pretokens end, from the border at `at` on, and how many were found: as many as there is
/// room for, fewer only at the end of the text.
std::size_t pretoken_ends(const Cut& cut, std::string_view text, std::size_t at, std::size_t* ends,
                          std::size_t room);
/// The same of the one that begins at `at`, which lies before the end of the text.
inline std::size_t pretoken_end(const Cut& cut, std::string_view text, std::size_t at) {
    std::size_t end = text.size();
    pretoken_ends(cut, text, at, &end, 1);
    return end;
}

}  // namespace corpuskit
