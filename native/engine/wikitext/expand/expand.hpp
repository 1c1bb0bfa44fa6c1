// Templates that a dump itself defines are expanded: wikitext in, wikitext out, for the extractor.
// Stands on parse/, for settings and names, and on templates/, for rules and parser functions.
//
// As in MediaWiki, an argument is expanded when it is asked for, in the page or template that gives
// it, and once. The machine is a stack of tasks that write to one string; nothing recurses on
// input, and work is bounded by counts of steps, bytes and depth. Calls are left as they are, with
// their arguments expanded, for the extractor's rules:
//   - templates that have a rule or a class (it knows better: hidden text, dates of today, Lua
//     behind it),
//   - templates that are not defined, call themselves, or nest too deep,
//   - templates whose definition runs a Lua module ({{#invoke:}}): those are not run,
//   - calls of a page that need more than half of the steps that the page has left.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/wikitext/expand/preprocess.hpp"
#include "engine/wikitext/parse/wikitext.hpp"

namespace corpuskit {

/// Bounds for one page of n bytes. Steps count nodes visited and bytes written or moved.
struct ExpandBudget {
    std::uint64_t steps_base = 4'000'000;
    std::uint64_t steps_per_byte = 64;
    std::uint64_t output_base = 2 << 20;  // as MediaWiki's limit of a page with its templates
    std::uint64_t output_per_byte = 4;
    std::uint32_t depth = 40;  // templates within templates
};

/// Counts of one page, in the order in which the binding hands them out.
struct ExpandCounters {
    std::int64_t steps = 0;
    std::int64_t depth = 0;      // deepest nesting of templates met
    std::int64_t expanded = 0;   // templates expanded
    std::int64_t ruled = 0;      // calls left to a rule or class
    std::int64_t undefined = 0;  // calls of templates that are not defined
    std::int64_t lua = 0;  // calls of templates that run a module, and modules that the page runs
    std::int64_t loops = 0;      // calls of a template within itself
    std::int64_t over = 0;       // calls given up for steps, bytes or depth
};
inline constexpr std::size_t kExpandCounters = 8;

/// Definitions of templates by title. Titles are without namespace; blanks and underscores, and the
/// case of the first letter, do not matter.
class TemplateStore {
  public:
    /// `prefixes`: names of the template namespace, without colon.
    explicit TemplateStore(const std::vector<std::string>& prefixes);
    TemplateStore(const TemplateStore&) = delete;
    TemplateStore& operator=(const TemplateStore&) = delete;
    const std::unordered_set<std::string>& prefixes() const { return prefixes_; }
    /// Adds a definition; the first of a title stays. A text that is a redirect is followed once,
    /// to `target`.
    void add(std::string_view title, std::string_view text);
    void add_redirect(std::string_view title, std::string_view target);
    std::size_t size() const { return definitions_.size(); }
    /// Bytes of the definitions, without what is not for calls.
    std::size_t bytes() const { return bytes_; }

    struct Definition {
        std::string text;
        std::unique_ptr<WikiTree> tree;  // made when it is first called
    };
    /// The definition of a normalised title, redirects followed; null if there is none.
    Definition* find(const std::string& key);
    /// The tree of a definition. Trees are forgotten between pages when they hold more than
    /// kMostTreeBytes.
    const WikiTree& tree(Definition& definition, bool variants);
    void forget_trees();

    /// Trees are made anew in a moment; the definitions alone may take STORE_BYTES (expand.py).
    static constexpr std::size_t kMostTreeBytes = 64 << 20;

  private:
    std::unordered_set<std::string> prefixes_;  // in lower case
    std::unordered_map<std::string, Definition> definitions_;
    std::unordered_map<std::string, std::string> redirects_;
    std::size_t bytes_ = 0, tree_bytes_ = 0;
};

/// "_foo bar" -> "Foo bar".
std::string template_key(std::string_view title);

struct ExpandBatch {
    Strings texts;               // n
    std::vector<std::int64_t> counters;  // n * kExpandCounters
    std::size_t table_bytes = 0;         // the most of a page
};

/// Expands a batch; `titles` has as many entries as `pages`. A page that is too large to take apart
/// stays as it is. Not for several threads with one store.
ExpandBatch expand_wikitext(const Column& pages, const Column& titles,
                            TemplateStore& store, const WikitextOptions& options,
                            const ExpandBudget& budget);

}  // namespace corpuskit
