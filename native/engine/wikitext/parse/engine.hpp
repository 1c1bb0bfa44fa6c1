// Shared by the files of the wikitext engine; nothing outside native/engine/wikitext*.cpp includes it.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/wikitext/parse/wikitext.hpp"
#include "engine/wikitext/templates/functions.hpp"
#include "engine/wikitext/templates/templates.hpp"

namespace corpuskit {

// ---------------------------------------------------------------------------------------------- marks
// Control characters that stand for something between the two passes. The input's own are removed.
inline constexpr char kLiteral = '\x01';        // the next byte is text, whatever it looks like
inline constexpr char kHole = '\x02';           // something was removed here
inline constexpr char kBreak = '\x03';          // a new line that does not start a line of wikitext
inline constexpr char kBlock = '\x04';          // a border between paragraphs
inline constexpr char kOpenTemplate = '\x05';   // a template begins here; still there at the end if unclosed
inline constexpr char kOpenTable = '\x06';      // the same for a table
inline constexpr char kGlue = '\x07';           // nothing, but keeps what stands beside it apart
inline constexpr char kLine = '\x08';           // at the start of a line: it stands by itself
inline constexpr char kCell = '\x0B';           // a cell of a table begins
inline constexpr char kHead = '\x0C';           // a cell that names a row or column begins
inline constexpr char kRow = '\x0E';            // at the start of a line: it is a row of a table
inline constexpr char kTerm = '\x10';           // between a term and what defines it
inline constexpr char kLost = '\x11';           // a value that nobody can know here: brackets around it say nothing
inline constexpr char kHat = '\x0F';            // at the start of a line: italic, indented, with a link

inline bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
inline bool is_word(char c) { return is_alpha(c) || is_digit(c) || static_cast<unsigned char>(c) >= 0x80; }
inline char lower(char c) { return (c >= 'A' && c <= 'Z') ? static_cast<char>(c + 32) : c; }
inline bool is_mark(char c) {
    return c >= kLiteral && c < ' ' && c != '\t' && c != '\n' && c != '\r';
}

std::string_view trim(std::string_view s);        // spaces and new lines
std::string_view trim_marks(std::string_view s);  // the same, and marks other than kLiteral
bool equal_folded(std::string_view a, std::string_view b);  // without regard to ASCII case
std::string lower_case(std::string_view s);       // in ASCII
/// A name as names are compared: in lower case, with blanks for "_". Bytes that are no UTF-8 stay.
std::string fold_name(std::string_view name);
std::string plain(std::string_view s);            // without marks, trimmed: for names and numbers

/// Appends `c` so that the second pass takes it for text.
inline void put_literal(std::string& out, char c) {
    if (!is_word(c)) out.push_back(kLiteral);
    out.push_back(c);
}
/// The same for a string; new lines become kBreak.
void put_literal(std::string& out, std::string_view s);

/// Appends a text of several lines as one line: items apart by "; ", <br> by `line_break`, other lines by a blank.
void append_flat(std::string_view text, std::string_view line_break, std::string& out);

// ------------------------------------------------------------------------------------------- entities

/// The character reference at s[0] == '&'. Sets `length` to its bytes and returns the code point, or 0 if
/// there is none that HTML 4 and XML know or if it names a code point that may not stand in a page.
char32_t parse_entity(std::string_view s, std::size_t& length);
void put_utf8(std::string& out, char32_t c);
/// Appends a decoded character so that the second pass takes it for text.
void put_entity(std::string& out, char32_t c);

// ----------------------------------------------------------------------------------------------- tags

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

/// Whether wikis in a language have its variants, written -{ }-; of an unknown language ("") they may.
bool has_variants(std::string_view language);

/// Whether the text between `__` and `__` is a behaviour switch.
bool is_switch(std::string_view word);

/// Whether a page that begins with '#' and this word leads to another one.
bool is_redirect(std::string_view word);

// ------------------------------------------------------------------------------------------- settings

using NameSet = std::unordered_set<std::string>;

/// What a template is, apart from what it writes.
enum class TemplateClass : std::uint8_t { kNone, kInfobox, kHatnote, kDisambiguation, kList };

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

/// What the second pass needs to know.
struct LineOptions {
    bool markdown = false;
    bool hatnotes = false;
    WikitextTables tables = WikitextTables::kFlatten;
    NameSet drop_sections;  // in lower case
};

// --------------------------------------------------------------------------------------------- engine

enum class Kind : std::uint8_t { kTemplate, kLink, kExternal, kTable, kHtmlTable, kVariant };
inline constexpr std::size_t kKinds = 6;

struct Frame {
    Kind kind;
    bool file = false;           // a link into the File namespace
    std::size_t braces = 0;      // braces that are open (templates)
    std::size_t start = 0;       // where its mark or opening stands in the output
    std::size_t content = 0;     // where what it holds begins in the output
    std::size_t first_bar = 0;   // its first entry in `bars_`
    std::size_t text = 0;        // where its text begins in the output (external links)
};

struct Bar {
    std::size_t at;      // where '|' stands in the output
    std::size_t equals;  // the first '=' after it, or npos
};

class WikitextEngine {
  public:
    explicit WikitextEngine(WikitextOptions options);
    WikitextStatus extract(std::string_view page, std::string_view title, std::string& out, WikitextFacts& facts);

  private:
    // structure
    void structure();
    bool special(char c);
    void newline();
    void equals();
    void bar();
    void open_braces();
    void close_braces();
    void finish_braces(std::size_t take);
    const TemplateRule* read_call(const Frame& frame);
    bool finish_function(const Frame& frame);
    void finish_tag_function();
    void begin_line();
    void skip_redirect();
    std::size_t term_end(std::size_t from, std::size_t end) const;
    // tables
    void open_table();
    void table_tag(std::string_view name, std::string_view attributes);
    void put_attributes(std::string_view attributes);
    void close_table(Kind kind);
    void finish_table(bool unclosed);
    // boxes
    void finish_box(const Frame& frame);
    template <typename Use>
    void each_argument(const Frame& frame, Use use);
    void write_hatnote(const Frame& frame, std::string_view lead);
    void write_infobox(const Frame& frame);
    std::string_view file_caption(const Frame& frame);
    void keep_caption(const Frame& frame);
    void flush_captions();
    void gallery_line();
    bool at_line_start() const;
    bool push(Frame frame);
    void pop_unclosed();
    void pop_unclosed_until(Kind kind);
    const Frame* top() const { return frames_.empty() ? nullptr : &frames_.back(); }
    bool top_is(Kind kind) const { return !frames_.empty() && frames_.back().kind == kind; }
    std::size_t open(Kind kind) const { return open_[static_cast<std::size_t>(kind)]; }
    void count_step(std::size_t n) { counters_->steps += static_cast<std::int64_t>(n); }
    void hole();
    void cut_back(std::size_t to);
    bool starts_with(std::size_t at, std::string_view what) const;
    // tags
    void angle();
    void comment();
    void opening_tag(TagName tag, std::size_t name_end);
    void closing_tag(TagName tag, std::size_t name_end);
    void opaque_tag(TagName tag, std::string_view name, std::string_view attributes, std::size_t inside);
    void reference(std::size_t inside, std::size_t close, std::size_t after);
    void unclosed_reference(std::size_t inside, std::size_t limit);
    void super_tag(std::size_t after);
    std::size_t tag_end(std::size_t at, bool& self_closing) const;
    std::size_t find_close(std::string_view name, std::uint32_t index, std::size_t from, std::size_t& after);
    std::size_t find_open_reference(std::size_t from);
    void put_text(std::string_view text, bool entities);
    void put_math(std::string_view text, std::string_view command, bool block);
    void put_code_mark();
    void put_block_text(std::string_view text, std::string_view language, bool entities);
    void item_tag(std::size_t after);
    void inline_tag(std::string_view name, bool self_closing);
    // links
    void open_bracket();
    void close_bracket();
    void finish_link();
    void add_category(std::string_view target);
    void put_barred(std::size_t at, const std::string& text);
    std::string_view trim_pipe(std::string_view target) const;
    void finish_external();
    void finish_variant();
    std::string_view link_target(const Frame& frame) const;
    bool has_prefix(std::string_view target, const NameSet& names);
    std::size_t url_scheme(std::size_t at) const;

    WikitextOptions options_;
    std::shared_ptr<const TemplateTable> table_;
    NameSet file_names_, category_names_;  // in lower case
    TemplateClasses classes_;
    LineOptions line_options_;
    std::string prefix_;
    bool variants_ = false;  // whether the wiki has -{ }-
    std::array<bool, 256> special_{};

    std::string_view in_;
    std::size_t pos_ = 0;
    std::string out_;      // between the passes
    std::string scratch_;  // one rendered construct
    TemplateCall call_;
    std::vector<FunctionArgument> function_arguments_;
    std::vector<Frame> frames_;
    std::vector<Bar> bars_;
    std::array<std::size_t, kKinds> open_{};
    std::size_t poems_ = 0;
    std::size_t term_end_ = 0;     // where the colon stands that ends a term
    std::string html_lists_;       // signs of the HTML lists that are open
    std::size_t caption_end_ = 0;  // where the caption ends that stands on a line of a gallery
    std::size_t gallery_end_ = 0;  // where the gallery ends whose captions are read
    std::string captions_;         // that wait for the end of their paragraph, with marks
    NameSet seen_categories_;
    bool over_nesting_ = false;
    std::size_t max_output_ = 0;  // bytes, of the page
    std::string_view title_;
    WikitextFacts* facts_ = nullptr;
    WikitextCounters* counters_ = nullptr;  // those in facts_
    // Where the next closing tag of each name begins, so that no stretch is searched twice.
    struct NextClose {
        std::size_t from = 0, at = 0, after = 0;
        bool known = false;
    };
    std::array<NextClose, kTagNames> next_close_{};
    NextClose next_reference_{};
};

/// The second pass: `marked` is the output of the first. Appends the text to `out`.
void write_lines(std::string_view marked, const LineOptions& options, std::string& out, WikitextFacts& facts);

}  // namespace corpuskit
