// Second pass: what is a matter of lines. Headings, lists, paragraphs, rows of tables, sections
// that go.
#include <algorithm>
#include <array>

#include "engine/wikitext/parse/lines.hpp"

namespace corpuskit {

namespace {
// Deeper signs are of the last level; the bound keeps the counters of numbered lists in an array.
constexpr std::size_t kListDepth = 16;

bool is_list_sign(char c) { return c == '*' || c == '#' || c == ':' || c == ';'; }

/// Without blanks at its ends, no-break ones among them.
std::string_view trim_blanks(std::string_view s) {
    constexpr std::string_view kNoBreak = "\xC2\xA0";
    while (s.starts_with(kNoBreak) || s.starts_with(' ')) s.remove_prefix(s[0] == ' ' ? 1 : 2);
    while (s.ends_with(kNoBreak) || s.ends_with(' ')) s.remove_suffix(s.back() == ' ' ? 1 : 2);
    return s;
}

/// Puts the lines together: blocks, headings that wait for something under them, lists.
class Page {
  public:
    Page(std::string& out, WikitextFacts& facts, const LineOptions& options, bool unclosed)
        : out_(out), start_(out.size()), facts_(facts), options_(options), unclosed_(unclosed) {}

    /// `rest` is what follows the line.
    void line(std::string_view line, std::string_view rest);
    void finish() {
        end_table();
        if (text_.disambiguates) facts_.flags |= kFlagDisambiguation;
        facts_.table_bytes += text_.table_bytes();
    }

  private:
    enum class Block : std::uint8_t { kNone, kParagraph, kList, kPre, kLines };

    void write(std::string_view line) { text_.write(line, options_.markdown); }
    bool heading(std::string_view line, std::string_view rest);
    void add_heading(std::size_t level, std::string_view text, std::string_view rest);
    bool hatnote(std::string_view line);
    void own_line(std::string_view line);
    void row(std::string_view line);
    void end_table();
    bool debris(std::string_view line);
    void list(std::string_view line);
    void item(std::string_view prefix, std::string_view content);
    void paragraph(std::string_view line, bool pre);
    void emit(std::string_view text, std::string_view separator);
    void end_block() { block_ = Block::kNone; }
    std::string_view join_paragraph(std::string_view next) const;

    struct Heading {
        std::size_t level;
        std::string text;
    };
    static constexpr std::size_t kNoSection = 99;

    std::string& out_;
    std::size_t start_;
    WikitextFacts& facts_;
    const LineOptions& options_;
    bool unclosed_;  // whether there is a mark of an unclosed template or table
    Block block_ = Block::kNone;
    bool forced_break_ = false;    // the last line ended with <br>
    // An unclosed template or table was met: lines of its arguments are debris.
    bool open_template_ = false;
    LineText text_;
    std::vector<Heading> headings_;
    std::size_t dropped_level_ = kNoSection;  // of the section that goes; deeper ones go with it
    bool at_top_ = true;                      // nothing was written since the last heading
    TableText table_;
    std::size_t defined_ = 0;  // depth of the last term of a definition list
    std::string list_;                              // signs of the last list line
    std::array<std::uint32_t, kListDepth + 1> numbers_{};
};

void Page::emit(std::string_view text, std::string_view separator) {
    for (const Heading& heading : headings_) {
        if (out_.size() > start_) out_.append("\n\n");
        if (options_.markdown) out_.append(heading.level, '#').push_back(' ');
        out_.append(heading.text);
        separator = "\n\n";
    }
    headings_.clear();
    if (out_.size() > start_) out_.append(separator);
    out_.append(text);
    at_top_ = false;
}

/// The level of a heading, whose line is trimmed at its end then; 0 if it is none.
std::size_t heading_level(std::string_view& line) {
    if (line.empty() || line.front() != '=') return 0;
    std::string_view trimmed = line;
    while (!trimmed.empty() &&
           (is_space(trimmed.back()) || (is_mark(trimmed.back()) && trimmed.back() != kLiteral)))
        trimmed.remove_suffix(1);
    std::size_t left = 0, right = 0;
    const std::size_t size = trimmed.size();
    while (left < size && left < 6 && trimmed[left] == '=') ++left;
    while (right < size && right < 6 && trimmed[size - 1 - right] == '=') ++right;
    const std::size_t level = size == 0 ? 0 : std::min({left, right, (size - 1) / 2});
    if (level == 0 || (size > level && trimmed[size - level - 1] == kLiteral)) return 0;
    line = trimmed;
    return level;
}

/// What follows a mark at the start of a line is still its start: "{{clear}}* item".
std::string_view without_start_marks(std::string_view line) {
    const auto goes = [](char c) { return c == kHole || c == kBlock || c == kGap; };
    while (!line.empty() && goes(line.front())) line.remove_prefix(1);
    return line;
}

constexpr std::string_view kStops[] = {".", "!", "?", "\u3002", "\uFF01", "\uFF1F",
                                       "\u061F", "\u06D4", "\u0964", "\u0589"};
constexpr std::size_t kShortestProse = 60;  // bytes: less is a remark on what stands in the section

/// Whether a stop stands within a line of prose, so that it has a second sentence.
bool has_second_sentence(std::string_view line) {
    for (std::string_view stop : kStops)
        for (std::size_t at = line.find(stop); at != kNone;
             at = line.find(stop, at + stop.size())) {
            const std::string_view after = line.substr(at + stop.size());
            // Wide stops have no blank behind them; behind one or two letters is an abbreviation.
            const std::size_t word = at - (line.substr(0, at).find_last_of(" .(") + 1);
            const bool ends = stop.size() == 3 || (after.starts_with(' ') && word > 2);
            if (ends && has_word(after)) return true;
        }
    return false;
}

/// Whether a line reads as prose: it is none of a list or table, begins with its own words, ends as
/// a sentence does and names no book or address.
bool is_prose(std::string_view line) {
    // Signs of lists and tables, kLine, kRow, kHat, kCalled.
    if (line.empty() || is_any(line.front(), "*#:;|!= \x08\x0E\x0F\x13")) return false;
    for (std::string_view sign : {"ISBN", "ISSN", "doi:", "://"})
        if (line.find(sign) != kNone) return false;
    while (!line.empty() && (is_space(line.back()) || is_mark(line.back()) ||
                             is_any(line.back(), "'\")]\xBB\x9D")))
        line.remove_suffix(1);
    return std::any_of(std::begin(kStops), std::end(kStops),
                       [&](std::string_view stop) { return line.ends_with(stop); });
}

/// Whether a section is prose for the most part, counted in bytes of its lines: lists, tables, what
/// begins with a template or an address, and names of works are not. A remark of one sentence ("All
/// dates are Julian.") is none. `rest` is what follows its heading, which is of `level`.
bool is_prose_section(std::string_view rest, std::size_t level, std::int64_t& steps) {
    std::size_t prose = 0, other = 0, sentences = 0;
    for (std::size_t at = 0; at < rest.size();) {
        const std::size_t end = find_or_end(rest, '\n', at);
        std::string_view line = without_start_marks(rest.substr(at, end - at));
        at = end + 1;
        steps += static_cast<std::int64_t>(line.size() / 4) + 1;
        if (const std::size_t next = heading_level(line); next > 0) {
            if (next <= level) break;
            continue;
        }
        const bool told = is_prose(line);
        (told ? prose : other) += line.size();
        if (told) sentences += has_second_sentence(line) ? 2 : 1;
    }
    return prose > other && sentences > 1 && prose >= kShortestProse;
}

bool Page::heading(std::string_view line, std::string_view rest) {
    const std::size_t level = heading_level(line);
    if (level == 0) return false;
    text_.write(line.substr(level, line.size() - 2 * level), false);
    std::replace(text_.text.begin(), text_.text.end(), '\n', ' ');
    add_heading(level, trim(text_.text), rest);
    return true;
}

/// A heading waits for something under it; that of a section that goes takes all with it up to its
/// next equal, unless the section is prose.
void Page::add_heading(std::size_t level, std::string_view text, std::string_view rest) {
    end_block();
    at_top_ = true;
    if (level > dropped_level_) return;
    dropped_level_ = kNoSection;
    while (!headings_.empty() && headings_.back().level >= level) headings_.pop_back();
    std::string name(text);
    std::transform(name.begin(), name.end(), name.begin(), lower);
    while (!name.empty() && (name.back() == ':' || name.back() == ' ')) name.pop_back();
    if (options_.drop_sections.contains(name) &&
        !is_prose_section(rest, level, facts_.counters.steps)) {
        dropped_level_ = level;
        ++facts_.counters.sections;
    } else if (!text.empty()) {
        headings_.push_back({level, std::string(text)});
    }
}

/// Whether the line is a note at the top of a section that leads elsewhere, all of it italic, and
/// goes.
bool Page::hatnote(std::string_view line) {
    if (line.front() != kHat || !at_top_ || options_.hatnotes) return false;
    line.remove_prefix(1);
    line = skip_blank(line.substr(std::min(line.find_first_not_of(':'), line.size())));
    while (!line.empty() && (is_space(line.back()) || line.back() == '.' || is_mark(line.back())))
        line.remove_suffix(1);
    if (!line.starts_with("''") || !line.ends_with("''")) return false;
    ++facts_.counters.hatnotes;
    return true;
}

/// A line that is no part of a paragraph: of an infobox, a caption.
void Page::own_line(std::string_view line) {
    write(line);
    if (!has_word(text_.text)) return;
    std::replace(text_.text.begin(), text_.text.end(), '\n', ' ');
    emit(text_.text, block_ == Block::kLines ? "\n" : "\n\n");
    block_ = Block::kLines;
}

void Page::row(std::string_view line) {
    if (line.substr(1).starts_with(kGlue)) table_.keep_places();
    // Not `find_first_of`, which calls memchr for each byte.
    const auto next_cell = [line](std::size_t at) {
        while (at < line.size() && line[at] != kCell && line[at] != kHead) ++at;
        return at;
    };
    for (std::size_t at = next_cell(0); at < line.size();) {
        const std::size_t end = next_cell(at + 1);
        const std::string_view cell = line.substr(at + 1, end - at - 1);
        write(cell);
        std::replace(text_.text.begin(), text_.text.end(), '\n', ' ');
        table_.add_cell(trim_blanks(text_.text), cell.size() == 1 && cell[0] == kGlue);
        at = end;
    }
    table_.end_row();
}

/// Writes the rows that were collected.
void Page::end_table() {
    if (table_.rows() == 0) return;
    facts_.table_bytes = std::max(facts_.table_bytes, table_.table_bytes());
    std::string text;
    write_table(table_, options_.tables, options_.markdown, text);
    facts_.counters.steps += static_cast<std::int64_t>(text.size());
    table_.clear();
    end_block();
    if (!text.empty()) emit(text, "\n\n");
}

/// Whether the line is what is left of a table or of a template's arguments.
bool Page::debris(std::string_view line) {
    if (line[0] == '!') return open_template_;
    if (line[0] != '|') return false;
    if (line.starts_with("|-")) open_template_ = true;  // rows of a table that a template began
    if (open_template_ || line.size() == 1 || is_any(line[1], "-}+ |")) return true;
    const std::size_t bar = find_or_end(line, '|', 1);  // "|x| = 3" is none
    return line.substr(0, bar).find('=') != kNone || line.substr(bar).starts_with("||");
}

/// An item without the dash that stood between something removed and its text: "* {{flag}} -
/// [[Rome]]".
std::string_view without_lost_start(std::string_view content) {
    const std::string_view after = skip_blank(content);
    if (content.substr(0, content.size() - after.size()).find(kHole) == kNone) return content;
    for (std::string_view dash : {"- ", "\u2013 ", "\u2014 "})
        if (after.starts_with(dash)) return after.substr(dash.size());
    return content;
}

void Page::item(std::string_view prefix, std::string_view content) {
    write(without_lost_start(content));
    if (text_.text.empty() || (text_.had_hole && !has_word(text_.text))) return;
    std::string line;
    std::size_t depth = 0;
    for (char c : prefix.substr(0, prefix.size() - 1))
        depth += c == '*' ? 2 : c == '#' ? (options_.markdown ? 3 : 2) : 0;
    line.append(depth, ' ');
    const std::size_t level = std::min(prefix.size(), kListDepth);
    const bool defines = options_.markdown && prefix.back() == ':' && defined_ == prefix.size();
    if (prefix.back() != ':' || !defines) defined_ = prefix.back() == ';' ? prefix.size() : 0;
    if (prefix.back() == '*') line.append("- ");
    if (defines) line.append(": ");
    if (prefix.back() == '#') line.append(std::to_string(++numbers_[level])).append(". ");
    line.append(text_.text);
    emit(line, block_ == Block::kList ? "\n" : "\n\n");
    block_ = Block::kList;
}

/// Where the colon stands that ends the term of "; term : definition"; npos if there is none.
std::size_t term_colon(std::string_view content) {
    if (const std::size_t at = content.find(kTerm); at != kNone) return at;
    // In an argument of a template the first pass marked none.
    for (std::size_t at = content.find(':'); at != kNone; at = content.find(':', at + 1)) {
        const bool apart = (at > 0 && content[at - 1] == ' ') ||
                           (at + 1 < content.size() && content[at + 1] == ' ');
        if (apart && (at == 0 || content[at - 1] != kLiteral)) return at;
    }
    return kNone;
}

void Page::list(std::string_view line) {
    std::size_t length = 0;
    while (length < line.size() && is_list_sign(line[length])) ++length;
    const std::string_view prefix = line.substr(0, length);
    const std::string_view kept = prefix.substr(0, kListDepth);
    if (block_ != Block::kList) {
        end_block();
        list_.clear();
    }
    std::size_t common = 0;
    while (common < kept.size() && common < list_.size() && kept[common] == list_[common]) ++common;
    for (std::size_t i = common + 1; i < numbers_.size(); ++i) numbers_[i] = 0;
    list_.assign(kept);
    std::string_view content = line.substr(length);
    const std::size_t colon = kept.back() == ';' ? term_colon(content) : kNone;
    item(kept, content.substr(0, colon));
    if (colon == kNone) return;
    std::string definition(kept);
    definition.back() = ':';
    item(definition, content.substr(colon + 1));
}

/// What stands between two lines of one paragraph: a new line after <br>, nothing within Chinese,
/// else a space.
std::string_view Page::join_paragraph(std::string_view next) const {
    if (forced_break_) return "\n";
    const auto wide = [](std::string_view s) {
        const auto a = static_cast<unsigned char>(s[0]);
        return s.size() >= 3 && ((a == 0xE3 && static_cast<unsigned char>(s[1]) >= 0x80) ||
                                 (a >= 0xE4 && a <= 0xE9) || a == 0xEF);
    };
    if (out_.size() >= start_ + 3 && wide(next) &&
        wide(std::string_view(out_).substr(out_.size() - 3)))
        return "";
    return " ";
}

void Page::paragraph(std::string_view line, bool pre) {
    const bool breaks = line.back() == kBreak;
    const bool blocks = line.back() == kBlock;
    const bool starts_block = line.front() == kBlock ||
                              (line.front() == kHole && line.size() > 1 && line[1] == kBlock);
    write(line);
    if (starts_block) end_block();
    if (text_.text.empty() || (text_.had_hole && !has_word(text_.text))) {
        if (blocks) end_block();
        forced_break_ = forced_break_ || breaks;
        return;
    }
    const Block kind = pre ? Block::kPre : Block::kParagraph;
    std::string_view separator = "\n\n";
    if (block_ == kind) separator = pre ? "\n" : join_paragraph(text_.text);
    emit(text_.text, separator);
    block_ = blocks ? Block::kNone : kind;
    forced_break_ = breaks;
}

void Page::line(std::string_view line, std::string_view rest) {
    facts_.counters.steps += static_cast<std::int64_t>(line.size()) + 1;
    if (unclosed_ && line.find(kOpenTemplate) != kNone) open_template_ = true;
    // "{| class=wikitable" of a table that never closes.
    if (unclosed_ && line.find(kOpenTable) != kNone) {
        open_template_ = true;
        return end_block();
    }
    if (table_.rows() > 0 && !line.starts_with(kRow)) end_table();
    const std::string_view content = skip_blank(line);
    if (content.empty()) {
        const bool blank = line.find(kBreak) == kNone;
        if (blank) end_block();
        else forced_break_ = true;
        return;
    }
    std::string_view bare = without_start_marks(line);
    if (bare.front() == '=' && heading(bare, rest)) return;
    if (dropped_level_ != kNoSection || hatnote(bare)) return;
    if (bare.front() == kRow) return row(bare);
    if (bare.front() == kLine) return own_line(bare.substr(1));
    if (bare.front() == kHat) bare.remove_prefix(1);
    if (is_list_sign(bare.front())) return list(bare);
    if (debris(content)) return end_block();
    if (bare.starts_with("----")) {
        end_block();
        bare.remove_prefix(std::min(bare.find_first_not_of('-'), bare.size()));
        if (skip_blank(bare).empty()) return;
        return paragraph(bare, false);
    }
    const bool pre = line.front() == ' ';
    if (pre) forced_break_ = false;
    paragraph(line, pre);
}

}  // namespace

void write_lines(std::string_view marked, const LineOptions& options, std::string& out,
                 WikitextFacts& facts) {
    const bool unclosed = marked.find(kOpenTemplate) != kNone || marked.find(kOpenTable) != kNone;
    Page page(out, facts, options, unclosed);
    for (std::size_t at = 0; at <= marked.size();) {
        const std::size_t end = find_or_end(marked, '\n', at);
        page.line(marked.substr(at, end - at), marked.substr(std::min(end + 1, marked.size())));
        at = end + 1;
    }
    page.finish();
}

}  // namespace corpuskit
