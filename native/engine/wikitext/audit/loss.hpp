// The loss meter: which words of a page's wikitext are missing from its text, and where they stood.
//
// Stands on parse/ for settings and names alone: it reads the wikitext by itself, apart from the
// extractor whose work it measures. What a visible word is, and when one is kept, is defined in
// corpuskit/sources/wikipedia/loss.py.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/wikitext/parse/wikitext.hpp"

namespace corpuskit {

/// Where a word stands in the wikitext. An outer kind with a higher number wins over an inner one.
enum class LossKind : std::uint8_t {
    kProse,      // paragraphs, lists
    kHeading,    // goes where nothing that stays stands under it
    kTemplate,   // arguments of templates
    kGap,        // of those in running text that no rule knows, and that gave no word
    kFallback,   // of those in running text that no rule knows, and that gave some
    kTable,
    kCaption,    // of files and galleries
    kInfobox,
    kHatnote,
    kDropped,    // templates that a rule drops for what they are
    kSection,    // a section that is dropped by setting
    kReference,  // footnotes, those of templates too
};
inline constexpr std::size_t kLossKinds = 12;

/// Places in a text where something seems to be missing, and marks that should have gone.
inline constexpr std::size_t kLossHoles = 5;      // see count_holes
inline constexpr std::size_t kLossLeftovers = 9;  // see count_leftovers
/// Columns of a page: words by kind, lost words by kind, sentences, holes, leftovers.
inline constexpr std::size_t kLossColumns = 2 * kLossKinds + 1 + kLossHoles + kLossLeftovers;

/// One row per kind and template.
struct LossTable {
    std::vector<std::int32_t> kinds;
    Strings names;
    std::vector<std::int64_t> uses, words, lost;
    std::vector<std::int64_t> pages;  // of the example: its number in the batch
    Strings examples;         // the start of a use that lost a word, on one line
};

struct LossBatch {
    std::vector<std::int64_t> columns;  // n * kLossColumns, row by row
    LossTable table;                    // in the order in which kinds and names were met
    std::size_t table_bytes = 0;        // the most that was held for a page beside its texts
};

/// Measures n pages: `texts` is what the extractor made of `pages`. Linear in both. Throws
/// std::invalid_argument when the columns differ in length or their offsets do not ascend.
LossBatch measure_loss(const Column& pages, const Column& texts,
                       const WikitextOptions& options);

}  // namespace corpuskit
