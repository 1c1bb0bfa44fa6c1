// Second pass: the text of one line. Apostrophes, behaviour switches, and the holes that removed
// constructs leave behind: "( , 1900)" and "at , in" are mended here, where it is known that
// something was removed.
#include <algorithm>
#include <array>

#include "engine/wikitext/parse/lines.hpp"

namespace corpuskit {

namespace {
// Stand for bold and italics in the text of a line until all of it is written.
constexpr char kBold = '\x01', kItalic = '\x02';
}  // namespace

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

/// Removes the bracket that holds the value missing at line[i]: "(equivalent to $ million in
/// 2016)". Brackets that hold a mark of bold or italics stay, as does text without brackets.
bool LineText::drop_bracket(std::string_view line, std::size_t& i) {
    // Bytes on each side; a longer bracket says more than the value that is missing.
    constexpr std::size_t kLongest = 300;
    std::size_t open = text.size(), depth = 1;
    while (depth > 0) {
        if (open == 0 || text.size() - open >= kLongest) return false;
        const char c = text[--open];
        if (c == kBold || c == kItalic || c == '\n') return false;
        depth += c == ')';
        depth -= c == '(';
    }
    std::size_t close = i;
    for (depth = 1; depth > 0; ++close) {
        if (close >= line.size() || close - i >= kLongest) return false;
        const char c = line[close];
        if (c == kBreak || c == kBlock || line.substr(close, 2) == "''") return false;
        depth += c == '(';
        depth -= c == ')';
    }
    text.resize(open);
    trim_end();
    if (!text.empty() && close < line.size() && is_word(line[close])) text.push_back(' ');
    i = close;
    return true;
}

/// Handles punctuation at line[i] that follows a hole; leaves `i` alone when it is to be written as
/// it is.
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

/// MediaWiki's rule: 2, 3 or 5 apostrophes are marks, further ones text; if a line has an odd
/// number of both bold and italic marks, one bold mark is an apostrophe and an italic mark.
void LineText::resolve_apostrophes(std::string_view line) {
    runs_.clear();
    std::size_t bold = 0, italic = 0;
    std::size_t after_space = kNone, after_letter = kNone, after_word = kNone;
    std::size_t before = 0;  // where the text begins that stands before a run
    for (std::size_t at = line.find("''"); at != kNone;) {
        if (at > 0 && line[at - 1] == kLiteral) ++at;  // that one is text and not of the run
        std::size_t end = at;
        while (end < line.size() && line[end] == '\'') ++end;
        const std::size_t run = end - at;
        if (run < 2) {
            at = line.find("''", end);
            continue;
        }
        const std::size_t text_count = run == 4 ? 1 : run > 5 ? run - 5 : 0;
        if (run == 2 || run >= 5) ++italic;
        if (run == 3 || run == 4 || run >= 5) ++bold;
        if (run == 3 || run == 4) {
            const std::size_t index = runs_.size();
            std::string_view left = line.substr(before, at - before + (run == 4 ? 1 : 0));
            const char last = left.empty() ? '\'' : left.back();
            const char last_but_one = left.size() < 2 ? '\'' : left[left.size() - 2];
            std::size_t& slot = last == ' '           ? after_space
                                : last_but_one == ' ' ? after_letter
                                                      : after_word;
            if (slot == kNone) slot = index;
        }
        runs_.push_back(static_cast<std::uint32_t>(text_count));
        before = end;
        at = line.find("''", end);
    }
    if (bold % 2 == 0 || italic % 2 == 0) return;
    const std::size_t chosen = after_letter != kNone ? after_letter
                               : after_word != kNone ? after_word
                                                     : after_space;
    if (chosen != kNone) ++runs_[chosen];
}

namespace {

constexpr auto kInlineSpecial = [] {
    std::array<bool, 256> table{};
    for (unsigned c = 0; c < 0x20; ++c) table[c] = true;
    table[' '] = table['\''] = table['_'] = true;
    return table;
}();

bool special_at(std::string_view line, std::size_t i) {
    return kInlineSpecial[static_cast<unsigned char>(line[i])];
}

}  // namespace

/// Toggles bold and italics, in Markdown, and writes the apostrophes of a run that are text.
void LineText::apostrophes(std::size_t run, std::size_t kept) {
    text.append(kept, '\'');
    if (kept > 0) hole_ = false;
    if (!markdown_) return;
    const std::size_t marks = run - kept;
    if (marks == 2 || marks >= 5) text.push_back(kItalic);
    if (marks == 3 || marks >= 5) text.push_back(kBold);
}

/// Turns the toggles in `text` into Markdown's marks, which stand beside a word and are closed on
/// their line.
void LineText::write_emphasis() {
    // Not `find_first_of`, which calls memchr for each byte.
    if (text.find(kBold) == kNone && text.find(kItalic) == kNone) return;
    emphasis_.clear();
    std::string open;     // toggles that are on, the outermost first
    std::size_t written = 0;  // how many of them have their mark in the text
    const auto mark = [](char toggle) { return toggle == kBold ? "**" : "*"; };
    const auto close_from = [&](std::size_t first) {
        std::size_t end = emphasis_.size();
        while (end > 0 && (emphasis_[end - 1] == ' ' || emphasis_[end - 1] == '\n')) --end;
        std::string closing;
        for (std::size_t i = written; i > first; --i) closing.append(mark(open[i - 1]));
        emphasis_.insert(end, closing);
        written = std::min(written, first);
    };
    for (char c : text) {
        if (c == kBold || c == kItalic) {
            const std::size_t at = open.find(c);
            if (at == kNone) {
                open.push_back(c);
                continue;
            }
            close_from(at);
            open.erase(at, 1);
            continue;
        }
        if (c == '\n') {
            close_from(0);
            open.clear();
        } else if (c != ' ') {
            for (; written < open.size(); ++written) emphasis_.append(mark(open[written]));
        }
        if (c != ' ' || (!emphasis_.empty() && emphasis_.back() != ' ' && emphasis_.back() != '\n'))
            emphasis_.push_back(c);
    }
    close_from(0);
    text.swap(emphasis_);
}

void LineText::write(std::string_view line, bool markdown) {
    markdown_ = markdown;
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
            } else if (i > begin && line[i] >= ' ' && i + 1 < line.size() &&
                       !special_at(line, i + 1)) {
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
            case kGap:
                hole_ = line[i] == kHole;
                had_hole = true;
                ++i;
                break;
            case kLost:
                hole_ = had_hole = true;
                if (!drop_bracket(line, i)) ++i;
                break;
            case kBreak: new_line(1); ++i; break;
            case kBlock: new_line(2); ++i; break;
            case '\'': {
                std::size_t end = i;
                while (end < line.size() && line[end] == '\'') ++end;
                const bool marks = end - i >= 2 && run_index < runs_.size();
                apostrophes(end - i, marks ? runs_[run_index++] : end - i);
                i = end;
                break;
            }
            case '_': {
                std::size_t end = line.substr(i, 2) == "__"
                                      ? line.substr(0, i + 64).find("__", i + 2) : kNone;
                if (end != kNone && is_switch(line.substr(i + 2, end - i - 2))) {
                    disambiguates = disambiguates || line.substr(i + 2, end - i - 2) == "DISAMBIG";
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
    if (markdown_) write_emphasis();
    while (!text.empty() && (text.back() == ' ' || text.back() == '\n')) text.pop_back();
}

}  // namespace corpuskit
