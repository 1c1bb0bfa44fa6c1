// See fallback.hpp. What is no text is told by its form, since nobody knows what the template does.
#include "engine/wikitext/templates/fallback.hpp"

#include <algorithm>

#include "engine/wikitext/marks.hpp"
#include "engine/wikitext/templates/forms.hpp"

namespace corpuskit {

namespace {

constexpr std::size_t kLookAround = 160;  // bytes on each side of a call
constexpr std::size_t kLongestCall = 2000;  // bytes; a longer one, or one of lines, is a box
constexpr std::uint32_t kMostArguments = 8;  // that are looked at
constexpr std::size_t kLongestUnit = 5;  // bytes of a code of units.tsv: "sqmi"
constexpr std::size_t kLongestNumber = 7;  // digits in a row
constexpr std::size_t kLongestPiece = 6;  // bytes of an argument of {{chem|Te|x|2-}}
constexpr std::uint32_t kLeastPieces = 4;  // arguments that make it a formula or a pronunciation

// Arguments that hold the text of a template, by the names that wikis give them.
constexpr std::string_view kTextNames[] = {
    "text",  "texte", "texto",    "testo",    "tekst",     "tekstas", "teksts", "txt",
    "текст", "نص",    "متن",      "テキスト", "文字",      "文本",    "內容",   "内容",
    "本文",  "content", "contenu", "contenido", "contenuto", "conteúdo", "содержание",
};
// Templates that look up a key of theirs, by what their names begin or end with.
constexpr std::string_view kDataNames[] = {
    "population", "einwohner", "density", "metadat", "un ", "données/", "bevölkerung", "inwoners",
    "ludność", "население", "населення", "populacja", "poblacion", "población", "população",
    "abitanti", "dân số", "wikidata", "altitude", "fläche", "superficie ", "data "};
bool looks_up(std::string_view name) {
    return name.ends_with("ref") ||
           std::any_of(std::begin(kDataNames), std::end(kDataNames),
                       [&](std::string_view word) { return name.starts_with(word); });
}

// Arguments that tell what happens, in rows of tables of episodes, books and stages.
constexpr std::string_view kProseNames[] = {
    "shortsummary", "short summary", "summary", "zf", "zusammenfassung", "handlung", "inhalt",
    "trama", "résumé", "resume", "resumen", "sinopsis", "sinopse", "resumo", "samenvatting",
    "streszczenie", "opis", "краткое содержание", "содержание", "описание", "сюжет", "опис",
    "あらすじ", "概要", "剧情", "劇情", "简介", "簡介", "tóm tắt", "nội dung", "ملخص", "خلاصه",
    "sammanfattning", "handling", "özet", "plot", "synopsis", "description", "beschreibung",
};
constexpr std::size_t kShortestProse = 40;  // bytes

bool is_list_line(std::string_view line) {
    const std::size_t text = line.find_first_not_of("*#");
    return text != 0 && text != kNone && has_word(line);
}

/// Whether most lines begin items, the first one among them.
bool is_list(std::string_view value) {
    std::size_t items = 0, others = 0;
    bool first = false;
    each_part(value, '\n', [&](std::string_view line) {
        line = skip_blank(line);
        if (!has_word(line)) return;
        const bool item = is_list_line(line);
        if (items + others == 0) first = item;
        ++(item ? items : others);
    });
    return first && items > 1 && items > others;
}

/// Whether it has the length of a sentence and the end of one.
bool is_prose(std::string_view value) {
    if (value.size() < kShortestProse || value.find(kRow) != kNone) return false;
    const bool wide = value.find("\u3002") != kNone;
    return wide || (std::count(value.begin(), value.end(), ' ') >= 5 &&
                    value.find_first_of(".!?") != kNone);
}

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

/// Whether the call stands behind a stop, a note or a word without a blank, as marks of notes do,
/// and no word goes on behind it.
bool is_attached(std::string_view page, std::size_t begin, std::size_t end) {
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
    if (begins_with_letter(page.substr(end, 4))) return false;
    const std::string_view before = page.substr(floor, at - floor);
    return ends_with_letter(before) && !ends_with_prefix(before);
}

/// "10", "janvier", "1778": a day whose month is named in the language of the wiki.
bool put_date(const TemplateCall& call, const TemplateTable& table, std::string& out) {
    const std::string day = plain(call.at(1)), month = plain(call.at(2)), year = plain(call.at(3));
    if (!is_number(day) || day.size() > 2 || !is_number(year) || year.size() > 4) return false;
    for (int i = 1; i <= 12; ++i)
        if (const std::string* name = table.word("months", std::to_string(i));
            name != nullptr && fold_name(*name) == fold_name(month)) {
            out.append(day).append(" ").append(month).append(" ").append(year);
            return true;
        }
    return false;
}

/// Whether all that stands in a call is pieces: of a formula, of a pronunciation.
bool is_of_pieces(const TemplateCall& call) {
    std::uint32_t pieces = 0;
    for (std::uint32_t i = 1; i <= call.positional(); ++i) {
        const std::string value = plain(call.at(i));
        if (value.size() > kLongestPiece) return false;
        pieces += !value.empty();
    }
    return pieces >= kLeastPieces;
}

/// "Cyrs", "Arab": a script as ISO 15924 codes it, before text that is not Latin.
bool is_code_of_script(std::string_view code, std::string_view next) {
    if (code.size() != 4 || lower(code[0]) == code[0] || next.empty()) return false;
    return std::all_of(code.begin() + 1, code.end(), [](char c) { return c >= 'a' && c <= 'z'; }) &&
           static_cast<unsigned char>(next[0]) >= 0xC9;
}

/// Appends a number that stands alone or before a unit, unless it is one of a register: it is what
/// the template is about. Several are a date, a score, a place. A unit that is known is written.
void put_number(const TemplateCall& call, const TemplateTable& table, std::string_view number,
                std::uint32_t count, std::string& out) {
    const std::string unit = plain(call.at(2)), third = plain(call.at(3));
    const Unit* known = table.unit(unit);
    const bool precise = known != nullptr && third.size() == 1;  // what it is rounded to
    const bool measure = has_word(unit) && !is_number(unit) && (!is_number(third) || precise);
    const std::size_t run = std::min(number.find_first_not_of("0123456789"), number.size());
    const auto digits = static_cast<std::size_t>(
        std::count_if(number.begin(), number.end(), is_digit));
    const bool key = run > kLongestNumber || (run > 1 && number[0] == '0') ||
                     (digits > kLongestNumber && number.find_first_of("-/") != kNone);
    if ((count != 1 && !measure) || key) return;
    out.append(number);
    // One letter may be a man, a mother or a page as well as a metre.
    if (known != nullptr && unit.size() > 1)
        out.append(" ").append(known->symbol.empty() ? unit : known->symbol);
}

}  // namespace

CallSite find_call_site(std::string_view page, std::size_t begin, std::size_t end) {
    if (end - begin > kLongestCall ||
        page.substr(begin, end - begin).find('\n') != kNone)
        return CallSite::kAlone;
    const Side before = look_back(page, begin), after = look_ahead(page, end);
    if (!before.text && !after.text)
        return before.argument && after.argument ? CallSite::kRunning : CallSite::kAlone;
    return is_attached(page, begin, end) ? CallSite::kNote : CallSite::kRunning;
}

bool may_fall_back(std::string_view name) {
    return !name.empty() && name.find_first_of(":#/<>[]") == kNone;
}

bool is_whole_cell(std::string_view page, std::size_t begin, std::size_t end) {
    while (begin > 0 && page[begin - 1] == ' ') --begin;
    while (end < page.size() && page[end] == ' ') ++end;
    if (begin == 0 || !is_any(page[begin - 1], "|!")) return false;
    const std::string_view next = page.substr(end, 2);
    return next.starts_with('\n') || next == "||" || next == "!!";
}

void put_fallback(const TemplateCall& call, const TemplateTable& table, std::string& out) {
    if (call.arguments.empty()) out.append(call.name);  // an ordinal: no other comes here
    if (looks_up(call.name) || is_of_pieces(call) || put_date(call, table, out)) return;
    std::string_view code;  // that may be a word, should there be no other
    const std::string number = plain(call.at(1));
    std::uint32_t count = 0;
    for (std::uint32_t i = 1; i <= kMostArguments; ++i) {
        const std::string_view value = call.at(i);
        count += !value.empty();
        if (!is_text(value)) continue;
        const std::string word = plain(value);
        // A letter in italics between others is a piece of a formula.
        if (call.positional() > 1 && word.size() == 5 && word.starts_with("''") &&
            word.ends_with("''"))
            continue;
        const Unit* unit = word.size() <= kLongestUnit ? table.unit(word) : nullptr;
        if (unit != nullptr && (unit->one != word || is_number(number))) continue;
        // A number and a word are a measure, whose number is true without its unit ("70", "m"), or
        // part of a date, which is not ("14", "julho", "1789").
        const bool dated = is_number(plain(call.at(3)));
        if (i == 2 && is_number(number) && word.find(' ') == kNone &&
            (dated || fold_name(word) == word))
            break;
        if (is_short_code(word)) {
            code = code.empty() ? value : code;
            continue;
        }
        const std::string_view next = call.at(i + 1);
        if (is_code_of_script(word, next) && is_text(next)) continue;
        const bool sorts = next != value && same_letters(value, next) && is_text(next);
        out.append(sorts ? next : value);
        return;
    }
    for (std::string_view name : kTextNames)
        if (const auto value = trim_marks(call.get(name)); is_text(value)) {
            out.append(value);
            return;
        }
    const std::string key(code);
    const bool word = code.size() == 3 && fold_name(code) == code && table.unit(key) == nullptr &&
                      table.word("languages", key) == nullptr &&
                      table.word("labels", key) == nullptr;
    if (is_number(number)) put_number(call, table, number, count, out);
    else if (word) out.append(code);
}

bool put_blocks(const TemplateCall& call, std::string& out) {
    const std::size_t before = out.size();
    for (const TemplateArgument& argument : call.arguments) {
        const std::string_view value = trim_marks(argument.value);
        const std::string name = fold_name(argument.name);
        const std::string_view stem = std::string_view(name).substr(
            0, name.find_last_not_of("0123456789 ") + 1);
        const bool is_body = stem.empty() || stem == "col" || contains(kTextNames, stem);
        if (is_body && is_list(value)) out.append("\n").append(value).append("\n");
        else if (contains(kProseNames, stem) && is_prose(value))
            out.append("\n\n").append(value).append("\n\n");
    }
    return out.size() > before;
}

bool is_ordinal(std::string_view name) {
    const std::size_t end = name.find_first_not_of("0123456789");
    if (end == 0 || end == kNone || end > 4) return false;
    constexpr std::string_view kEnds[] = {"st", "nd", "rd", "th", "er", "re", "e", "ème"};
    return contains(kEnds, name.substr(end));
}

bool has_number(const TemplateCall& call) {
    for (std::uint32_t i = 1; i <= kMostArguments; ++i)
        if (const std::string value = plain(call.at(i));
            is_number(value) && value.size() <= kLongestNumber)
            return true;
    return false;
}

}  // namespace corpuskit
