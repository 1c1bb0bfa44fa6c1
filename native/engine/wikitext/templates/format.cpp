// Formats: the small language in which a file of rules says how a template is written. It is told
// in the head of corpuskit/sources/wikipedia/templates.tsv. A format is checked when it is read, so
// that applying it cannot fail.
#include <algorithm>
#include <array>
#include <optional>
#include <stdexcept>

#include "engine/wikitext/marks.hpp"
#include "engine/wikitext/templates/functions.hpp"
#include "engine/wikitext/templates/templates.hpp"

namespace corpuskit {

namespace {

constexpr int kDeepest = 6;  // brackets within brackets; bounds the recursion
constexpr std::string_view kFilters[] = {"number",  "upper", "lower",    "capital",  "integer",
                                         "ordinal", "plain", "attached", "latitude", "longitude",
                                         "un-m",    "un-f",  "power",    "prose",    "bare",
                                         "phonetic", "exponent"};

bool is_missing(std::string_view s) {
    return is_blank(s) && s.find(kLost) == kNone;
}

/// Where one of `signs` stands that is not literal, from `at` on, or the end.
std::size_t find_sign(std::string_view spec, std::size_t at, std::string_view signs) {
    // No `signs.find`, which calls memchr for each byte: the signs are one to three.
    const auto is_sign = [&](char c) {
        return std::find(signs.begin(), signs.end(), c) != signs.end();
    };
    while (at < spec.size() && !is_sign(spec[at])) at += spec[at] == kLiteral ? 2 : 1;
    return std::min(at, spec.size());
}

std::string resolve_escapes(std::string_view written) {
    std::string spec;
    for (std::size_t i = 0; i < written.size(); ++i) {
        if (written[i] != '\\') {
            spec.push_back(written[i]);
            continue;
        }
        if (++i == written.size()) throw std::invalid_argument("a \\ at the end of the format");
        switch (written[i]) {
            case 'n': spec.push_back(kBreak); break;
            case 'p': spec.push_back(kBlock); break;
            case 'w': spec.push_back('\n'); break;
            case '_': spec.append("\u00A0"); break;
            default:
                if (is_word(written[i]))
                    throw std::invalid_argument(std::string("no such escape: \\") + written[i]);
                spec.push_back(kLiteral);
                spec.push_back(written[i]);
        }
    }
    return spec;
}

/// Checks what stands between the braces of a parameter.
void check_parameter(std::string_view inner, const TemplateTable& table) {
    const auto fail = [&](const std::string& what) {
        throw std::invalid_argument("{" + std::string(inner) + "}: " + what);
    };
    if (inner.empty()) fail("no name of a parameter");
    if (inner.front() == '?' || inner.front() == '!') {
        if (inner.size() == 1) fail("no name of a parameter");
        return;
    }
    const std::size_t keys = find_sign(inner, 0, ":");
    if (find_sign(inner, 0, "{[]") < inner.size())
        fail("a bracket within braces; close the braces, or write \\[");
    for (std::size_t at = 0; at <= keys;) {
        const std::size_t end = find_sign(inner.substr(0, keys), at, ",");
        if (end == at) fail("an empty name of a parameter");
        if (inner[at] != '=' && find_sign(inner.substr(0, end), at, "+") < end &&
            (!is_digit(inner[at]) || at > 0 || end < keys))
            fail("{1+} is the first and all later positional arguments, and stands alone");
        at = end + 1;
    }
    for (std::size_t at = keys; at < inner.size();) {
        const std::size_t end = find_sign(inner, at + 1, ":");
        std::string_view filter = inner.substr(at + 1, end - at - 1);
        if (filter.ends_with('?')) filter.remove_suffix(1);
        if (!contains(kFilters, filter) && !table.has_words(filter))
            fail("\"" + std::string(filter) + "\" is neither a filter nor a list of words");
        at = end;
    }
}

void check(std::string_view spec, const TemplateTable& table) {
    int depth = 0;
    for (std::size_t at = 0; at < spec.size();) {
        const char c = spec[at];
        if (c == '{') {
            const std::size_t end = find_sign(spec, at, "}");
            if (end == spec.size())
                throw std::invalid_argument("{ without }; write \\{ for the sign itself");
            check_parameter(spec.substr(at + 1, end - at - 1), table);
            at = end;
        } else if (c == '}') {
            throw std::invalid_argument("} without {; write \\} for the sign itself");
        } else if (c == '[' && ++depth > kDeepest) {
            throw std::invalid_argument("brackets are nested more than " +
                                        std::to_string(kDeepest) + " deep");
        } else if (c == ']' && --depth < 0) {
            throw std::invalid_argument("] without [; write \\] for the sign itself");
        } else if (c == '|' && depth == 0) {
            throw std::invalid_argument("| outside brackets; write \\| for the sign itself");
        } else if (c == kLiteral) {
            ++at;
        }
        ++at;
    }
    if (depth > 0) throw std::invalid_argument("[ without ]; write \\[ for the sign itself");
}

void append_ordinal(std::string_view number, std::string& out) {
    if (number.empty() || !is_digit(number.back())) {
        out.append(number);
        return;
    }
    const std::size_t n = number.size();
    const bool teen = n > 1 && number[n - 2] == '1';
    static constexpr std::array<std::string_view, 4> kEndings = {"th", "st", "nd", "rd"};
    const auto last = static_cast<std::size_t>(number[n - 1] - '0');
    out.append(number).append(kEndings[teen || last > 3 ? 0 : last]);
}

/// "06" -> "6"; what is no number gives nothing.
std::string integer(std::string_view value) {
    if (value.empty() || value.size() > 18 || !std::all_of(value.begin(), value.end(), is_digit))
        return {};
    const std::size_t first = std::min(value.find_first_not_of('0'), value.size() - 1);
    return std::string(value.substr(first));
}

/// "-33.9" -> "33.9°S"; what is no number gives nothing.
std::optional<std::string> degrees(std::string_view value, std::string_view signs) {
    const bool negative = value.starts_with('-') || value.starts_with("\u2212");
    if (negative) value.remove_prefix(value.starts_with('-') ? 1 : 3);
    if (value.empty() || value.find_first_not_of("0123456789.") != kNone) return std::nullopt;
    return std::string(value) + "\u00B0" + signs[negative ? 1 : 0];
}

/// "-2" -> "−2"; nothing where it is no whole number of one or two digits.
std::string exponent(std::string_view value) {
    const bool minus = value.starts_with('-') || value.starts_with("\u2212");
    if (minus) value.remove_prefix(value[0] == '-' ? 1 : 3);
    const bool number = !value.empty() && value.size() < 3 &&
                        std::all_of(value.begin(), value.end(), is_digit);
    return number ? (minus ? "\u2212" : "") + std::string(value) : std::string();
}

/// "892 km 2" -> "892 km2": a last digit behind a unit is its power.
std::string with_power(std::string_view value) {
    const std::size_t n = value.size();
    const bool power = n > 3 && (value[n - 1] == '2' || value[n - 1] == '3') &&
                       value[n - 2] == ' ' && is_alpha(value[n - 3]);
    return power ? std::string(value.substr(0, n - 2)) + value[n - 1] : std::string(value);
}

/// Text in which a word stands; a number or a width ("2", "20em") gives nothing.
std::optional<std::string> prose(std::string_view value) {
    const std::string text = plain(value);
    const std::size_t unit = text.find_first_not_of("0123456789. ");
    const std::string_view rest = unit == kNone ? "" : std::string_view(text).substr(unit);
    if (!has_word(rest) || (unit > 0 && (rest == "em" || rest == "px" || rest == "rem")))
        return std::nullopt;
    return std::string(value);
}

/// "Jacques II (roi d'Angleterre)" -> "Jacques II": a title without what tells it apart.
std::string without_qualifier(std::string_view value) {
    const std::size_t open = value.rfind(" (");
    return std::string(value.ends_with(')') && open != kNone && open > 0 ? value.substr(0, open)
                                                                         : value);
}

/// A sound between square brackets, unless it stands between signs already.
std::string phonetic(std::string_view value) {
    const bool done = !value.empty() && is_any(value.front(), "/[\\\x01");  // kLiteral
    return done ? std::string(value) : "\x01[" + std::string(value) + "\x01]";
}

/// The Italian article that stands before a word, with its blank: un attore, uno scrittore,
/// un'attrice.
std::string italian_article(std::string_view word, bool feminine) {
    const std::string folded = fold_name(word);
    const std::string_view w(folded);
    const auto is_vowel = [](char c) {
        return is_any(c, "aeiou");
    };
    const bool vowel = !w.empty() && is_vowel(w[0]);
    if (feminine) return vowel ? "un'" : "una ";
    const bool impure = w.size() > 1 && w[0] == 's' && !is_vowel(w[1]);
    for (std::string_view start : {"z", "x", "y", "gn", "ps", "pn", "pt"})
        if (w.starts_with(start)) return "uno ";
    return impure ? "uno " : "un ";
}

/// Applies a format. Text that is left out is walked all the same, so the work is the format's
/// length and the values'.
class Format {
  public:
    Format(std::string_view spec, const TemplateCall& call, const TemplateTable& table)
        : spec_(spec), call_(call), table_(table) {
        std::size_t size = 0;
        for (const TemplateArgument& argument : call.arguments) size += argument.value.size();
        // A format may write an argument many times, and templates nest: without a bound a page
        // could grow with the power of its depth.
        limit_ = 4096 + 8 * size;
    }

    bool render(std::string& out) {
        std::string text;
        if (!sequence(text) || written_ > limit_) return false;
        out.append(text);
        return true;
    }

  private:
    /// Up to the end, '|' or ']'. Whether every parameter directly in it is there.
    bool sequence(std::string& out) {
        bool complete = true;
        while (at_ < spec_.size() && spec_[at_] != ']' && spec_[at_] != '|') {
            const char c = spec_[at_];
            if (c == '{') {
                complete = parameter(out) && complete;
            } else if (c == '[') {
                group(out);
            } else {
                out.push_back(c);
                ++at_;
                if (c == kLiteral) out.push_back(spec_[at_++]);
            }
        }
        return complete;
    }

    void group(std::string& out) {
        bool done = false;
        do {
            ++at_;  // '[' or '|'
            std::string inner;
            if (!sequence(inner) || done) continue;
            out.append(inner);
            done = true;
        } while (spec_[at_] == '|');
        ++at_;  // ']'
    }

    bool parameter(std::string& out) {
        const std::size_t begin = at_ + 1;
        const std::size_t end = find_sign(spec_, begin, "}");
        const std::string_view inner = spec_.substr(begin, end - begin);
        const bool first = at_ == 0;
        at_ = end + 1;
        if (is_digit(inner.front()) && inner.find('+') != kNone) return sequence_of(inner, out);
        if (inner.front() == '?') return test(inner.substr(1));
        if (inner.front() == '!') return !test(inner.substr(1));
        const std::size_t keys = find_sign(inner, 0, ":");
        for (std::size_t i = 0; i < keys;) {
            const std::size_t comma = find_sign(inner.substr(0, keys), i, ",");
            const std::string_view key = inner.substr(i, comma - i);
            i = comma + 1;
            if (key.front() == '=') {
                out.append(key.substr(1));
                return true;
            }
            const std::string_view value = value_of(key);
            if (is_missing(value) || written_ > limit_) continue;
            const std::size_t before = out.size();
            // "{{small| (so)}}": a blank that begins the text belongs to it.
            if (first && keys == inner.size() && value.front() == ' ') out.push_back(' ');
            if (keys == inner.size()) out.append(trim(value));
            else if (!filtered(inner.substr(keys), trim(value), out)) continue;
            written_ += out.size() - before;
            return true;
        }
        return false;
    }

    /// "2+=, :filter": the positional arguments from the second on, with ", " between them.
    bool sequence_of(std::string_view inner, std::string& out) {
        const std::size_t keys = find_sign(inner, 0, ":");
        const std::size_t plus = inner.find('+');
        const std::string_view between = plus + 2 <= keys ? inner.substr(plus + 2, keys - plus - 2)
                                                          : std::string_view();
        std::uint32_t from = 0;
        for (char c : inner.substr(0, std::min<std::size_t>(plus, 3)))
            from = from * 10 + static_cast<std::uint32_t>(c - '0');
        bool any = false;
        for (const TemplateArgument& argument : call_.arguments) {
            if (argument.position < from || is_missing(argument.value) || written_ > limit_)
                continue;
            std::string text;
            if (keys == inner.size()) text = trim(argument.value);
            else if (!filtered(inner.substr(keys), trim(argument.value), text)) continue;
            if (any) out.append(between);
            out.append(text);
            written_ += text.size() + between.size();
            any = true;
        }
        return any;
    }

    /// "name,other": whether one of them is there; "name=a,b": whether it is one of these.
    bool test(std::string_view condition) const {
        const std::size_t equals = find_sign(condition, 0, "=");
        if (equals == condition.size()) {
            for (std::size_t at = 0; at <= equals;) {
                const std::size_t comma = find_sign(condition, at, ",");
                if (!plain(value_of(condition.substr(at, comma - at))).empty()) return true;
                at = comma + 1;
            }
            return false;
        }
        const std::string value = plain(value_of(condition.substr(0, equals)));
        const bool exact = condition.substr(equals).starts_with("==");
        for (std::size_t at = equals + (exact ? 2 : 1); at <= condition.size();) {
            const std::size_t comma = find_sign(condition, at, ",");
            const std::string_view wanted = condition.substr(at, comma - at);
            if (exact ? value == wanted : equal_folded(value, wanted)) return true;
            at = comma + 1;
        }
        return false;
    }

    std::string_view value_of(std::string_view key) const {
        return key == "0" ? std::string_view(call_.matched) : call_.get(key);
    }

    /// Runs a value through ":a:b"; false when one of them gives nothing. With a '?' behind its
    /// name a filter that does not know the value leaves it as it is; a word that is empty in its
    /// list is nothing all the same.
    bool filtered(std::string_view filters, std::string_view value, std::string& out) const {
        std::string text(value);
        for (std::size_t at = 0; at < filters.size();) {
            const std::size_t end = find_sign(filters, at + 1, ":");
            std::string_view name = filters.substr(at + 1, end - at - 1);
            at = end;
            const bool lenient = name.ends_with('?');
            if (lenient) name.remove_suffix(1);
            std::optional<std::string> result = apply(name, text);
            if (!result && lenient) continue;
            if (!result || result->empty()) return false;
            text = std::move(*result);
        }
        out.append(text);
        return true;
    }

    std::optional<std::string> apply(std::string_view filter, const std::string& value) const {
        std::string result;
        if (filter == "number") return group_thousands(value, table_);
        if (filter == "lower") return fold_name(value);
        if (filter == "upper" || filter == "capital") {
            const std::size_t n = filter == "upper" ? value.size()
                                                    : std::min<std::size_t>(1, value.size());
            result = value;
            for (std::size_t i = 0; i < n; ++i)
                if (result[i] >= 'a' && result[i] <= 'z')
                    result[i] = static_cast<char>(result[i] - 32);
            return result;
        }
        if (filter == "integer") {
            result = integer(plain(value));
            return result.empty() ? std::nullopt : std::optional(result);
        }
        if (filter == "plain") return plain(value);
        if (filter == "exponent") {
            result = exponent(plain(value));
            return result.empty() ? std::nullopt : std::optional(result);
        }
        if (filter == "prose") return prose(value);
        if (filter == "bare") return without_qualifier(value);
        if (filter == "phonetic") return phonetic(value);
        if (filter == "power") return with_power(value);
        if (filter == "attached")
            return (!is_any(value.front(), ",;.:)") ? " "
                                                                                            : "") +
                   value;
        if (filter == "latitude" || filter == "longitude")
            return degrees(plain(value), filter == "latitude" ? "NS" : "EW");
        if (filter == "un-m" || filter == "un-f")
            return italian_article(plain(value), filter == "un-f") + value;
        if (filter == "ordinal") {
            append_ordinal(plain(value), result);
            return result;
        }
        const std::string* word = table_.word(filter, fold_name(plain(value)));
        return word == nullptr ? std::nullopt : std::optional(*word);
    }

    std::string_view spec_;
    const TemplateCall& call_;
    const TemplateTable& table_;
    std::size_t at_ = 0;
    std::size_t written_ = 0;  // bytes of values
    std::size_t limit_ = 0;
};

}  // namespace

std::string compile_format(std::string_view written, const TemplateTable& table) {
    std::string spec = resolve_escapes(written);
    check(spec, table);
    return spec;
}

bool render_format(std::string_view spec, const TemplateCall& call, const TemplateTable& table,
                   std::string& out) {
    return Format(spec, call, table).render(out);
}

std::string group_thousands(std::string_view value, const TemplateTable& table) {
    std::size_t first = 0;
    if (value.starts_with('-') || value.starts_with('+')) first = 1;
    else if (value.starts_with("\u2212")) first = 3;
    std::size_t end = first;
    while (end < value.size() && is_digit(value[end])) ++end;
    std::string_view rest = value.substr(end);
    const bool decimals = rest.starts_with('.') && rest.find_first_not_of("0123456789", 1) == kNone;
    if (end == first || (!rest.empty() && !decimals)) return std::string(value);
    const std::string* separator = table.word("number", "group");
    const std::string* decimal = table.word("number", "decimal");
    const std::string* least = table.word("number", "least digits");
    const std::size_t digits = end - first;
    const bool group = separator != nullptr &&
                       digits >= (least != nullptr && *least == "5" ? 5U : 4U);
    std::string text(first == 1 && value[0] == '-' ? "\u2212" : value.substr(0, first));
    put_grouped(value.substr(first, digits), group ? std::string_view(*separator) : "", false,
                text);
    if (!rest.empty()) text.append(decimal != nullptr ? *decimal : ".").append(rest.substr(1));
    return text;
}

}  // namespace corpuskit
