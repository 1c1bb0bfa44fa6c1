// Second pass: what is a matter of lines. Headings, lists, paragraphs, apostrophes, and the holes that removed
// constructs leave behind: "( , 1900)" and "at , in" are mended here, where it is known that something was removed.
#include <algorithm>
#include <array>

#include "wikitext_internal.hpp"

namespace corpuskit {

namespace {

constexpr std::size_t kNone = std::string::npos;
constexpr std::size_t kListDepth = 16;

bool is_list_sign(char c) { return c == '*' || c == '#' || c == ':' || c == ';'; }

std::string_view skip_blank(std::string_view s) {
    while (!s.empty() && (is_space(s.front()) || (is_mark(s.front()) && s.front() != kLiteral))) s.remove_prefix(1);
    return s;
}

/// Writes the text of one line, without apostrophes, switches and marks, with holes mended.
class LineText {
  public:
    std::string text;
    bool had_hole = false;

    void write(std::string_view line);

  private:
    void resolve_apostrophes(std::string_view line);
    void space();
    void new_line(std::size_t count);
    void after_hole(std::string_view line, std::size_t& i);
    bool ends_with(std::string_view what) const { return std::string_view(text).ends_with(what); }
    void trim_end();
    bool drop_separator();
    bool drop_open_bracket();

    bool hole_ = false;            // only blanks were written since the last hole
    std::vector<std::uint32_t> apostrophes_;  // for each run of marks in a line: how many are text
};

void LineText::trim_end() {
    while (!text.empty() && (text.back() == ' ' || ends_with("\xC2\xA0")))
        text.resize(text.size() - (text.back() == ' ' ? 1 : 2));
}

void LineText::space() {
    if (text.empty() || text.back() == ' ' || text.back() == '\n') return;
    if (hole_ && (text.back() == '(' || ends_with("\xEF\xBC\x88"))) return;
    text.push_back(' ');
}

void LineText::new_line(std::size_t count) {
    trim_end();
    if (text.empty()) return;
    std::size_t have = 0;
    while (have < 2 && have < text.size() && text[text.size() - 1 - have] == '\n') ++have;
    const std::size_t want = count == 1 ? std::min<std::size_t>(have + 1, 2) : 2;
    text.append(want - have, '\n');
}

/// Removes a separator that ends the text: one that stood between a bracket and something removed.
bool LineText::drop_separator() {
    for (std::string_view s : {",", ";", "/", "\xEF\xBC\x8C", "\xEF\xBC\x9B", "\xE3\x80\x81"})
        if (ends_with(s)) {
            text.resize(text.size() - s.size());
            trim_end();
            return true;
        }
    return false;
}

bool LineText::drop_open_bracket() {
    for (std::string_view s : {"(", "\xEF\xBC\x88"})
        if (ends_with(s)) {
            text.resize(text.size() - s.size());
            return true;
        }
    return false;
}

/// Handles punctuation at line[i] that follows a hole; leaves `i` alone when it is to be written as it is.
void LineText::after_hole(std::string_view line, std::size_t& i) {
    const std::string_view rest = line.substr(i);
    const bool wide_close = rest.starts_with("\xEF\xBC\x89");
    if (rest[0] == ')' || wide_close) {
        trim_end();
        while (drop_separator()) {}
        if (drop_open_bracket()) i += wide_close ? 3 : 1;  // an empty pair goes, and the hole stays
        else hole_ = false;
        return;
    }
    for (std::string_view s : {",", ";", ":", "\xEF\xBC\x8C", "\xEF\xBC\x9B", "\xE3\x80\x81"}) {
        if (!rest.starts_with(s)) continue;
        const bool opens = text.empty() || text.ends_with('(') || ends_with("\xEF\xBC\x88");
        if (opens) {  // "( , 1900)": the separator separates nothing
            i += s.size();
            return;
        }
        if (s == "," || s.size() == 3) trim_end();
        hole_ = s == "," || s == ";";
        if (hole_ && (ends_with(",") || ends_with(";"))) {  // ", , "
            i += s.size();
            return;
        }
        text.append(s);
        i += s.size();
        return;
    }
    if (rest[0] == '.' && text.empty()) {
        ++i;
        return;
    }
    if (rest[0] == '.' && !rest.starts_with("..")) {
        const bool number = rest.size() > 1 && is_digit(rest[1]);
        if (!number) trim_end();
    }
    hole_ = false;
}

/// MediaWiki's rule: 2, 3 or 5 apostrophes are marks, further ones text; if a line has an odd number of both
/// bold and italic marks, one bold mark is an apostrophe and an italic mark.
void LineText::resolve_apostrophes(std::string_view line) {
    apostrophes_.clear();
    std::size_t bold = 0, italic = 0;
    std::size_t after_space = kNone, after_letter = kNone, after_word = kNone;
    for (std::size_t at = line.find("''"); at != kNone;) {
        if (at > 0 && line[at - 1] == kLiteral) ++at;  // that one is text and not of the run
        std::size_t end = at;
        while (end < line.size() && line[end] == '\'') ++end;
        const std::size_t run = end - at;
        if (run < 2) {
            at = line.find("''", end);
            continue;
        }
        const std::uint32_t text_count = run == 4 ? 1 : run > 5 ? static_cast<std::uint32_t>(run - 5) : 0;
        if (run == 2 || run >= 5) ++italic;
        if (run == 3 || run == 4 || run >= 5) ++bold;
        if (run == 3 || run == 4) {
            const std::size_t index = apostrophes_.size();
            const char last = run == 4 ? '\'' : at > 0 ? line[at - 1] : ' ';
            const char last_but_one = run == 4 ? (at > 0 ? line[at - 1] : ' ') : at > 1 ? line[at - 2] : ' ';
            std::size_t& slot = last == ' ' ? after_space : last_but_one == ' ' ? after_letter : after_word;
            if (slot == kNone) slot = index;
        }
        apostrophes_.push_back(text_count);
        at = line.find("''", end);
    }
    if (bold % 2 == 0 || italic % 2 == 0) return;
    const std::size_t chosen = after_letter != kNone ? after_letter : after_word != kNone ? after_word : after_space;
    if (chosen != kNone) ++apostrophes_[chosen];
}

constexpr auto kInlineSpecial = [] {
    std::array<bool, 256> table{};
    for (unsigned c = 0; c < 0x20; ++c) table[c] = true;
    table[' '] = table['\''] = table['_'] = true;
    return table;
}();

bool special_at(std::string_view line, std::size_t i) { return kInlineSpecial[static_cast<unsigned char>(line[i])]; }

void LineText::write(std::string_view line) {
    text.clear();
    had_hole = hole_ = false;
    resolve_apostrophes(line);
    std::size_t run_index = 0;
    std::size_t i = 0;
    while (i < line.size()) {
        if (hole_ && !special_at(line, i)) {
            const std::size_t before = i;
            after_hole(line, i);
            if (i != before || i >= line.size()) continue;
            hole_ = false;
        }
        const std::size_t begin = i;
        while (i < line.size()) {
            if (!special_at(line, i)) {
                ++i;
            } else if (i > begin && line[i] >= ' ' && i + 1 < line.size() && !special_at(line, i + 1)) {
                i += 2;  // a blank, apostrophe or underscore alone among letters is one
            } else {
                break;
            }
        }
        if (i > begin) {
            hole_ = false;
            text.append(line, begin, i - begin);
            if (i >= line.size()) break;
        }
        switch (line[i]) {
            case kLiteral:
                ++i;
                if (i >= line.size()) break;
                text.push_back(line[i++]);
                hole_ = false;
                break;
            case kHole:
                hole_ = had_hole = true;
                ++i;
                break;
            case kBreak: new_line(1); ++i; break;
            case kBlock: new_line(2); ++i; break;
            case '\'': {
                std::size_t end = i;
                while (end < line.size() && line[end] == '\'') ++end;
                const bool marks = end - i >= 2 && run_index < apostrophes_.size();
                const std::size_t keep = marks ? apostrophes_[run_index++] : end - i;
                text.append(keep, '\'');
                if (keep > 0) hole_ = false;
                i = end;
                break;
            }
            case '_': {
                std::size_t end = line.substr(i, 2) == "__"
                                      ? line.substr(0, i + 64).find("__", i + 2) : kNone;
                if (end != kNone && is_switch(line.substr(i + 2, end - i - 2))) {
                    i = end + 2;
                    hole_ = had_hole = true;
                    break;
                }
                text.push_back('_');
                hole_ = false;
                ++i;
                break;
            }
            case ' ':
            case '\t':
            case '\r': space(); ++i; break;
            default: ++i;  // another mark or an unclosed opening
        }
    }
    while (!text.empty() && (text.back() == ' ' || text.back() == '\n')) text.pop_back();
}

bool has_content(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](char c) { return is_word(c); });
}

/// Puts the lines together: blocks, headings that wait for something under them, lists.
class Page {
  public:
    Page(std::string& out, WikitextFacts& facts, const LineOptions& options, bool unclosed)
        : out_(out), start_(out.size()), facts_(facts), options_(options), unclosed_(unclosed) {}

    void line(std::string_view line);

  private:
    enum class Block : std::uint8_t { kNone, kParagraph, kList, kPre };

    bool heading(std::string_view line);
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

    std::string& out_;
    std::size_t start_;
    WikitextFacts& facts_;
    const LineOptions& options_;
    bool unclosed_;  // whether there is a mark of an unclosed template or table
    Block block_ = Block::kNone;
    bool forced_break_ = false;    // the last line ended with <br>
    bool open_template_ = false;   // an unclosed template or table was met: lines of its arguments are debris
    LineText text_;
    std::vector<Heading> headings_;
    std::string list_;                              // signs of the last list line
    std::array<std::uint32_t, kListDepth + 1> numbers_{};
};

void Page::emit(std::string_view text, std::string_view separator) {
    for (const Heading& heading : headings_) {
        if (out_.size() > start_) out_.append("\n\n");
        out_.append(heading.text);
        separator = "\n\n";
    }
    headings_.clear();
    if (out_.size() > start_) out_.append(separator);
    out_.append(text);
}

bool Page::heading(std::string_view line) {
    while (!line.empty() && (is_space(line.back()) || (is_mark(line.back()) && line.back() != kLiteral)))
        line.remove_suffix(1);
    std::size_t left = 0, right = 0;
    while (left < line.size() && left < 6 && line[left] == '=') ++left;
    while (right < line.size() && right < 6 && line[line.size() - 1 - right] == '=') ++right;
    const std::size_t level = std::min({left, right, (line.size() - 1) / 2});
    if (level == 0 || (line.size() > level && line[line.size() - level - 1] == kLiteral)) return false;
    text_.write(line.substr(level, line.size() - 2 * level));
    std::replace(text_.text.begin(), text_.text.end(), '\n', ' ');
    end_block();
    while (!headings_.empty() && headings_.back().level >= level) headings_.pop_back();
    const std::string_view text = trim(text_.text);
    if (!text.empty()) headings_.push_back({level, std::string(text)});
    return true;
}

/// Whether the line is what is left of a table or of a template's arguments.
bool Page::debris(std::string_view line) {
    if (line[0] == '!') return open_template_;
    if (line[0] != '|') return false;
    if (line.starts_with("|-")) open_template_ = true;  // rows of a table that a template began
    if (open_template_ || line.size() == 1) return true;
    return std::string_view("-}+ |").find(line[1]) != kNone;
}

void Page::item(std::string_view prefix, std::string_view content) {
    text_.write(content);
    if (text_.text.empty() || (text_.had_hole && !has_content(text_.text))) return;
    std::string line;
    std::size_t depth = 0;
    for (char c : prefix.substr(0, prefix.size() - 1)) depth += (c == '*' || c == '#') ? 2 : 0;
    line.append(depth, ' ');
    const std::size_t level = std::min(prefix.size(), kListDepth);
    if (prefix.back() == '*') line.append("- ");
    if (prefix.back() == '#') line.append(std::to_string(++numbers_[level])).append(". ");
    line.append(text_.text);
    emit(line, block_ == Block::kList ? "\n" : "\n\n");
    block_ = Block::kList;
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
    if (kept.back() == ';') {  // "; term : definition"
        for (std::size_t at = content.find(':'); at != kNone; at = content.find(':', at + 1)) {
            const bool apart = (at > 0 && content[at - 1] == ' ') || (at + 1 < content.size() && content[at + 1] == ' ');
            if (!apart || (at > 0 && content[at - 1] == kLiteral)) continue;
            item(kept, content.substr(0, at));
            content.remove_prefix(at + 1);
            break;
        }
    }
    item(kept, content);
}

/// What stands between two lines of one paragraph: a new line after <br>, nothing within Chinese, else a space.
std::string_view Page::join_paragraph(std::string_view next) const {
    if (forced_break_) return "\n";
    const auto wide = [](std::string_view s) {
        const auto a = static_cast<unsigned char>(s[0]);
        return s.size() >= 3 && ((a == 0xE3 && static_cast<unsigned char>(s[1]) >= 0x80) || (a >= 0xE4 && a <= 0xE9) || a == 0xEF);
    };
    if (out_.size() >= start_ + 3 && wide(next) && wide(std::string_view(out_).substr(out_.size() - 3))) return "";
    return " ";
}

void Page::paragraph(std::string_view line, bool pre) {
    const bool breaks = line.back() == kBreak;
    const bool blocks = line.back() == kBlock;
    const bool starts_block = line.front() == kBlock || (line.front() == kHole && line.size() > 1 && line[1] == kBlock);
    text_.write(line);
    if (starts_block) end_block();
    if (text_.text.empty() || (text_.had_hole && !has_content(text_.text))) {
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

void Page::line(std::string_view line) {
    facts_.counters.steps += static_cast<std::int64_t>(line.size()) + 1;
    if (unclosed_ && line.find(kOpenTemplate) != kNone) open_template_ = true;
    if (unclosed_ && line.find(kOpenTable) != kNone) {  // "{| class=wikitable" of a table that never closes
        open_template_ = true;
        return end_block();
    }
    const std::string_view content = skip_blank(line);
    if (content.empty()) {
        const bool blank = line.find(kBreak) == kNone;
        if (blank) end_block();
        else forced_break_ = true;
        return;
    }
    // What follows a mark at the start of a line is still its start: "{{clear}}* item".
    std::string_view bare = line;
    while (!bare.empty() && (bare.front() == kHole || bare.front() == kBlock)) bare.remove_prefix(1);
    if (bare.front() == '=' && heading(bare)) return;
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

void write_lines(std::string_view marked, const LineOptions& options, std::string& out, WikitextFacts& facts) {
    const bool unclosed = marked.find(kOpenTemplate) != kNone || marked.find(kOpenTable) != kNone;
    Page page(out, facts, options, unclosed);
    for (std::size_t at = 0; at <= marked.size();) {
        const std::size_t end = std::min(marked.find('\n', at), marked.size());
        page.line(marked.substr(at, end - at));
        at = end + 1;
    }
}

}  // namespace corpuskit
