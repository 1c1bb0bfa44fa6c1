// The engine of the first pass: shared by the files that make it up.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "engine/wikitext/marks.hpp"
#include "engine/wikitext/parse/names.hpp"
#include "engine/wikitext/parse/wikitext.hpp"
#include "engine/wikitext/templates/functions.hpp"
#include "engine/wikitext/templates/templates.hpp"

namespace corpuskit {

/// What the second pass needs to know.
struct LineOptions {
    bool markdown = false;
    bool hatnotes = false;
    WikitextTables tables = WikitextTables::kFlatten;
    NameSet drop_sections;  // in lower case
};

enum class Kind : std::uint8_t { kTemplate, kLink, kExternal, kTable, kHtmlTable, kVariant };
inline constexpr std::size_t kKinds = 6;

struct Frame {
    Kind kind;
    bool file = false;           // a link into the File namespace
    std::size_t braces = 0;      // braces that are open (templates)
    std::size_t from = 0;        // where its braces begin in the page
    std::size_t start = 0;       // where its mark or opening stands in the output
    std::size_t content = 0;     // where what it holds begins in the output
    std::size_t first_bar = 0;   // its first entry in `bars_`
    std::size_t text = 0;        // where its text begins in the output (external links)
};

struct Bar {
    std::size_t at;      // where '|' stands in the output
    std::size_t equals;  // the first '=' after it, or npos
};

/// Extracts many pages with the same options; keeps its buffers between pages.
class WikitextEngine {
  public:
    explicit WikitextEngine(WikitextOptions options);
    /// Appends the text of `page` to `out`; appends nothing when the status is not kOk. `title` may
    /// be empty.
    WikitextStatus extract(std::string_view page, std::string_view title, std::string& out,
                           WikitextFacts& facts);

  private:
    // structure
    void structure();
    bool special(char c);
    void newline();
    void equals();
    void bar();
    void open_braces();
    void close_braces();
    void finish_braces(std::size_t take, std::size_t end);
    void finish_template(const Frame& frame, std::string_view call);
    const TemplateRule* read_name(const Frame& frame);
    void read_arguments(const Frame& frame);
    void fall_back(const Frame& frame, std::string_view call);
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
    Frame pop();
    void pop_unclosed();
    void pop_unclosed_until(Kind kind);
    const Frame* top() const { return frames_.empty() ? nullptr : &frames_.back(); }
    bool top_is(Kind kind) const { return !frames_.empty() && frames_.back().kind == kind; }
    std::size_t open(Kind kind) const { return open_[static_cast<std::size_t>(kind)]; }
    /// Counts work: bytes that are looked at one by one in full, those that are moved or searched
    /// for one sign, which is faster, as a quarter or an eighth.
    void count_step(std::size_t n) { counters_->steps += static_cast<std::int64_t>(n); }
    void copy() { out_.push_back(in_[pos_++]); }  // the byte at pos_ means nothing: it is text
    void hole();
    void put_apart(std::string_view text);
    void cut_back(std::size_t to);
    bool starts_with(std::size_t at, std::string_view what) const;
    // tags
    void angle();
    void comment();
    void opening_tag(TagName tag, std::string_view name, std::string_view attributes,
                     bool self_closing);
    void closing_tag(TagName tag, std::string_view name);
    void gallery_tag(TagName tag, std::string_view attributes, bool self_closing);
    void opaque_tag(TagName tag, std::string_view name, std::string_view attributes);
    void reference(std::size_t close, std::size_t after);
    void unclosed_reference(std::size_t limit);
    void super_tag();
    std::size_t tag_end(std::size_t at, bool& self_closing) const;
    std::size_t find_close(std::string_view name, std::uint32_t index, std::size_t from,
                           std::size_t& after);
    std::size_t find_open_reference(std::size_t from);
    void put_text(std::string_view text, bool entities);
    void put_math(std::string_view text, std::string_view command, bool block);
    void put_code_mark();
    void put_block_text(std::string_view text, std::string_view language, bool entities);
    void item_tag();
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
    std::string_view before_bars(const Frame& frame) const;
    std::string_view behind_bar(std::size_t i) const;
    std::size_t equals_of(std::size_t i) const {  // in behind_bar(i), or npos
        return bars_[i].equals == kNone ? kNone : bars_[i].equals - bars_[i].at - 1;
    }
    std::string_view link_target(const Frame& frame) const {
        return trim_marks(before_bars(frame));
    }
    static bool has_prefix(std::string_view target, const NameSet& names);
    std::size_t url_scheme(std::size_t at) const;

    WikitextOptions options_;
    std::shared_ptr<const TemplateTable> table_;
    NameSet file_names_, category_names_;  // in lower case
    TemplateClasses classes_;
    LineOptions line_options_;
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
void write_lines(std::string_view marked, const LineOptions& options, std::string& out,
                 WikitextFacts& facts);

}  // namespace corpuskit
