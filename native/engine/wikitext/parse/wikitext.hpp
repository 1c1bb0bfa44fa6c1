// Wikitext to plain text, one page at a time, in work that is linear in the page.
//
// Two passes over bytes, both without recursion:
//   structure  (structure.cpp, tags.cpp, links.cpp, tables.cpp, boxes.cpp) resolves what nests:
//              comments, templates, links, tables, extension tags. Each construct that is open has
//              a Frame; what it holds is written to the output at once and rewritten when it
//              closes, so nothing is scanned twice.
//   lines      (lines.cpp) resolves what is a matter of lines: headings, lists, paragraphs,
//              apostrophes, the holes that removed templates leave.
// Between the passes the text carries marks: control characters, which the first pass removes from
// the input.
//
// Templates are written by templates/, which knows nothing of this folder.
//
// Work is bounded by a Budget of counted steps, output bytes and nesting, never by time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/column.hpp"

namespace corpuskit {

/// What became of a page. Anything but kOk means that the text is empty.
enum class WikitextStatus : std::int32_t { kOk = 0, kSteps = 1, kOutput = 2, kNesting = 3 };

/// Bounds for one page. A bound of n bytes of input is `base + per_byte * n`.
struct WikitextBudget {
    std::uint64_t steps_base = 1 << 20;
    std::uint64_t steps_per_byte = 64;
    std::uint64_t output_base = 1 << 16;
    std::uint64_t output_per_byte = 8;
    std::uint32_t nesting = 200;
};

enum class WikitextOutput : std::uint8_t { kPlain = 0, kMarkdown = 1 };
enum class WikitextTables : std::uint8_t { kDrop = 0, kFlatten = 1, kKeep = 2 };

class TemplateTable;  // of templates/

/// Settings of one extractor. Names are compared without regard to ASCII case; other scripts as
/// they are given.
struct WikitextOptions {
    /// Names of the File and Category namespaces without colon.
    std::vector<std::string> file_prefixes;
    std::vector<std::string> category_prefixes;
    /// Language code of the wiki ("en", "zh"); chooses language conversion.
    std::string language;
    /// Rules for templates; without any, no template is written as text.
    std::shared_ptr<const TemplateTable> templates;
    WikitextOutput output = WikitextOutput::kPlain;
    WikitextTables tables = WikitextTables::kFlatten;
    bool infobox = false;   // infoboxes as lines "key: value", else they go
    bool captions = false;  // captions of images stay
    bool hatnotes = false;  // notes at the top of an article or section that lead elsewhere stay
    /// Headings of sections that go with all that stands under them.
    std::vector<std::string> drop_sections;
    /// Classes of templates, "class:name" with '*' at one end of a name for anything there; see
    /// TemplateClass.
    std::vector<std::string> template_classes;
    WikitextBudget budget;
};

/// What is true of a page, as bits.
enum WikitextFlag : std::uint32_t {
    kFlagDisambiguation = 1,  // a template or switch says that the page lists meanings of a word
    kFlagList = 2,            // a template says that the page is a list
};

/// Counts of one page, in the order in which the binding hands them out.
struct WikitextCounters {
    std::int64_t steps = 0;               // bytes looked at or moved
    std::int64_t nesting = 0;             // deepest nesting met
    std::int64_t templates_dropped = 0;   // templates that gave nothing
    std::int64_t templates_rendered = 0;  // templates written as text
    std::int64_t tables = 0;              // tables dropped
    std::int64_t references = 0;          // <ref> dropped
    std::int64_t files = 0;               // File and Category links dropped
    std::int64_t unclosed = 0;            // constructs that were opened and never closed
    std::int64_t sections = 0;            // sections dropped
    std::int64_t hatnotes = 0;            // hatnotes dropped
    std::int64_t infoboxes = 0;           // infoboxes dropped
    std::int64_t captions = 0;            // captions dropped
    std::int64_t tables_kept = 0;         // tables written
    std::int64_t templates_fallback = 0;  // templates without a rule, written as their first text
};
inline constexpr std::size_t kWikitextCounters = 14;

/// What an extractor tells of one page beside its text.
struct WikitextFacts {
    WikitextCounters counters;
    std::uint32_t flags = 0;  // of WikitextFlag
    std::vector<std::string> categories;  // in order, without prefix and sort key; each once
    std::size_t table_bytes = 0;          // what was held beside texts, in tables of places
};

struct WikitextBatch {
    Strings texts;               // n
    std::vector<std::int32_t> status;    // n
    std::vector<std::int64_t> counters;  // n * kWikitextCounters, row by row
    std::vector<std::uint32_t> flags;    // n
    // n + 1: page i has the categories [ends[i], ends[i + 1])
    std::vector<std::int64_t> category_ends{0};
    Strings categories;
    std::size_t table_bytes = 0;  // the most of a page
};

/// Extracts a batch of n pages; `titles` has n entries or none. Throws std::invalid_argument when
/// offsets do not ascend within their bytes.
WikitextBatch extract_wikitext(const Column& pages, const Column& titles,
                               const WikitextOptions& options);

}  // namespace corpuskit
