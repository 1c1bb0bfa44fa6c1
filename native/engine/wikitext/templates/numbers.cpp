// Numbers as languages write them ({{formatnum:}}) and the plural forms that they ask for
// ({{plural:}}).
#include <algorithm>
#include <cstdlib>

#include "engine/text/ascii.hpp"
#include "engine/wikitext/templates/functions.hpp"

namespace corpuskit {

namespace {

struct NumberStyle {
    std::string_view languages;  // codes between blanks
    std::string_view group, point;
    std::size_t least;  // digits before the point from which on they are grouped
    bool indian;        // 12,34,567
};
constexpr NumberStyle kStyles[] = {
    {" de nl da id tr el hr sr bs sl ca gl eu is vi ro mk lb fo af-x ", ".", ",", 4, false},
    {" it pt-br ", ".", ",", 4, false}, {" es pl pt ", "\u00A0", ",", 5, false},
    {" fr ", "\u202F", ",", 4, false},
    {" ru uk be bg cs sk sv fi nb no nn hu et lv lt ltg kk ky uz hy ka eo oc br af sq tt ba cv ",
     "\u00A0", ",", 4, false},
    {" de-ch als ", "\u2019", ".", 4, false},
    {" hi bn ta te mr gu kn ml pa or as ne ", ",", ".", 4, true},
};
constexpr NumberStyle kEnglish = {"", ",", ".", 4, false};

bool lists(std::string_view words, std::string_view word) {
    for (std::size_t at = words.find(word); at != kNone;
         at = words.find(word, at + 1))
        if (at > 0 && words[at - 1] == ' ' && at + word.size() < words.size() &&
            words[at + word.size()] == ' ')
            return !word.empty();
    return false;
}

std::string_view base_of(std::string_view language) {
    return language.substr(0, language.find('-'));
}

const NumberStyle& style_of(std::string_view language) {
    for (std::string_view code : {language, base_of(language)})
        for (const NumberStyle& style : kStyles)
            if (lists(style.languages, code)) return style;
    return kEnglish;
}

/// What the rules of CLDR look at: n and, for whole numbers, its last digits.
struct Quantity {
    bool whole = true;
    double n = 0;
    unsigned long i = 0, mod10 = 0, mod100 = 0;
};

Quantity read_quantity(std::string_view text) {
    Quantity q;
    std::string digits;
    double fraction = 0, scale = 1;
    for (char c : text) {
        if (c == '.') {
            if (!q.whole) break;
            q.whole = false;
        } else if (is_digit(c)) {
            if (q.whole) {
                digits.push_back(c);
            } else if (scale < 1e15) {
                scale *= 10;
                fraction += (c - '0') / scale;
            }
        }
    }
    // 18 digits fit 64 bits; of longer numbers the last ones decide about the form.
    for (char c : digits.substr(digits.size() > 18 ? digits.size() - 18 : 0))
        q.i = q.i * 10 + static_cast<unsigned long>(c - '0');
    q.n = static_cast<double>(q.i) + fraction;
    q.mod10 = q.i % 10;
    q.mod100 = q.i % 100;
    return q;
}

std::size_t slavic_form(const Quantity& q) {
    if (!q.whole) return 2;
    if (q.mod10 == 1 && q.mod100 != 11) return 0;
    return q.mod10 >= 2 && q.mod10 <= 4 && (q.mod100 < 12 || q.mod100 > 14) ? 1 : 2;
}

std::size_t arabic_form(const Quantity& q) {
    if (!q.whole) return 5;
    if (q.i <= 2) return q.i;
    return q.mod100 >= 3 && q.mod100 <= 10 ? 3 : q.mod100 >= 11 ? 4 : 5;
}

}  // namespace

void put_grouped(std::string_view digits, std::string_view group, bool indian, std::string& out) {
    for (std::size_t i = 0; i < digits.size(); ++i) {
        const std::size_t left = digits.size() - i;
        const bool at_group = indian ? left == 3 || (left > 3 && left % 2 == 1) : left % 3 == 0;
        if (i > 0 && at_group) out.append(group);
        out.push_back(digits[i]);
    }
}

void format_number(std::string_view number, std::string_view language, bool grouped,
                   std::string& out) {
    const NumberStyle& style = style_of(language);
    for (std::size_t i = 0; i < number.size();) {
        if (!is_digit(number[i])) {
            const bool minus = number[i] == '-' && i + 1 < number.size() &&
                               is_digit(number[i + 1]) && i == 0;
            if (minus) out.append("\u2212");
            else out.push_back(number[i]);
            ++i;
            continue;
        }
        std::size_t end = i;
        while (end < number.size() && is_digit(number[end])) ++end;
        const bool apart = grouped && end - i >= style.least;
        put_grouped(number.substr(i, end - i), apart ? style.group : "", style.indian, out);
        i = end;
        if (i + 1 >= number.size() || number[i] != '.' || !is_digit(number[i + 1])) continue;
        out.append(style.point);
        for (++i; i < number.size() && is_digit(number[i]); ++i) out.push_back(number[i]);
    }
}

void unformat_number(std::string_view number, std::string_view language, std::string& out) {
    const NumberStyle& style = style_of(language);
    for (std::size_t i = 0; i < number.size();) {
        const std::string_view rest = number.substr(i);
        if (rest.starts_with(style.group)) {
            i += style.group.size();
        } else if (rest.starts_with("\u2212")) {
            out.push_back('-');
            i += 3;
        } else if (rest.starts_with(style.point)) {
            out.push_back('.');
            i += style.point.size();
        } else {
            out.push_back(number[i++]);
        }
    }
}

std::size_t plural_form(std::string_view number, std::string_view language) {
    const Quantity q = read_quantity(number);
    const std::string_view code = base_of(language);
    if (lists(" ja zh ko vi th id ms my lo yue wuu gan bo dz jv su km ", code)) return 0;
    if (lists(" fr pt hy oc ln ", code)) return q.n < 2 ? 0 : 1;
    if (lists(" ru uk be sr hr bs sh ", code)) return slavic_form(q);
    if (code == "pl") return q.whole && q.i == 1 ? 0 : q.whole && slavic_form(q) == 1 ? 1 : 2;
    if (lists(" cs sk ", code))
        return q.whole && q.i == 1 ? 0 : q.whole && q.i >= 2 && q.i <= 4 ? 1 : 2;
    if (lists(" lv ltg ", code)) return q.mod10 == 1 && q.mod100 != 11 ? 0 : 1;
    if (code == "lt") return q.mod10 == 1 && (q.mod100 < 11 || q.mod100 > 19) ? 0
                             : q.mod10 >= 2 && (q.mod100 < 11 || q.mod100 > 19) ? 1 : 2;
    if (code == "ro")
        return q.whole && q.i == 1                                         ? 0
               : !q.whole || q.i == 0 || (q.mod100 >= 1 && q.mod100 <= 19) ? 1
                                                                           : 2;
    if (code == "sl")
        return q.mod100 == 1 ? 0 : q.mod100 == 2 ? 1 : q.mod100 == 3 || q.mod100 == 4 ? 2 : 3;
    if (code == "he") return q.whole && q.i == 1 ? 0 : q.whole && q.i == 2 ? 1 : 2;
    if (code == "ar") return arabic_form(q);
    return q.n == 1 ? 0 : 1;
}

}  // namespace corpuskit
