// Wikitext to plain text, one page at a time, in work that is linear in the page.
//
// Two passes over bytes, both without recursion:
//   structure  (wikitext_structure.cpp, _tags.cpp, _links.cpp) resolves what nests: comments, templates,
//              links, tables, extension tags. Each construct that is open has a Frame; what it holds is
//              written to the output at once and rewritten when it closes, so nothing is scanned twice.
//   lines      (wikitext_lines.cpp) resolves what is a matter of lines: headings, lists, paragraphs,
//              apostrophes, the holes that removed templates leave.
// Between the passes the text carries marks: control characters, which the first pass removes from the input.
//
// Work is bounded by a Budget of counted steps, output bytes and nesting, never by time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

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

struct WikitextOptions {
    /// Names of the File and Category namespaces without colon, compared without regard to ASCII case.
    std::vector<std::string> file_prefixes;
    std::vector<std::string> category_prefixes;
    /// Language code of the wiki ("en", "zh"); chooses template rules and language conversion.
    std::string language;
    WikitextBudget budget;
};

/// Counts of one page, in the order in which the binding hands them out.
struct WikitextCounters {
    std::int64_t steps = 0;               // bytes looked at or moved
    std::int64_t nesting = 0;             // deepest nesting met
    std::int64_t templates_dropped = 0;   // templates without a rule
    std::int64_t templates_rendered = 0;  // templates written as text
    std::int64_t tables = 0;              // tables dropped
    std::int64_t references = 0;          // <ref> dropped
    std::int64_t files = 0;               // File and Category links dropped
    std::int64_t unclosed = 0;            // constructs that were opened and never closed
};
inline constexpr std::size_t kWikitextCounters = 8;

class WikitextEngine;  // wikitext_internal.hpp

/// Extracts many pages with the same options; keeps its buffers between pages. Not for sharing by threads.
class WikitextExtractor {
  public:
    explicit WikitextExtractor(WikitextOptions options);
    ~WikitextExtractor();
    WikitextExtractor(const WikitextExtractor&) = delete;
    WikitextExtractor& operator=(const WikitextExtractor&) = delete;

    /// Appends the plain text of `page` to `out`; appends nothing when the status is not kOk.
    WikitextStatus extract(std::string_view page, std::string& out, WikitextCounters& counters);

  private:
    std::unique_ptr<WikitextEngine> engine_;
};

/// A batch: pages[i] = bytes[offsets[i], offsets[i + 1]). Results are laid out in the same way.
struct WikitextBatch {
    std::vector<std::int64_t> offsets;  // n + 1
    std::string bytes;
    std::vector<std::int32_t> status;       // n
    std::vector<std::int64_t> counters;     // n * kWikitextCounters, row by row
};

/// Extracts a batch. `offsets` has n + 1 ascending entries within [0, size]; throws std::invalid_argument otherwise.
WikitextBatch extract_wikitext(const std::int64_t* offsets, std::size_t n, const char* bytes, std::size_t size,
                               const WikitextOptions& options);

}  // namespace corpuskit
