// What wikitext knows by name: tags, languages, switches, classes of templates.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace corpuskit {

enum class Tag : std::uint8_t {
    kUnknown,    // not a tag: '<' is text
    kInline,     // the tag goes, what it holds stays
    kSuper,      // <sup>
    kBlock,      // the same as kInline, and a border between paragraphs
    kBreak,      // <br>
    kList,       // <ul>, <ol>
    kItem,       // <li>
    kRule,       // <hr>
    kDrop,       // extension: goes with all that it holds
    kReference,  // <ref>
    kNowiki,     // extension: what it holds is text
    kPre,        // <pre>: the same, as a block
    kCode,       // <syntaxhighlight>, <source>: the same, without entities
    kMath,       // <math>, <chem>
    kPoem,       // new lines are kept
    kTable,      // <table>
    kTablePart,  // <tr>, <td>, <th>, <caption>
    kGallery,    // <gallery>
    kRubyText,   // <rt>: the reading of what stands before it
};
inline constexpr std::size_t kTagNames = 160;  // upper bound of known names

struct TagName {
    Tag kind = Tag::kUnknown;
    std::uint32_t index = 0;  // of the name, for caches
};
TagName find_tag(std::string_view lower_case_name);

/// Whether `code` is the prefix of links to a Wikipedia in another language.
bool is_interlanguage(std::string_view code);

/// Whether wikis in a language have its variants, written -{ }-; of an unknown language ("") they
/// may.
bool has_variants(std::string_view language);

/// Whether the text between `__` and `__` is a behaviour switch.
bool is_switch(std::string_view word);

/// Whether a page that begins with '#' and this word leads to another one.
bool is_redirect(std::string_view word);

using NameSet = std::unordered_set<std::string>;

/// What a template is, apart from what it writes.
enum class TemplateClass : std::uint8_t {
    kNone, kInfobox, kHatnote, kDisambiguation, kList,
    kApart,  // beside the text: a picture, a link to a sister project, a remark for editors
};

/// Names of templates by class, as WikitextOptions gives them.
class TemplateClasses {
  public:
    /// Throws std::invalid_argument for a class that there is none of.
    explicit TemplateClasses(const std::vector<std::string>& names);
    struct Entry {
        TemplateClass kind = TemplateClass::kNone;
        std::string lead;  // what a hatnote of this name begins with: "Main article: "
    };
    const Entry& find(const std::string& folded_name) const;

  private:
    std::unordered_map<std::string, Entry> exact_;
    // Beginnings by their first byte; endings.
    std::array<std::vector<std::pair<std::string, Entry>>, 256> prefixes_;
    std::vector<std::pair<std::string, Entry>> suffixes_;
};

}  // namespace corpuskit
