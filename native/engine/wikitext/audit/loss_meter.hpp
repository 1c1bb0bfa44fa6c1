// The reader of the loss meter; loss.hpp tells what it measures. Shared by its files.
#pragma once

#include <algorithm>
#include <array>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/text/words.hpp"
#include "engine/wikitext/audit/loss.hpp"
#include "engine/wikitext/audit/loss_text.hpp"
#include "engine/wikitext/marks.hpp"
#include "engine/wikitext/parse/names.hpp"
#include "engine/wikitext/templates/templates.hpp"

namespace corpuskit {

/// Rows of the table by kind and name.
class LossRows {
  public:
    std::uint32_t find(LossKind kind, std::string_view name) {
        std::string key(1, static_cast<char>(kind));
        key.append(name);
        const auto [it, added] = index_.emplace(std::move(key),
                                                static_cast<std::uint32_t>(table.kinds.size()));
        if (!added) return it->second;
        table.kinds.push_back(static_cast<std::int32_t>(kind));
        table.names.add(name);
        for (auto* column : {&table.uses, &table.words, &table.lost}) column->push_back(0);
        table.pages.push_back(-1);
        examples.emplace_back();
        return it->second;
    }

    /// Moves the rows that have uses to `out`: some have none, since all became another row's.
    void take(LossTable& out) const {
        const Column names = table.names.column();
        for (std::size_t row = 0; row < examples.size(); ++row) {
            if (table.uses[row] == 0) continue;
            out.kinds.push_back(table.kinds[row]);
            out.names.add(names[row]);
            out.uses.push_back(table.uses[row]);
            out.words.push_back(table.words[row]);
            out.lost.push_back(table.lost[row]);
            out.pages.push_back(table.pages[row]);
            out.examples.add(examples[row]);
        }
    }
    std::string name(std::uint32_t row) const { return std::string(table.names.column()[row]); }

    LossTable table;
    std::vector<std::string> examples;

  private:
    std::unordered_map<std::string, std::uint32_t> index_;
};

class LossMeter {
  public:
    explicit LossMeter(const WikitextOptions& options)
        : options_(options), classes_(options.template_classes) {
        for (unsigned char c : std::string_view("{}[]|=<&\n'_!:")) special_[c] = true;
        const auto fill = [](const std::vector<std::string>& from, NameSet& to) {
            for (const std::string& name : from) to.insert(fold_name(trim(name)));
        };
        fill(options.file_prefixes, files_);
        fill(options.category_prefixes, categories_);
        fill(options.drop_sections, sections_);
    }

    void measure(std::string_view page, std::string_view text, std::int64_t number,
                 std::int64_t* columns);

    LossRows rows;
    std::size_t table_bytes = 0;  // see LossBatch

  private:
    static constexpr std::size_t kDeepest = 200;  // frames, as in the extractor; the rest is text

    /// A word that waits for its turn: its hash without the lowest bits, where the number of its
    /// use stands.
    using Word = std::uint64_t;

    static constexpr std::uint32_t kOpenEnd = 0xFFFFFFFF;

    /// One use of a template, table, file...; use 0 of a page is its prose. Places beyond 4 GiB are
    /// cut off: they serve an example only.
    struct Use {
        std::uint32_t row;    // of the table
        std::uint32_t start;  // in the page
        std::uint32_t end;    // kOpenEnd while it is open
    };

    enum class Open : std::uint8_t { kTemplate, kLink, kExternal, kTable, kReference };

    struct Frame {
        Open kind;
        bool named = false;      // a template: its name is behind us; a link: its target is
        bool file = false;       // a link to a file
        bool hidden = false;  // what comes until the next '|' is no text: an argument that styles
        bool owner = false;      // whether its use is its own, not that of what it stands in
        bool fresh = false;      // an argument in which no '=' was met yet
        bool unknown = false;    // a template of which neither a rule nor a class tells
        bool converts = false;   // a template that writes its numbers alone as they are
        std::uint32_t use = 0;   // what its words belong to
        std::size_t begin = 0;   // in the page
        std::size_t words = 0;   // how many there were when its current piece began
    };

    static std::uint32_t place(std::size_t at) {
        return static_cast<std::uint32_t>(std::min<std::size_t>(at, kOpenEnd));
    }

    // words, lines and what they belong to (loss.cpp)
    void special();
    void letters();
    void newline();
    void line_start();
    void heading();
    void table_line();

    bool at(std::string_view what) const {
        return page_.size() - pos_ >= what.size() && page_.compare(pos_, what.size(), what) == 0;
    }
    bool top_is(Open kind) const { return !frames_.empty() && frames_.back().kind == kind; }
    bool is_open(Open kind) const { return open_[static_cast<std::size_t>(kind)] > 0; }
    bool push(Frame frame);
    void pop();
    std::uint32_t use_now() const { return frames_.empty() ? base_use_ : frames_.back().use; }
    std::uint32_t new_use(LossKind kind, std::string_view name, std::size_t start);
    void end_word();
    void skip() { end_word(), ++pos_; }  // a sign that only ends a word
    void put_word(std::uint64_t hash, std::uint32_t use);
    void drop_piece(Frame& frame);
    bool hidden() const { return hidden_ > 0; }
    void hide(Frame& frame, bool on);
    // templates, links, tags (loss_markup.cpp)
    void open_braces();
    void close_braces();
    void template_named(Frame& frame, std::string_view name);
    LossKind kind_by_rule(const TemplateRule* rule) const;
    void end_argument(Frame& frame);
    void judge_unknown(const Frame& frame);
    bool is_number(std::size_t begin) const;
    void colon();
    void equals();
    void open_bracket();
    void close_bracket();
    void bar();
    void tag();
    bool has_close(TagName known, std::string_view name, std::size_t from);
    void opaque(std::string_view name, std::size_t inside);
    void entity();
    void skip_until(std::string_view what);
    void piece(std::string_view text, std::uint32_t use);
    // comparing
    void settle();
    void settle(std::uint64_t hash, Use& use, std::size_t kind);
    std::string example(const Use& use) const;
    void note_example(const Use& use);
    void find_fallbacks();
    void move(Use& use, LossKind kind);

    const WikitextOptions& options_;
    TemplateClasses classes_;
    NameSet files_, categories_, sections_;
    std::array<bool, 256> special_{};
    std::string_view page_;
    std::size_t pos_ = 0;
    std::vector<Frame> frames_;
    std::array<std::size_t, 5> open_{};  // frames by kind
    // In blocks: a page of 10 MB may have five million words, and growing a vector would hold them
    // twice.
    std::deque<Word> words_;
    std::deque<Use> uses_;
    std::uint32_t base_use_ = 0;    // of prose, or of a section that is dropped
    bool in_heading_ = false;       // base_use_ is a heading's
    std::size_t section_level_ = 0;  // of the section that is dropped
    std::size_t hidden_ = 0;
    std::size_t unknown_ = 0;       // frames that are open, by their flag
    WordHash word_;
    std::uint32_t word_use_ = 0;
    bool digit_ = false;            // whether the word ends with a digit
    WordCounts counts_;             // words of the text that are not yet taken
    std::int64_t number_ = 0;       // of the page in its batch
    std::int64_t* columns_ = nullptr;
    std::array<bool, kTagNames> never_closed_{};
    std::array<std::size_t, kTagNames> next_close_{};  // 0 while it is not known
};

}  // namespace corpuskit
