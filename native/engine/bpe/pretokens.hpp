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

/// Where the pretoken ends that begins at `at`, which lies before the end of the text, at a border.
std::size_t pretoken_end(const Cut& cut, std::string_view text, std::size_t at);

}  // namespace corpuskit
