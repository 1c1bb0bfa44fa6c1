// First pass: tables. What stands between {| and |}, or <table> and </table>, was written to the
// output with its bars and line beginnings as they are; when the table closes it is read once and
// written anew, row by row, with marks that the second pass turns into lines. A table that only
// lays out a page is taken apart instead.
#include <algorithm>

#include "engine/wikitext/parse/engine.hpp"

namespace corpuskit {

namespace {
// Spans, cells and what they fill are bounded, since a short page can ask for n * n of them.
constexpr std::size_t kMostColumns = 256;  // that spans may fill
constexpr std::uint32_t kWidestSpan = 100;  // places that one cell may fill
constexpr std::size_t kMostAttributes = 400;
// Rows and cells that a table is taken apart into.
constexpr std::size_t kMostCells = std::size_t{1} << 20;
// Empty cells that spans may fill for each one that is there.
constexpr std::size_t kMostFilled = 16;
constexpr std::size_t kAlwaysFilled = 10'000;
constexpr std::size_t kLongestRepeated = 200;  // bytes of a cell that reaches down

struct Cell {
    std::size_t begin, end;
    bool head;
    std::uint16_t columns, rows;
};

/// The first `sign` that is not text, from `from` on.
std::size_t find_sign(std::string_view s, std::string_view sign, std::size_t from) {
    for (std::size_t at = s.find(sign, from); at != kNone; at = s.find(sign, at + 1))
        if (at == 0 || s[at - 1] != kLiteral) return at;
    return kNone;
}

std::uint16_t span(std::string_view attributes, std::string_view name) {
    const std::string text = lower_case(attributes);
    const std::size_t at = text.find(name);
    if (at == kNone) return 1;
    const std::size_t digit = text.find_first_of("0123456789", at);
    if (digit == kNone || digit > at + name.size() + 4) return 1;
    std::uint32_t n = 0;
    for (std::size_t i = digit; i < text.size() && i < digit + 4 && is_digit(text[i]); ++i)
        n = n * 10 + static_cast<std::uint32_t>(text[i] - '0');
    return static_cast<std::uint16_t>(std::clamp<std::uint32_t>(n, 1, kWidestSpan));
}

/// Whether a cell without a second bar holds attributes alone: what followed them came from a
/// template that went.
bool only_attributes(std::string_view text) {
    static constexpr std::string_view kNames[] = {
        "rowspan", "colspan", "style", "align",           "valign", "width",
        "bgcolor", "class",   "scope", "data-sort-value", "nowrap", "height"};
    bool any = false;
    for (text = trim_marks(text); !text.empty(); text = trim_marks(text)) {
        const std::size_t equals = text.find('=');
        if (equals == kNone || equals + 1 >= text.size()) return false;
        const std::string name = lower_case(trim(text.substr(0, equals)));
        if (!contains(kNames, name)) return false;
        text = trim(text.substr(equals + 1));
        const bool quoted = !text.empty() && text[0] == '"';
        const std::size_t close = quoted ? text.find('"', 1) : text.find_first_of(" \t");
        text.remove_prefix(close == kNone ? text.size() : close + (quoted ? 1 : 0));
        any = true;
    }
    return any;
}

/// Rows and cells of a table as MediaWiki reads them.
class Table {
  public:
    explicit Table(std::string_view body) : body_(body) {
        std::size_t at = find_or_end(body, '\n');
        attributes = body.substr(0, at);
        while (at < body.size()) {
            const std::size_t end = std::min(body.find('\n', at + 1), body.size());
            line(at + 1, end);
            at = end;
        }
        if (!rows.empty() && rows.back().empty()) rows.pop_back();
    }

    std::string_view text(const Cell& cell) const {
        return body_.substr(cell.begin, cell.end - cell.begin);
    }

    std::string_view attributes;
    Cell caption{0, 0, false, 1, 1};
    Cell before{0, 0, false, 1, 1};  // what stands before the first cell
    std::vector<std::vector<Cell>> rows;
    std::size_t cells = 0, heads = 0;
    bool spans = false;  // whether a cell fills more than its place

  private:
    void line(std::size_t begin, std::size_t end) {
        std::size_t at = begin;
        while (at < end && (is_space(body_[at]) || (is_mark(body_[at]) && body_[at] != kLiteral &&
                                                    body_[at] != kRow && body_[at] != kLine)))
            ++at;
        const std::string_view rest = body_.substr(at, end - at);
        if (rest.starts_with("|+")) {
            caption = cell(at + 2, end, false);
            open_ = &caption;
        } else if (is_full() && open_ != nullptr) {
            open_->end = end;
        } else if (rest.starts_with("|-") || rest.starts_with("|}")) {
            if (!is_full()) rows.emplace_back();
            open_ = nullptr;
        } else if (!rest.empty() && (rest[0] == '|' || rest[0] == '!')) {
            read_cells(at + 1, end, rest[0] == '!');
        } else if (open_ != nullptr) {
            open_->end = end;
        } else if (before.end == 0 || before.end + 1 == begin) {
            before = {before.end == 0 ? begin : before.begin, end, false, 1, 1};
        }
    }

    void read_cells(std::size_t begin, std::size_t end, bool head) {
        if (rows.empty()) rows.emplace_back();
        const std::string_view line = body_.substr(0, end);
        // Where the next sign of each kind is looked for, or stands.
        std::size_t bars = begin, marks = head ? begin : kNone;
        while (true) {
            if (bars <= begin) bars = find_sign(line, "||", begin);
            if (marks <= begin) marks = find_sign(line, "!!", begin);
            const std::size_t next = is_full() ? end : std::min(bars, marks);
            rows.back().push_back(cell(begin, std::min(next, end), head));
            ++cells;
            heads += head;
            spans = spans || rows.back().back().rows > 1 || rows.back().back().columns > 1;
            if (next >= end) break;
            begin = next + 2;
        }
        open_ = &rows.back().back();
    }

    /// Whether all that follows is part of the last cell: no reader wants a larger table.
    bool is_full() const { return cells + rows.size() >= kMostCells; }

    /// What stands before a single bar are attributes, unless it holds a link.
    Cell cell(std::size_t begin, std::size_t end, bool head) const {
        const std::string_view line = body_.substr(0, end);
        const std::size_t bar = find_sign(line, "|", begin);
        Cell result{begin, end, head, 1, 1};
        if (bar == kNone && only_attributes(line.substr(begin))) result.begin = end;
        if (bar == kNone || bar - begin > kMostAttributes) return result;
        const std::string_view attributes = line.substr(begin, bar - begin);
        if (attributes.find("[[") != kNone) return result;
        result.columns = span(attributes, "colspan");
        result.rows = span(attributes, "rowspan");
        result.begin = bar + 1;
        return result;
    }

    std::string_view body_;
    // The cell that a line without a sign goes on with; the rows before it do not change.
    Cell* open_ = nullptr;
};

/// How many lines of a cell begin an item, and how many blank lines and headings it has.
void count_lines(std::string_view text, std::size_t& items, std::size_t& breaks) {
    for (std::size_t at = 0; at < text.size();
         at = std::min(text.find('\n', at), text.size() - 1) + 1) {
        const char c = text[at];
        items += c == '*' || c == '#' || c == ';';
        breaks += c == '\n' || c == '=';
    }
}

/// Whether the table lays out a page: it holds tables, long lists or several paragraphs, and names
/// no columns.
bool is_layout(const Table& table) {
    bool structure = false;
    for (const auto& row : table.rows)
        for (const Cell& cell : row) {
            const std::string_view text = table.text(cell);
            if (text.find(kRow) != kNone) return true;
            std::size_t items = 0, breaks = 0;
            count_lines(trim_marks(text), items, breaks);
            structure = structure || items >= 3 || breaks >= 1;
        }
    return table.cells == 1 || (structure && table.heads == 0);
}

bool names_class(std::string_view attributes, std::initializer_list<std::string_view> words) {
    const std::string text = lower_case(attributes);
    return std::any_of(words.begin(), words.end(),
                       [&](std::string_view w) { return text.find(w) != kNone; });
}

void write_layout(const Table& table, std::string& out) {
    const auto put = [&](const Cell& cell) {
        const std::string_view text = table.text(cell);
        if (!has_word(text)) return;
        out.append("\n\n").append(
            text.substr(std::min(text.find_first_not_of(" \t"), text.size())));
    };
    put(table.caption);
    for (const auto& row : table.rows)
        for (const Cell& cell : row) put(cell);
    out.append("\n\n");
}

/// What the cell above that reaches down into a row still fills of a column.
struct Reach {
    std::uint16_t rows = 0;
    bool goes_on = false;   // whether the cell began in a column before
    std::string_view text;  // repeated where a row begins with it; empty where it is long
};

/// Rows with marks before each cell. With `aligned`, spans are filled with empty cells, in which
/// kGlue says that the cell before goes on; with `repeat`, a row that a cell above reaches into at
/// its beginning begins with what that says. Stops where `out` is longer than `most`: the page is
/// over its budget then.
void write_rows(const Table& table, bool aligned, bool repeat, std::size_t most,
                std::string& out) {
    if (has_word(table.text(table.caption))) {
        out.append("\n").push_back(kLine);
        append_flat(table.text(table.caption), " ", out);
        out.push_back('\n');
    }
    std::vector<Reach> down;  // by column
    std::size_t room = kAlwaysFilled + kMostFilled * table.cells;
    for (const auto& row : table.rows) {
        if (out.size() > most) return;
        out.append("\n").push_back(kRow);
        if (table.spans) out.push_back(kGlue);
        std::size_t column = 0;
        bool leading = true;  // whether no cell of the row itself was written yet
        const auto fill = [&] {
            for (; column < down.size() && down[column].rows > 0 && room > 0; ++column, --room) {
                --down[column].rows;
                out.push_back(kCell);
                if (down[column].goes_on) out.push_back(kGlue);
                if (leading) append_flat(down[column].text, " ", out);
            }
        };
        for (const Cell& cell : row) {
            if (aligned) fill();
            leading = false;
            out.push_back(cell.head ? kHead : kCell);
            append_flat(table.text(cell), " ", out);
            if (!aligned) continue;
            for (std::uint16_t i = 0; i < cell.columns && column < kMostColumns && room > 0;
                 ++i, ++column, --room) {
                if (i > 0) out.append({cell.head ? kHead : kCell, kGlue});
                if (down.size() <= column) down.resize(column + 1);
                const std::string_view text = repeat && i == 0 ? table.text(cell) : "";
                down[column] = {static_cast<std::uint16_t>(cell.rows - 1), i > 0,
                                text.size() <= kLongestRepeated ? text : ""};
            }
        }
        if (aligned) fill();
    }
    out.append("\n\n");
}

}  // namespace

void WikitextEngine::open_table() {
    const std::size_t start = out_.size();
    out_.push_back(kOpenTable);
    out_.append("{|");
    push({.kind = Kind::kTable, .start = start, .content = out_.size()});
    pos_ += 2;
}

/// A part of an HTML table becomes a part of a wiki table; outside of tables its tag is a blank or
/// a border.
void WikitextEngine::table_tag(std::string_view name, std::string_view attributes) {
    const bool row = name == "tr", cell = name == "td", head = name == "th",
               caption = name == "caption";
    while (open(Kind::kTable) + open(Kind::kHtmlTable) > 0 && !top_is(Kind::kTable) &&
           !top_is(Kind::kHtmlTable)) {
        if (top_is(Kind::kTemplate)) break;
        pop_unclosed();
    }
    if (!top_is(Kind::kTable) && !top_is(Kind::kHtmlTable)) {
        if (row || caption) out_.push_back(kBlock);
        else if (cell || head) out_.push_back(' ');
        return;
    }
    if (row) out_.append("\n|-\n");
    if (!cell && !head && !caption) return;
    out_.append(cell ? "\n|" : head ? "\n!" : "\n|+");
    put_attributes(attributes);
    out_.push_back('|');
}

/// Attributes of a tag without any sign that means something in a table.
void WikitextEngine::put_attributes(std::string_view attributes) {
    for (char c : attributes.substr(0, kMostAttributes))
        out_.push_back(is_word(c) || c == '=' || c == '-' ? c : ' ');
}

/// Ends the innermost table of this kind; the caller has made sure that it may be closed.
void WikitextEngine::close_table(Kind kind) {
    pop_unclosed_until(kind);
    if (!frames_.empty()) finish_table(false);
}

/// A table that the innermost frame stands for. If the page ended before it, what follows the first
/// blank line in its last cell was not meant to be in it.
void WikitextEngine::finish_table(bool unclosed) {
    const Frame frame = pop();
    const std::string body = out_.substr(frame.content);
    count_step(body.size());
    std::size_t end = body.size();
    if (unclosed) {
        const std::size_t last =
            std::max({body.rfind("\n|") + 1, body.rfind("\n!") + 1, std::size_t{0}});
        end = std::min({body.find("\n\n", last), body.find("\n=", last), body.size()});
        ++counters_->unclosed;
    }
    const Table table(std::string_view(body).substr(0, end));
    const bool at_top = !has_word(std::string_view(out_).substr(0, frame.start).substr(0, 400)) &&
                        names_class(table.attributes, {"right"});
    const bool box = at_top || names_class(table.attributes, {"infobox", "sinottico", "taxobox"});
    const bool navigation = names_class(
        table.attributes, {"navbox", "metadata", "noprint", "mbox", "toccolours", "nascondi"});
    cut_back(frame.start);
    const bool keep = options_.tables == WikitextTables::kKeep;
    if (options_.tables == WikitextTables::kDrop || navigation || (box && !options_.infobox)) {
        ++(box ? counters_->infoboxes : counters_->tables);
        out_.push_back(kHole);
        out_.push_back(kBlock);
    } else {
        ++counters_->tables_kept;
        if (has_word(table.text(table.before)))
            out_.append("\n\n").append(table.text(table.before)).append("\n\n");
        if (is_layout(table)) write_layout(table, out_);
        else write_rows(table, keep || table.spans, !keep, max_output_, out_);
    }
    count_step((out_.size() - frame.start) / 4);
    out_.append(body, end);
}

}  // namespace corpuskit
