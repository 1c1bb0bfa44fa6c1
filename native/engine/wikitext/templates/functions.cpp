#include "engine/wikitext/templates/functions.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <unordered_map>
#include <vector>

#include "engine/text/case.hpp"
#include "engine/text/utf8.hpp"
#include "engine/wikitext/marks.hpp"

namespace corpuskit {

namespace {
constexpr std::size_t kLongestPadded = 500;   // as in MediaWiki
// Code points that #pos, #replace... take, as in MediaWiki.
constexpr std::size_t kLongestSearched = 1000;

using Arguments = std::span<const FunctionArgument>;
using enum Function;

/// Functions with a colon; their names are compared without regard to case.
const std::unordered_map<std::string_view, Function>& functions() {
    static const std::unordered_map<std::string_view, Function> kFunctions = {
        {"#if", kIf}, {"#ifeq", kIfEqual}, {"#switch", kSwitch}, {"#ifexpr", kIfExpression},
        {"#iferror", kIfError}, {"#ifexist", kIfExists}, {"#expr", kExpression},
        {"formatnum", kFormatNumber}, {"#formatnum", kFormatNumber}, {"plural", kPlural},
        {"lc", kLower}, {"uc", kUpper}, {"lcfirst", kLowerFirst}, {"ucfirst", kUpperFirst},
        {"padleft", kPadLeft}, {"padright", kPadRight}, {"#len", kLength}, {"#sub", kSubstring},
        {"#replace", kReplace}, {"#pos", kPosition}, {"#rpos", kLastPosition}, {"#count", kCount},
        {"#titleparts", kTitleParts}, {"urlencode", kUrlEncode}, {"anchorencode", kAnchorEncode},
        {"ns", kNamespaceName}, {"#tag", kTag}, {"gender", kGender}, {"grammar", kGrammar},
        {"#invoke", kInvoke}, {"defaultsort", kSilent}, {"displaytitle", kSilent},
        {"defaultsortkey", kSilent}, {"defaultcategorysort", kSilent}, {"#seo", kSilent},
        {"#related", kSilent}, {"noexternallanglinks", kSilent}, {"pagename", kPageName},
        {"pagenamee", kPageName}, {"fullpagename", kFullPageName}, {"fullpagenamee", kFullPageName},
        {"basepagename", kBasePageName}, {"basepagenamee", kBasePageName},
        {"subpagename", kSubPageName}, {"subpagenamee", kSubPageName},
        {"rootpagename", kRootPageName}, {"rootpagenamee", kRootPageName},
        {"articlepagename", kFullPageName},
        {"articlepagenamee", kFullPageName}, {"subjectpagenamee", kFullPageName},
        {"subjectpagename", kFullPageName}, {"namespace", kNamespace},
        {"namespacee", kNamespace},
    };
    return kFunctions;
}

/// What #invoke is called beside English (https://gerrit.wikimedia.org,
/// mediawiki/extensions/Scribunto, Scribunto.magic.php). Other functions have names in other
/// languages too, which dumps hardly use.
constexpr std::string_view kInvokes[] = {
    "#استدعاء", "#استدعا",    "#nunas",   "#galv",  "#aufrufen", "#veynden", "#invocar",
    "#درخواست", "#invoque",   "#chamar",  "#बुलाएँ",  "#बुलायें",     "#pinta",   "#호출",
    "#повикај", "#ഉണർത്തുക",    "#စၞောန်ထ္ၜး", "#ဖော်ပြ", "#kjør",     "#køyr",    "#aanroepen",
    "#вызвать", "#викликати", "#gọi",     "#调用",  "#調動"};

/// Variables: no colon, and their case counts.
const std::unordered_map<std::string_view, Function>& variables() {
    static const std::unordered_map<std::string_view, Function> kVariables = {
        {"PAGENAME", kPageName}, {"PAGENAMEE", kPageName}, {"FULLPAGENAME", kFullPageName},
        {"FULLPAGENAMEE", kFullPageName}, {"BASEPAGENAME", kBasePageName},
        {"BASEPAGENAMEE", kBasePageName}, {"SUBPAGENAME", kSubPageName},
        {"SUBPAGENAMEE", kSubPageName}, {"ROOTPAGENAME", kRootPageName},
        {"ROOTPAGENAMEE", kRootPageName}, {"ARTICLEPAGENAMEE", kFullPageName},
        {"SUBJECTPAGENAMEE", kFullPageName},
        {"ARTICLEPAGENAME", kFullPageName}, {"SUBJECTPAGENAME", kFullPageName},
        {"NAMESPACE", kNamespace}, {"NAMESPACEE", kNamespace}, {"NOEXTERNALLANGLINKS", kSilent},
    };
    return kVariables;
}

constexpr std::string_view kNamespaces[] = {
    "",     "Talk",      "User",      "User talk",      "Project",  "Project talk",
    "File", "File talk", "MediaWiki", "MediaWiki talk", "Template", "Template talk",
    "Help", "Help talk", "Category",  "Category talk"};

std::string_view argument(Arguments arguments, std::size_t i) {
    return i < arguments.size() ? trim(arguments[i].text) : std::string_view{};
}

/// A number as PHP knows them in strings: " -1.5e3". Exact only where the comparison of two numbers
/// needs it.
bool parse_number(std::string_view s, double& value) {
    std::size_t i = 0;
    const bool minus = !s.empty() && s[0] == '-';
    if (minus || (!s.empty() && s[0] == '+')) ++i;
    std::size_t digits = 0;
    double mantissa = 0;
    int exponent = 0;
    for (; i < s.size() && is_digit(s[i]); ++i, ++digits) mantissa = mantissa * 10 + (s[i] - '0');
    if (i < s.size() && s[i] == '.')
        for (++i; i < s.size() && is_digit(s[i]); ++i, ++digits, --exponent)
            mantissa = mantissa * 10 + (s[i] - '0');
    if (digits == 0) return false;
    if (i + 1 < s.size() && (s[i] == 'e' || s[i] == 'E')) {
        const bool negative = s[i + 1] == '-';
        std::size_t at = i + (negative || s[i + 1] == '+' ? 2 : 1);
        if (at >= s.size()) return false;
        int e = 0;
        // The bound keeps a long exponent from overflowing; 9999 is beyond any double.
        for (; at < s.size() && is_digit(s[at]); ++at) e = std::min(e * 10 + (s[at] - '0'), 9999);
        exponent += negative ? -e : e;
        i = at;
    }
    if (i != s.size()) return false;
    // Neither runs 9999 times: the one stops beyond 1e300, the other at 0.
    for (; exponent > 0 && mantissa < 1e300; --exponent) mantissa *= 10;
    for (; exponent < 0 && mantissa != 0; ++exponent) mantissa /= 10;
    value = minus ? -mantissa : mantissa;
    return true;
}

std::size_t parse_count(std::string_view s) {
    std::size_t n = 0;
    for (char c : s) {
        if (!is_digit(c)) break;
        n = std::min<std::size_t>(n * 10 + static_cast<std::size_t>(c - '0'), 1 << 20);
    }
    return n;
}

long parse_signed(std::string_view s) {
    const bool minus = s.starts_with('-');
    const auto n = static_cast<long>(parse_count(s.substr(minus ? 1 : 0)));
    return minus ? -n : n;
}

// ----------------------------------------------------------------------------------------- choices

bool is_default(std::string_view name) { return equal_folded(name, "#default"); }

void choose_case(Arguments arguments, std::string& out) {
    const std::string primary = plain(argument(arguments, 0));
    bool found = false, default_next = false;
    std::string_view otherwise;
    for (std::size_t i = 1; i < arguments.size(); ++i) {
        const auto& [text, equals] = arguments[i];
        if (equals == kNone) {
            const std::string name = plain(text);
            found = found || equal_values(name, primary);
            default_next = default_next || is_default(name);
            if (i + 1 == arguments.size()) otherwise = text;
            continue;
        }
        const std::string name = plain(text.substr(0, equals));
        const std::string_view value = text.substr(equals + 1);
        if (found || equal_values(name, primary)) {
            out.append(trim(value));
            return;
        }
        if (default_next || is_default(name)) otherwise = value;
        default_next = false;
    }
    out.append(trim(otherwise));
}

// ----------------------------------------------------------------------------------------- letters

void put_lower(std::string_view text, std::string& out) {
    for (std::size_t at = 0; at < text.size();)
        put_code_point(out, lower_case(next_code_point(text, at)));
}

void put_upper(std::string_view text, std::string& out) {
    for (std::size_t at = 0; at < text.size();) {
        const char32_t c = next_code_point(text, at);
        if (c == 0xDF) out.append("SS");
        else put_code_point(out, upper_case(c));
    }
}

void put_first(std::string_view text, bool upper, std::string& out) {
    std::size_t at = 0;
    while (at < text.size() && is_mark(text[at])) out.push_back(text[at++]);
    if (at >= text.size()) return;
    const char32_t c = next_code_point(text, at);
    put_code_point(out, upper ? upper_case(c) : lower_case(c));
    out.append(text.substr(at));
}

void put_padded(Arguments arguments, bool left, std::string& out) {
    const std::string_view text = argument(arguments, 0);
    const std::size_t want = std::min(parse_count(plain(argument(arguments, 1))), kLongestPadded);
    const std::string padding = arguments.size() > 2 ? plain(argument(arguments, 2)) : "0";
    std::string filled;
    std::size_t missing = want - std::min(want, count_code_points(plain(text)));
    for (std::size_t at = 0; missing > 0 && !padding.empty(); --missing) {
        put_code_point(filled, next_code_point(padding, at));
        if (at >= padding.size()) at = 0;
    }
    if (left) out.append(filled).append(text);
    else out.append(text).append(filled);
}

std::u32string code_points(std::string_view text) {
    std::u32string points;
    for (std::size_t at = 0; at < text.size() && points.size() <= kLongestSearched;)
        points.push_back(next_code_point(text, at));
    return points;
}

void put_code_points(std::u32string_view points, std::string& out) {
    for (char32_t c : points) put_code_point(out, c);
}

void put_substring(Arguments arguments, std::string& out) {
    const std::u32string text = code_points(plain(argument(arguments, 0)));
    const auto size = static_cast<long>(text.size());
    long begin = parse_signed(plain(argument(arguments, 1)));
    const long length = parse_signed(plain(argument(arguments, 2)));
    if (begin < 0) begin = std::max(0L, size + begin);
    const long end = length == 0  ? size
                     : length < 0 ? size + length
                                  : std::min(size, begin + length);
    if (begin >= end) return;
    put_code_points(std::u32string_view(text).substr(static_cast<std::size_t>(begin),
                                                     static_cast<std::size_t>(end - begin)),
                    out);
}

/// #pos, #rpos, #count and #replace; false when a text is longer than MediaWiki takes.
bool search_text(Function function, Arguments arguments, std::string& out) {
    const std::u32string text = code_points(plain(argument(arguments, 0)));
    std::u32string what = code_points(plain(argument(arguments, 1)));
    if (what.empty()) what = U" ";
    if (text.size() > kLongestSearched || what.size() > kLongestSearched) return false;
    if (function == kPosition || function == kLastPosition) {
        const auto from = static_cast<std::size_t>(parse_count(plain(argument(arguments, 2))));
        const std::size_t at = function == kPosition ? text.find(what, from) : text.rfind(what);
        if (at != std::u32string::npos) out.append(std::to_string(at));
        else if (function == kLastPosition) out.append("-1");
        return true;
    }
    const std::string with = plain(argument(arguments, 2));
    std::size_t from = 0, count = 0;
    std::string replaced;
    for (std::size_t at = text.find(what); at != std::u32string::npos;
         at = text.find(what, from), ++count) {
        put_code_points(std::u32string_view(text).substr(from, at - from), replaced);
        replaced.append(with);
        from = at + what.size();
    }
    put_code_points(std::u32string_view(text).substr(from), replaced);
    if (function == kCount) out.append(std::to_string(count));
    else out.append(replaced);
    return true;
}

void put_encoded(std::string_view text, std::string_view kept, std::string_view blank,
                 std::string& out) {
    static constexpr std::string_view kDigits = "0123456789ABCDEF";
    for (char c : text) {
        if (c == ' ') out.append(blank);
        else if (is_alpha(c) || is_digit(c) || kept.find(c) != kNone) out.push_back(c);
        else {
            const auto byte = static_cast<unsigned char>(c);
            out.push_back('%');
            out.push_back(kDigits[byte >> 4]);
            out.push_back(kDigits[byte & 15]);
        }
    }
}

void put_url(Arguments arguments, std::string& out) {
    const std::string text = plain(argument(arguments, 0));
    const std::string style = plain(argument(arguments, 1));
    if (equal_folded(style, "wiki")) put_encoded(text, "-_.;@$!*(),/~:", "_", out);
    else if (equal_folded(style, "path")) put_encoded(text, "-_.~", "%20", out);
    else put_encoded(text, "-_.", "+", out);
}

// ----------------------------------------------------------------------------------------- numbers

void put_number(Arguments arguments, std::string_view language, std::string& out) {
    const std::string number = plain(argument(arguments, 0));
    std::string style = plain(argument(arguments, 1));
    if (equal_folded(style, "R")) unformat_number(number, language, out);
    else format_number(number, language, !equal_folded(style, "NOSEP"), out);
}

void put_plural(Arguments arguments, std::string_view language, std::string& out) {
    const std::string number = plain(argument(arguments, 0));
    std::vector<std::string_view> forms;
    for (std::size_t i = 1; i < arguments.size(); ++i) {
        const auto& [text, equals] = arguments[i];
        const bool exact = equals != kNone && !plain(text.substr(0, equals)).empty();
        // {{plural:0|0=none|one|many}}.
        if (exact && equal_values(plain(text.substr(0, equals)), number)) {
            out.append(trim(text.substr(equals + 1)));
            return;
        }
        if (!exact) forms.push_back(trim(text));
    }
    if (!forms.empty())
        out.append(forms[std::min(plural_form(number, language), forms.size() - 1)]);
}

// ------------------------------------------------------------------------------------------ titles

struct TitleParts {
    std::string_view space, name;
};

TitleParts split_title(std::string_view title) {
    const std::size_t colon = title.find(':');
    if (colon == kNone) return {{}, title};
    std::string prefix(title.substr(0, colon));
    std::replace(prefix.begin(), prefix.end(), '_', ' ');
    for (std::string_view space : kNamespaces)
        if (!space.empty() && equal_folded(space, prefix))
            return {title.substr(0, colon), trim(title.substr(colon + 1))};
    return {{}, title};
}

bool put_title(Function function, std::string_view title, std::string& out) {
    const auto [space, name] = split_title(title);
    const std::size_t first = name.find('/'), last = name.rfind('/');
    if (title.empty()) return false;
    switch (function) {
        case kPageName: out.append(name); return true;
        case kFullPageName: out.append(title); return true;
        case kNamespace: out.append(space); return true;
        case kBasePageName: out.append(name.substr(0, last)); return true;
        case kRootPageName: out.append(name.substr(0, first)); return true;
        default: out.append(last == kNone ? name : name.substr(last + 1)); return true;
    }
}

void put_title_parts(Arguments arguments, std::string& out) {
    const std::string title = plain(argument(arguments, 0));
    std::vector<std::string_view> parts;
    // 25 parts at most, the last of them with all that is left, as MediaWiki splits titles.
    for (std::size_t at = 0; at <= title.size() && parts.size() < 25;) {
        const std::size_t slash = parts.size() == 24 ? title.size()
                                                     : find_or_end(title, '/', at);
        parts.push_back(std::string_view(title).substr(at, slash - at));
        at = slash + 1;
    }
    const auto size = static_cast<long>(parts.size());
    const long count = parse_signed(plain(argument(arguments, 1)));
    long begin = parse_signed(plain(argument(arguments, 2)));
    begin = begin > 0 ? begin - 1 : begin < 0 ? std::max(0L, size + begin) : 0;
    const long end = count > 0 ? std::min(size, begin + count) : size + count;
    for (long i = begin; i < end; ++i)
        out.append(i > begin ? "/" : "").append(parts[static_cast<std::size_t>(i)]);
}

bool put_namespace(std::string_view text, std::string_view language, std::string& out) {
    if (!language.starts_with("en") && language != "simple") return false;
    std::string name = plain(text);
    std::replace(name.begin(), name.end(), '_', ' ');
    if (name == "-1" || equal_folded(name, "special")) {
        out.append("Special");
        return true;
    }
    if (equal_folded(name, "image")) name = "File";
    for (std::size_t key = 0; key < std::size(kNamespaces); ++key) {
        const bool number = !name.empty() && is_digit(name[0]) && parse_count(name) == key;
        if (!number && !(key > 0 && equal_folded(name, kNamespaces[key]))) continue;
        out.append(kNamespaces[key]);
        return true;
    }
    return false;
}

bool call_choice(Function function, Arguments arguments, std::string& out) {
    const std::string_view first = argument(arguments, 0);
    switch (function) {
        case kIf: out.append(argument(arguments, is_blank(first) ? 2 : 1)); return true;
        case kIfEqual:
            out.append(argument(arguments,
                                equal_values(plain(first), plain(argument(arguments, 1))) ? 2 : 3));
            return true;
        case kIfExists: out.append(argument(arguments, 1)); return true;
        case kIfError:
            if (has_error(first)) out.append(argument(arguments, 1));
            else out.append(arguments.size() > 2 ? argument(arguments, 2) : first);
            return true;
        case kSwitch: choose_case(arguments, out); return true;
        default: {
            std::string value;
            if (!evaluate_expression(first, value)) out.append(kFunctionError);
            else out.append(argument(arguments, value.empty() || value == "0" ? 2 : 1));
            return true;
        }
    }
}

}  // namespace

Function find_function(std::string_view name, bool colon) {
    if (name.empty() || name.size() > kLongestFunction) return kUnknown;
    if (!colon) {
        const auto found = variables().find(name);
        return found == variables().end() ? kUnknown : found->second;
    }
    std::array<char, kLongestFunction> folded{};
    std::transform(name.begin(), name.end(), folded.begin(), lower);
    const std::string_view key(folded.data(), name.size());
    if (const auto found = functions().find(key); found != functions().end()) return found->second;
    return contains(kInvokes, key) ? kInvoke : kUnknown;
}

bool equal_values(std::string_view a, std::string_view b) {
    if (a == b) return true;
    double x = 0, y = 0;
    return parse_number(a, x) && parse_number(b, y) && x == y;
}

bool has_error(std::string_view text) {
    return text.find(kFunctionError) != kNone || text.find("class=\"error\"") != kNone;
}

bool call_function(Function function, std::span<const FunctionArgument> arguments,
                   const FunctionContext& context, std::string& out) {
    const std::string_view first = argument(arguments, 0);
    switch (function) {
        case kIf:
        case kIfEqual:
        case kSwitch:
        case kIfExpression:
        case kIfError:
        case kIfExists: return call_choice(function, arguments, out);
        case kExpression: {
            std::string value;
            if (evaluate_expression(first, value)) out.append(value);
            else out.append(kFunctionError);
            return true;
        }
        case kFormatNumber: put_number(arguments, context.language, out); return true;
        case kPlural: put_plural(arguments, context.language, out); return true;
        case kLower: put_lower(first, out); return true;
        case kUpper: put_upper(first, out); return true;
        case kLowerFirst: put_first(first, false, out); return true;
        case kUpperFirst: put_first(first, true, out); return true;
        case kPadLeft: put_padded(arguments, true, out); return true;
        case kPadRight: put_padded(arguments, false, out); return true;
        case kLength: out.append(std::to_string(count_code_points(plain(first)))); return true;
        case kSubstring: put_substring(arguments, out); return true;
        case kReplace:
        case kPosition:
        case kLastPosition:
        case kCount: return search_text(function, arguments, out);
        case kTitleParts: put_title_parts(arguments, out); return true;
        case kUrlEncode: put_url(arguments, out); return true;
        case kAnchorEncode: out.append(collapse(plain(first), " \t\n\r_", '_')); return true;
        case kNamespaceName: return put_namespace(first, context.language, out);
        case kGender: out.append(argument(arguments, arguments.size() > 3 ? 3 : 1)); return true;
        case kGrammar: out.append(argument(arguments, 1)); return true;
        case kPageName:
        case kFullPageName:
        case kBasePageName:
        case kSubPageName:
        case kRootPageName:
        case kNamespace:
            return put_title(function, is_blank(first) ? context.title : first, out);
        case kSilent: return true;
        default: return false;
    }
}

}  // namespace corpuskit
