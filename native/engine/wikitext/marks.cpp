#include "engine/wikitext/marks.hpp"

#include "engine/text/case.hpp"
#include "engine/text/utf8.hpp"

namespace corpuskit {

std::string_view trim(std::string_view s) {
    while (!s.empty() && (is_space(s.front()) || s.front() == kBreak)) s.remove_prefix(1);
    while (!s.empty() && (is_space(s.back()) || s.back() == kBreak) &&
           !(s.size() > 1 && s[s.size() - 2] == kLiteral))
        s.remove_suffix(1);
    return s;
}

namespace {
bool goes(char c) { return is_space(c) || (is_mark(c) && c != kLiteral); }
}  // namespace

std::string_view skip_blank(std::string_view s) {
    while (!s.empty() && goes(s.front())) s.remove_prefix(1);
    return s;
}

std::string_view trim_marks(std::string_view s) {
    s = skip_blank(s);
    while (!s.empty() && goes(s.back()) && !(s.size() > 1 && s[s.size() - 2] == kLiteral))
        s.remove_suffix(1);
    return s;
}

std::string fold_name(std::string_view name) {
    std::string folded;
    folded.reserve(name.size());
    for (std::size_t at = 0; at < name.size();) {
        const char32_t c = next_code_point(name, at);
        put_code_point(folded, c == '_' ? U' ' : lower_case(c));
    }
    return folded;
}

std::string plain(std::string_view s) {
    std::string text;
    for (char c : s)
        if (!is_mark(c)) text.push_back(c);
    return std::string(trim(text));
}

std::string collapse(std::string_view s, std::string_view blanks, char by) {
    std::string text;
    bool blank = false;
    for (char c : s) {
        if (blanks.find(c) != kNone) {
            blank = !text.empty();
            continue;
        }
        if (blank) text.push_back(by);
        blank = false;
        text.push_back(c);
    }
    return text;
}

Comment read_comment(std::string_view text, std::size_t at) {
    // Looked at on each side; a bound, so that many comments in one run of blanks cost linear work.
    constexpr std::size_t kMostBlanks = 128;
    const auto is_blank = [&](std::size_t i) { return text[i] == ' ' || text[i] == '\t'; };
    const std::size_t close = text.find("-->", at + 4);
    const std::size_t end = close == kNone ? text.size() : close + 3;
    std::size_t before = at, after = end;
    while (before > 0 && at - before < kMostBlanks && is_blank(before - 1)) --before;
    while (after < text.size() && after - end < kMostBlanks && is_blank(after)) ++after;
    const bool alone = (before == 0 || text[before - 1] == '\n') && after < text.size() &&
                       text[after] == '\n';
    return {end, alone ? after + 1 : end, close != kNone};
}

void put_literal(std::string& out, std::string_view s) {
    for (char c : s) {
        if (c == '\n') out.push_back(kBreak);
        else if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F) put_literal(out, c);
        else if (c == '\t') put_literal(out, ' ');
    }
}

void append_flat(std::string_view text, std::string_view line_break, std::string& out) {
    text = trim_marks(text);
    std::string_view wanted;  // the separator before the next sign
    bool any = false, line_start = true;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '\n' || c == kBlock || c == kBreak || c == kCell || c == kHead) {
            const bool soft = c == '\n' || c == kBlock;
            if (wanted.size() < 2) wanted = soft ? " " : c == kBreak ? line_break : ", ";
            line_start = soft;
            continue;
        }
        if (line_start && (c == '*' || c == '#' || c == ':' || c == ';')) {
            wanted = "; ";
            continue;
        }
        if (is_space(c) && line_start) continue;
        if (is_mark(c) && c != kLiteral && c != kHole && c != kGlue && c != kLost) continue;
        line_start = false;
        const bool apart = any && is_any(out.back(), ",;:");
        // An item of a separator alone.
        if (apart && !wanted.empty() && (c == ',' || c == ';')) continue;
        if (any) out.append(apart && wanted.size() == 2 ? wanted.substr(1) : wanted);
        wanted = {};
        any = true;
        out.push_back(c);
        if (c == kLiteral && i + 1 < text.size()) out.push_back(text[++i]);
    }
}

}  // namespace corpuskit
