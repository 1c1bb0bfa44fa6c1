// See forms.hpp.
#include "engine/wikitext/templates/forms.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include "engine/wikitext/marks.hpp"

namespace corpuskit {

namespace {

// Words by which arguments say how a template looks or behaves, in the languages of the large
// wikis.
constexpr std::string_view kOptions[] = {
    "yes", "no", "y", "n", "on", "off", "true", "false", "none", "left", "right", "center",
    "centre", "middle", "link", "nolink", "nocat", "auto", "thumb", "small", "big", "large",
    "short", "long", "full", "show", "hide", "inline", "block", "top", "bottom", "bold", "italic",
    "default", "lang", "local", "date", "datum", "timestamp", "nowrap", "abbr", "collapsed",
    // German, French, Spanish, Italian, Portuguese
    "ja", "nein", "links", "rechts", "mitte", "zentriert", "klein", "groß", "oui", "non",
    "gauche", "droite", "centré", "petit", "grand", "sí", "si", "izquierda", "derecha", "centro",
    "pequeño", "grande", "sì", "sinistra", "destra", "piccolo", "sim", "não", "esquerda",
    "direita", "pequeno",
    // Russian, Ukrainian, Polish, Dutch, Swedish, Arabic, Persian
    "да", "нет", "слева", "справа", "центр", "лево", "право", "так", "ні", "ліворуч", "праворуч",
    "зліва", "tak", "nie", "lewo", "prawo", "środek", "mały", "nee", "midden", "gecentreerd",
    "nej", "vänster", "höger", "mitten", "liten", "نعم", "لا", "يسار", "يمين", "وسط", "مركز",
    "صغير", "بله", "خیر", "آری", "چپ", "راست", "کوچک"};
constexpr std::string_view kColours[] = {
    "red",   "green",  "blue",   "black",  "white", "yellow", "gray", "grey",   "orange",
    "purple", "brown", "pink",   "silver", "gold",  "navy",   "maroon", "teal", "olive"};
constexpr std::string_view kFiles[] = {
    ".jpg", ".jpeg", ".png", ".svg",  ".gif", ".tif",  ".webp", ".ogg",  ".oga", ".ogv",
    ".mp3", ".webm", ".pdf", ".wav", ".djvu", ".mid", ".flac", ".stl", ".tiff"};
// Of CSS, before a colon.
constexpr std::string_view kProperties[] = {
    "color",  "background", "background-color", "width",  "height", "text-align", "font-size",
    "float",  "margin",     "padding",          "border", "clear",  "display",    "font-weight",
    "font-style", "vertical-align", "white-space", "max-width", "min-width", "line-height"};
// Of namespaces and sister projects, before a colon.
constexpr std::string_view kSpaces[] = {
    "template", "vorlage", "modèle", "plantilla", "predefinição", "szablon", "sjabloon", "mall",
    "шаблон", "wikipedia", "wp", "user", "benutzer", "utilisateur", "usuario", "portal",
    "portail", "help", "hilfe", "special", "spezial", "media", "file", "image", "category",
    "commons", "wikt", "doi", "isbn", "issn", "urn", "mailto"};

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

/// "example.org", "10.1000/182", "978-3-16-148410-X".
bool is_address(std::string_view s) {
    if (s.find(' ') != kNone) return false;
    const auto plain_sign = [](char c) { return is_alpha(c) || is_digit(c) || c == '-'; };
    if (s.starts_with("10.") && s.find('/') != kNone) return true;
    const auto digits = std::count_if(s.begin(), s.end(), is_digit);
    if (digits >= 7 && std::all_of(s.begin(), s.end(), plain_sign)) return true;
    const std::size_t slash = find_or_end(s, '/');
    const std::string_view host = s.substr(0, slash);
    const std::size_t dot = host.rfind('.');
    if (dot == kNone || dot == 0) return false;
    const std::string_view top = host.substr(dot + 1), names = host.substr(0, dot);
    return top.size() >= 2 && top.size() <= 6 &&
           std::all_of(top.begin(), top.end(), [](char c) { return c >= 'a' && c <= 'z'; }) &&
           std::all_of(names.begin(), names.end(),
                       [&](char c) { return c == '.' || plain_sign(c); });
}

/// "km2", "m/s", "/DMS", "m³": the sign of a unit or a register.
bool is_sign_of_unit(std::string_view s) {
    if (s.find(' ') != kNone || s.size() > 8) return false;
    if (s.starts_with('/')) return s.size() < 3 || !s.ends_with('/');  // "/DMS"; "/a/" is a sound
    if (!is_alpha(s[0])) return false;
    const bool power = s.ends_with("\u00B2") || s.ends_with("\u00B3") || is_digit(s.back());
    const bool letters = std::all_of(s.begin(), s.end() - 2, [](char c) {
        return is_alpha(c) || c == '/' || c == '\xC2';
    });
    return (power && s.size() <= 5 && letters && lower(s[0]) == s[0]) ||
           (s.find('/') != kNone && s.size() <= 5 && letters);
}

/// "ZqwI5DrhxrA": letters and digits that no word has in this order.
bool is_key(std::string_view s) {
    if (s.size() < 8) return false;
    std::size_t digits = 0, rises = 0;
    for (std::size_t i = 0; i < s.size(); ++i) {
        if (!is_alpha(s[i]) && !is_digit(s[i]) && s[i] != '-') return false;
        digits += is_digit(s[i]);
        rises += i > 0 && is_alpha(s[i]) && lower(s[i]) != s[i] && lower(s[i - 1]) == s[i - 1];
    }
    return digits > 0 && rises > 1;
}

/// "type:landmark", "region:DE-BE".
bool is_key_and_value(std::string_view s) {
    const std::size_t colon = s.find(':');
    if (colon == kNone || colon < 3 || colon + 1 == s.size() || s.find(' ') != kNone) return false;
    return std::all_of(s.begin(), s.begin() + static_cast<std::ptrdiff_t>(colon),
                       [](char c) { return c >= 'a' && c <= 'z'; });
}

/// A colour, a width, a rule of CSS, an address, a file, a number of Wikidata, a page.
bool is_code(std::string_view s) {
    const std::string text = fold_name(s);
    const std::string_view view(text);
    if (view.find("://") != kNone || view.starts_with("www.") || is_address(s)) return true;
    for (std::string_view ending : kFiles)
        if (view.ends_with(ending)) return true;
    if (view.find_first_of("#{}<>\\") != kNone || contains(kColours, view)) return true;
    if (s.find('_') != kNone && s.find(' ') == kNone) return true;  // a key of a register
    if (const std::size_t colon = view.find(':', 1); colon != kNone) {
        const std::string_view before = trim(view.substr(view[0] == ':' ? 1 : 0, colon));
        if (view.ends_with(';') || contains(kProperties, before) || contains(kSpaces, before))
            return true;
    }
    const std::size_t unit = view.find_first_not_of("0123456789.");
    const std::string_view rest = unit == kNone ? std::string_view() : view.substr(unit);
    if (unit > 0 && unit != kNone && (rest == "px" || rest == "em" || rest == "ex" ||
                                      rest == "rem" || rest == "pt"))
        return true;
    if (is_key(s) || is_key_and_value(s)) return true;
    if (is_sign_of_unit(s)) return true;
    return view.size() > 1 && view[0] == 'q' && is_digit(view[1]) && is_number(view.substr(1));
}

/// The last character of `s`, and 0 where it is no whole one.
char32_t last_character(std::string_view s) {
    std::size_t at = s.size();
    while (at > 0 && s.size() - at < 4 && (static_cast<unsigned char>(s[at - 1]) & 0xC0) == 0x80)
        --at;
    if (at == 0) return 0;
    const auto lead = static_cast<unsigned char>(s[at - 1]);
    char32_t code = lead < 0x80 ? lead : lead < 0xE0 ? lead & 0x1F : lead < 0xF0 ? lead & 0x0F
                                                                                : lead & 0x07;
    for (; at < s.size(); ++at) code = code << 6 | (static_cast<unsigned char>(s[at]) & 0x3F);
    return code;
}

/// Whether a character is a letter or digit of a script that sets words apart by blanks.
bool is_spaced_letter(char32_t c) {
    if (c < 0x80) return is_alpha(static_cast<char>(c)) || is_digit(static_cast<char>(c));
    if (c < 0xC0 || c == 0xD7 || c == 0xF7) return false;
    return c < 0x0E00 || (c >= 0x10A0 && c < 0x1780) || (c >= 0x1800 && c < 0x2000);
}

/// A letter of the phonetic alphabet, of Hebrew or Arabic: it names itself, and codes nothing.
bool is_sign_of_its_own(std::string_view s) {
    const char32_t c = last_character(s);
    return s.size() == 2 && ((c >= 0x250 && c < 0x2B0) || (c >= 0x5D0 && c < 0x700));
}

/// One or two letters, of any script with few signs.
bool is_letter_or_two(std::string_view s) {
    if (is_sign_of_its_own(s)) return false;
    std::size_t letters = 0, wide = 0;
    for (char c : s) {
        letters += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
        wide += static_cast<unsigned char>(c) >= 0xE0;
    }
    const bool roman = s.size() == 2 && s.find_first_not_of("IVXLCDM") == kNone;
    return letters <= 2 && wide == 0 && !roman;
}

}  // namespace

bool is_number(std::string_view s) {
    return has_word(s) && std::all_of(s.begin(), s.end(), [](char c) {
               return is_digit(c) || is_any(c, "+-.,: /%");
           });
}

bool is_text(std::string_view value) {
    if (value.find(kRow) != kNone || value.find(kCell) != kNone) return false;
    const std::string text = plain(value);
    return has_word(text) && !is_letter_or_two(text) && !is_number(text) && !is_code(text) &&
           !is_editing_date(text) && !contains(kOptions, fold_name(text));
}

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

bool same_letters(std::string_view a, std::string_view b) {
    std::array<int, 256> count{};
    for (char c : a)
        if (is_word(c)) ++count[static_cast<unsigned char>(lower(c))];
    for (char c : b)
        if (is_word(c)) --count[static_cast<unsigned char>(lower(c))];
    return std::all_of(count.begin(), count.end(), [](int n) { return n == 0; });
}

bool ends_with_letter(std::string_view s) { return is_spaced_letter(last_character(s)); }

bool begins_with_letter(std::string_view s) {
    std::size_t end = s.empty() ? 0 : 1;
    while (end < s.size() && (static_cast<unsigned char>(s[end]) & 0xC0) == 0x80) ++end;
    return is_spaced_letter(last_character(s.substr(0, end)));
}

bool ends_with_prefix(std::string_view s) {
    const std::size_t start = s.find_last_of(" \n|\t(") + 1;  // 0 where there is none
    const std::string_view word = s.substr(start);
    const auto lead = [&](std::size_t i) { return static_cast<unsigned char>(word[i]); };
    if (word.size() <= 8 && word.ends_with("ال")) return true;  // the article, "and the", "by the"
    // Hebrew and Arabic are U+0590 to U+06FF: two bytes a letter.
    return (word.size() == 2 || word.size() == 4) && lead(0) >= 0xD6 && lead(0) <= 0xDB &&
           lead(word.size() - 2) >= 0xD6 && lead(word.size() - 2) <= 0xDB;
}

}  // namespace corpuskit
