// See fallback.hpp. What is no text is told by its form, since nobody knows what the template does.
#include "engine/wikitext/templates/fallback.hpp"

#include <algorithm>
#include <array>

#include "engine/wikitext/marks.hpp"

namespace corpuskit {

namespace {

constexpr std::size_t kLookAround = 160;  // bytes on each side of a call
constexpr std::size_t kLongestCall = 2000;  // bytes; a longer one, or one of lines, is a box
constexpr std::size_t kLongestUnit = 12;  // bytes: "км", "ans"
constexpr std::uint32_t kMostArguments = 8;  // that are looked at
constexpr std::size_t kLongestNumber = 7;  // digits in a row

// Arguments that hold the text of a template, by the names that wikis give them.
constexpr std::string_view kTextNames[] = {
    "text",  "texte", "texto",    "testo",    "tekst",     "tekstas", "teksts", "txt",
    "текст", "نص",    "متن",      "テキスト", "文字",      "文本",    "內容",   "内容",
    "本文",  "content", "contenu", "contenido", "contenuto", "conteúdo", "содержание",
};
constexpr std::string_view kOptions[] = {
    "yes",  "no",    "y",      "n",    "on",     "off",    "true",  "false",  "none",   "left",
    "right", "center", "centre", "link", "nolink", "nocat",  "auto",  "thumb",  "small",  "big",
    "short", "long",  "full",   "oui",  "non",    "nein",   "show",  "hide",   "inline", "block",
    "top",   "bottom", "bold",  "italic",
    "default", "lang", "local", "date", "datum", "timestamp", "да",    "нет",    "так"};
constexpr std::string_view kColours[] = {"red",   "green", "blue",   "black", "white", "yellow",
                                         "gray",  "grey",  "orange", "purple", "brown", "pink",
                                         "silver", "gold", "navy",   "maroon", "teal",  "olive"};
constexpr std::string_view kFiles[] = {".jpg", ".jpeg", ".png", ".svg", ".gif",  ".tif", ".webp",
                                       ".ogg", ".oga",  ".ogv", ".mp3", ".webm", ".pdf", ".wav",
                                       ".djvu", ".mid",  ".flac", ".stl", ".tiff"};

// ------------------------------------------------------------------------------------------ places

bool is_wide_stop(std::string_view s) {
    return s == "\u3002" || s == "\u3001" || s == "\uFF0C" || s == "\uFF1B" || s == "\uFF0E";
}

/// The start of the construct between `open` and `close` that ends before `at`; `floor` if it does
/// not begin there.
std::size_t back_over(std::string_view page, std::size_t at, std::size_t floor,
                      std::string_view open, std::string_view close) {
    std::size_t depth = 0;
    while (at >= floor + 2) {
        const std::string_view two = page.substr(at - 2, 2);
        if (two == close) ++depth, at -= 2;
        else if (two == open) {
            at -= 2;
            if (--depth == 0) return at;
        } else --at;
    }
    return floor;
}

/// What a look at one side of a call found.
struct Side {
    bool text = false;      // a word
    bool argument = false;  // the border of an argument of another call
};

/// Behind a link that shows no text in its place: to a file or a category.
std::size_t past_link(std::string_view page, std::size_t at, std::size_t limit) {
    const std::string_view inside = page.substr(at + 2, 32);
    const std::size_t colon = inside.find_first_of(":|]");
    if (colon == kNone || colon == 0 || inside[colon] != ':') return at;
    const std::size_t close = page.substr(0, limit).find("]]", at);
    return close == kNone ? limit : close + 2;
}

Side look_back(std::string_view page, std::size_t begin) {
    const std::size_t floor = begin > kLookAround ? begin - kLookAround : 0;
    for (std::size_t at = begin; at > floor;) {
        const char c = page[at - 1];
        if (c == '\n') return {};
        if (c == '{' && at >= 2 && page[at - 2] == '{') return {false, true};
        if (c == '|') {
            // Within what is looked at: a line that begins before holds more than a cell.
            const std::string_view seen = page.substr(floor, at - floor);
            const std::size_t line = seen.rfind('\n');
            const std::string_view start = line == kNone ? "{" : skip_blank(seen.substr(line));
            const char sign = start.empty() ? '|' : start[0];
            return {false, sign != '|' && sign != '!'};
        }
        if (c == '}' && at >= 2 && page[at - 2] == '}') {
            at = back_over(page, at, floor, "{{", "}}");
        } else if (c == ']' && at >= 2 && page[at - 2] == ']') {
            at = back_over(page, at, floor, "[[", "]]");
            if (past_link(page, at, begin) == at) return {true, false};
        } else if (c == '>') {
            const std::size_t open = page.substr(floor, at - floor).rfind('<');
            if (open == kNone) return {};
            at = floor + open;
        } else if (is_word(c)) {
            return {true, false};
        } else {
            --at;
        }
    }
    return {};
}

Side look_ahead(std::string_view page, std::size_t end) {
    const std::size_t limit = std::min(page.size(), end + kLookAround);
    std::size_t depth = 0;
    for (std::size_t at = end; at < limit;) {
        const char c = page[at];
        const std::string_view two = page.substr(at, 2);
        if (c == '\n') return {};
        if (two == "{{") {
            ++depth, at += 2;
        } else if (two == "}}") {
            if (depth == 0) return {false, true};
            --depth, at += 2;
        } else if (depth > 0) {
            ++at;
        } else if (c == '|') {
            return {false, two != "||"};
        } else if (two == "[[") {
            const std::size_t past = past_link(page, at, limit);
            if (past == at) return {true, false};
            at = past;
        } else if (c == '<') {
            const bool note = page.substr(at, 4) == "<ref" || page.substr(at, 4) == "<!--";
            std::size_t close = page.substr(0, limit).find('>', at);
            if (close == kNone) return {};
            if (note && page[close - 1] != '/')
                close = page.substr(0, limit).find(page[at + 1] == '!' ? "-->" : "</ref>", at);
            if (close == kNone) return {};
            at = std::min(page.find('>', close), limit - 1) + 1;
        } else if (is_word(c)) {
            return {true, false};
        } else {
            ++at;
        }
    }
    return {};
}

/// Whether the call stands behind a stop, a note or a word without a blank, as marks of notes do.
bool is_attached(std::string_view page, std::size_t begin) {
    const std::size_t floor = begin > kLookAround ? begin - kLookAround : 0;
    std::size_t at = begin;
    while (at >= floor + 2 && page.substr(at - 2, 2) == "}}")
        at = back_over(page, at, floor, "{{", "}}");
    if (at == floor) return false;
    const char c = page[at - 1];
    if (c == '>') {
        const std::size_t open = page.substr(floor, at - floor).rfind('<');
        const std::string_view tag = open == kNone ? "" : page.substr(floor + open, 5);
        return tag == "</ref" || tag.substr(0, 4) == "<ref";
    }
    if (at >= floor + 3 && is_wide_stop(page.substr(at - 3, 3))) return true;
    if (is_any(c, ".,;:!?")) return true;
    // A word of a script without blanks goes on in a call.
    const bool wide = at >= floor + 3 && static_cast<unsigned char>(page[at - 3]) >= 0xE0;
    return is_word(c) && !wide && static_cast<unsigned char>(c) < 0x80;
}

// ------------------------------------------------------------------------------------------- forms

bool is_number(std::string_view s) {
    return has_word(s) && std::all_of(s.begin(), s.end(), [](char c) {
               return is_digit(c) || is_any(c, "+-.,: /%");
           });
}

/// "2010-05", "2010-05-11", "May 2010": when an editor left a remark. Templates took dates from
/// 2001 on.
bool is_editing_date(std::string_view s) {
    const auto year = [](std::string_view y) {
        return y.size() == 4 && y[0] == '2' && y[1] == '0' && y[2] < '4' && is_digit(y[2]) &&
               is_digit(y[3]) && y != "2000";
    };
    if (s.size() >= 7 && year(s.substr(0, 4)) && s[4] == '-' && is_number(s)) return true;
    const std::size_t blank = s.rfind(' ');
    if (blank == kNone || !year(s.substr(blank + 1))) return false;
    const std::string_view word = s.substr(0, blank);
    return std::none_of(word.begin(), word.end(), [](char c) { return is_digit(c) || c == ' '; });
}

/// A colour, a width, a rule of CSS, an address, a file, a number of Wikidata.
bool is_code(std::string_view s) {
    const std::string text = lower_case(s);
    const std::string_view view(text);
    if (view.find("://") != kNone || view.starts_with("www.") || view.starts_with("mailto:"))
        return true;
    for (std::string_view ending : kFiles)
        if (view.ends_with(ending)) return true;
    if (view.starts_with('#') && view.find(' ') == kNone) return true;
    if (view.find_first_of("{}<>\\") != kNone || contains(kColours, view)) return true;
    if (view.find('_') != kNone && view.find(' ') == kNone) return true;  // a key of a register
    if (view.find(':') != kNone && view.ends_with(';')) return true;
    const std::size_t unit = view.find_first_not_of("0123456789.");
    const std::string_view rest = unit == kNone ? std::string_view() : view.substr(unit);
    if (unit > 0 && unit != kNone && (rest == "px" || rest == "em" || rest == "pt")) return true;
    return view.size() > 1 && view[0] == 'q' && is_digit(view[1]) && is_number(view.substr(1));
}

/// "fr", "zh-hant", "GER", "DE-NHN", "k": rather the code of something than a word. Roman numbers
/// are none.
bool is_short_code(std::string_view s) {
    const std::string_view first = s.substr(0, s.find('-'));
    const bool roman = s.find_first_not_of("IVXLCDM") == kNone;
    const bool letters = std::all_of(first.begin(), first.end(), is_alpha) &&
                         std::all_of(s.begin(), s.end(), [](char c) {
                             return is_alpha(c) || is_digit(c) || c == '-';
                         });
    const auto big = [](char c) { return lower(c) != c; };
    const bool one_case = std::none_of(first.begin(), first.end(), big) ||
                          std::all_of(first.begin(), first.end(), big);
    return letters && one_case && !roman && first.size() <= 3 && s.size() <= 12;
}

/// Whether two values have the same letters: "Curie, Marie" sorts what "Marie Curie" shows.
bool same_letters(std::string_view a, std::string_view b) {
    std::array<int, 256> count{};
    for (char c : a)
        if (is_word(c)) ++count[static_cast<unsigned char>(lower(c))];
    for (char c : b)
        if (is_word(c)) --count[static_cast<unsigned char>(lower(c))];
    return std::all_of(count.begin(), count.end(), [](int n) { return n == 0; });
}

bool is_text(std::string_view value) {
    if (value.find(kRow) != kNone || value.find(kCell) != kNone) return false;
    const std::string text = plain(value);
    return has_word(text) && !is_number(text) && !is_code(text) && !is_editing_date(text) &&
           !contains_folded(kOptions, text);
}

/// "km" behind "90": short, one word, in lower case.
bool is_unit(std::string_view s) {
    return !s.empty() && s.size() <= kLongestUnit && s.find(' ') == kNone && fold_name(s) == s;
}

}  // namespace

CallSite find_call_site(std::string_view page, std::size_t begin, std::size_t end) {
    if (end - begin > kLongestCall ||
        page.substr(begin, end - begin).find('\n') != kNone)
        return CallSite::kAlone;
    const Side before = look_back(page, begin), after = look_ahead(page, end);
    if (!before.text && !after.text)
        return before.argument && after.argument ? CallSite::kRunning : CallSite::kAlone;
    return is_attached(page, begin) ? CallSite::kNote : CallSite::kRunning;
}

bool may_fall_back(std::string_view name) {
    return !name.empty() && name.find_first_of(":#/<>[]") == kNone;
}

void put_fallback(const TemplateCall& call, const TemplateTable& table, std::string& out) {
    std::string_view code;  // that may be a word, should there be no other
    std::uint32_t count = 0;
    for (std::uint32_t i = 1; i <= kMostArguments; ++i) {
        const std::string_view value = call.at(i);
        count += !value.empty();
        if (!is_text(value)) continue;
        if (const auto number = i == 2 ? plain(call.at(1)) : std::string();
            is_number(number) && is_unit(plain(value))) {
            out.append(number).append(" ").append(value);
            return;
        }
        if (is_short_code(value)) {
            code = code.empty() ? value : code;
            continue;
        }
        const std::string_view next = call.at(i + 1);
        const bool sorts = next != value && same_letters(value, next) && is_text(next);
        out.append(sorts ? next : value);
        return;
    }
    for (std::string_view name : kTextNames)
        if (const auto value = trim_marks(call.get(name)); is_text(value)) {
            out.append(value);
            return;
        }
    const bool word = code.size() == 1 || (code.size() == 3 && fold_name(code) == code &&
                                           table.word("languages", std::string(code)) == nullptr);
    // A number alone is what the template is about, unless it is one of a register; several are a
    // date, a score, a place.
    const std::string number = plain(call.at(1));
    const std::size_t run = number.find_first_not_of("0123456789");
    if (word) out.append(code);
    else if (count == 1 && is_number(number) && std::min(run, number.size()) <= kLongestNumber)
        out.append(number);
}

bool has_number(const TemplateCall& call) {
    for (std::uint32_t i = 1; i <= kMostArguments; ++i)
        if (const std::string value = plain(call.at(i));
            is_number(value) && value.size() <= kLongestNumber)
            return true;
    return false;
}

}  // namespace corpuskit
