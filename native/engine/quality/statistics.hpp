// What is counted in a text; corpuskit/stages/quality/statistics.py defines every figure.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/quality/grams.hpp"
#include "engine/quality/lines.hpp"
#include "engine/quality/tokens.hpp"
#include "engine/text/column.hpp"

namespace corpuskit::quality {

/// The names and the order of `corpuskit.stages.quality.statistics.FIGURES`.
namespace figure {
enum Figure : std::size_t {
    kChars, kLetters, kMarks, kDigits, kPunctuation, kSymbols, kWhiteSpace, kUpper, kBrackets,
    kNemoAlphanumeric, kNemoSpace, kHashes, kCurlyBrackets, kEllipses, kUrlChars,
    kWholeUrlChars, kLoremIpsum, kLineEnds, kTokens, kWords, kWordChars, kMedianWordLength2,
    kLongestWord, kCompounds, kAlphaWords, kStopWords, kStopWordOccurrences, kDistinctWords,
    kEntropyMillibits, kSentences, kScripts, kMainScriptLetters, kLines, kEndMarkLines,
    kShortLines, kSplitLines, kBulletLines, kEllipsisLines, kRepeatLines, kDupLines, kLineChars,
    kDupLineChars, kParagraphs, kRepeatParagraphs, kDupParagraphs, kParagraphChars,
    kDupParagraphChars, kTextLineChars, kDupTextLineChars, kGramChars, kTop2GramChars,
    kTop3GramChars, kTop4GramChars, kDup5GramChars, kDup6GramChars, kDup7GramChars,
    kDup8GramChars, kDup9GramChars, kDup10GramChars,
    kCount
};
}
inline constexpr std::size_t kFigures = figure::kCount;
using Figures = std::array<std::int64_t, kFigures>;

/// Counts in one text after the other, in time linear in each; memory is used again.
class Statistics {
  public:
    Figures count(std::string_view text, Splitter splitter, Variant variant);

  private:
    void count_characters(std::string_view text, Figures& figures);
    Tokens tokens_;
    Grams grams_;
    Lines lines_;
    std::vector<std::uint32_t> kinds_;
    std::array<std::int64_t, 256> scripts_{};
    std::int64_t other_line_ends_ = 0;  // than line feeds
};

/// Figures of n texts, shape (n, kFigures).
std::vector<std::int64_t> text_statistics(const Column& texts, Splitter splitter, Variant variant);

/// Words of n texts (`find_words`).
std::vector<std::int64_t> count_words(const Column& texts);

}  // namespace corpuskit::quality
