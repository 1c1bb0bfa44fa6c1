// Templates that are written as text. The rules are data (wikitext_template_rules.cpp); this file knows how to
// apply them: formats, joined lists, fractions, ordinals, values. Numbers with units: wikitext_convert.cpp.
#include <algorithm>
#include <array>

#include "wikitext_internal.hpp"

namespace corpuskit {

namespace {

constexpr std::size_t kNone = std::string::npos;

std::uint32_t parse_position(std::string_view s) {
    std::uint32_t n = 0;
    if (s.empty() || s.size() > 3) return 0;
    for (char c : s) {
        if (!is_digit(c)) return 0;
        n = n * 10 + static_cast<std::uint32_t>(c - '0');
    }
    return n;
}

bool is_blank(std::string_view s) { return trim_marks(s).empty(); }

/// Applies a format and appends the result:
///   {1,text}   the first of these parameters that is not empty; {1,=x}: or else the text x
///   {1#}       the same, with thousands set apart by narrow blanks
///   {0}        the numeral in the template's name
///   [ ... ]    left out unless every parameter directly in it is there
/// Everything else is text. Returns false when a parameter outside all brackets is missing.
class Format {
  public:
    Format(std::string_view spec, const TemplateCall& call) : spec_(spec), call_(call) {}

    bool render(std::string& out) {
        std::string text;
        if (!group(text, 0)) return false;
        out.append(text);
        return true;
    }

  private:
    bool group(std::string& out, int depth) {
        bool complete = true;
        while (at_ < spec_.size() && spec_[at_] != ']') {
            const char c = spec_[at_];
            if (c == '{') {
                complete = parameter(out) && complete;
            } else if (c == '[' && depth < 3) {
                ++at_;
                std::string inner;
                if (group(inner, depth + 1)) out.append(inner);
                ++at_;  // ']'
            } else {
                out.push_back(c);
                ++at_;
            }
        }
        return complete;
    }

    bool parameter(std::string& out) {
        const std::size_t begin = at_ + 1;
        const std::size_t end = std::min(spec_.find('}', begin), spec_.size());
        const bool first = at_ == 0;
        at_ = end + 1;
        for (std::size_t i = begin; i < end;) {
            const std::size_t comma = std::min(spec_.find(',', i), end);
            std::string_view key = spec_.substr(i, comma - i);
            i = comma + 1;
            const bool grouped = key.ends_with('#');
            if (grouped) key.remove_suffix(1);
            const std::string_view value = key == "0" ? call_.numeral : key.starts_with('=') ? key.substr(1) : call_.get(key);
            if (is_blank(value)) continue;
            // "{{small| (so)}}": a blank that begins the text belongs to it.
            if (first && value.front() == ' ') out.push_back(' ');
            if (grouped) group_thousands(trim(value), out);
            else out.append(trim(value));
            return true;
        }
        return false;
    }

    /// 1234567.5 -> 1 234 567,5 with narrow blanks; what is no plain number stays as it is.
    static void group_thousands(std::string_view value, std::string& out) {
        std::size_t digits = 0;
        while (digits < value.size() && is_digit(value[digits])) ++digits;
        if (digits < 4 || (digits < value.size() && is_word(value[digits]))) {
            out.append(value);
            return;
        }
        for (std::size_t i = 0; i < digits; ++i) {
            if (i > 0 && (digits - i) % 3 == 0) out.append("\u202F");
            out.push_back(value[i]);
        }
        out.append(value.substr(digits));
    }

    std::string_view spec_;
    const TemplateCall& call_;
    std::size_t at_ = 0;
};

void render_join(std::string_view separator, const TemplateCall& call, std::string& out) {
    bool any = false;
    for (const TemplateArgument& argument : call.arguments) {
        if (argument.position == 0 && parse_position(argument.name) == 0) continue;
        if (is_blank(argument.value)) continue;
        if (any) out.append(separator);
        out.append(trim(argument.value));
        any = true;
    }
}

void render_fraction(const TemplateCall& call, std::string& out) {
    const std::string_view a = call.at(1), b = call.at(2), c = call.at(3);
    if (a.empty()) return;
    if (b.empty()) out.append("1/").append(a);
    else if (c.empty()) out.append(a).append("/").append(b);
    else out.append(a).append(" ").append(b).append("/").append(c);
}

void render_ordinal(const TemplateCall& call, std::string& out) {
    const std::string number = plain(call.at(1));
    if (number.empty() || !is_digit(number.back())) return;
    const std::size_t n = number.size();
    const bool teen = n > 1 && number[n - 2] == '1';
    static constexpr std::array<std::string_view, 4> kEndings = {"th", "st", "nd", "rd"};
    const auto last = static_cast<std::size_t>(number[n - 1] - '0');
    out.append(number).append(kEndings[teen || last > 3 ? 0 : last]);
}

/// {{val|1.5|0.2|e=6|u=kg}} -> 1.5±0.2×10^6 kg
void render_val(const TemplateCall& call, std::string& out) {
    const std::string_view number = call.at(1);
    if (number.empty() && call.get("e").empty()) return;
    out.append(trim(call.get("p"))).append(number);
    if (const auto plus = call.at(2); !plus.empty()) {
        const auto minus = call.at(3);
        out.append(minus.empty() ? "\u00B1" : "+").append(plus);
        if (!minus.empty()) out.append("\u2212").append(trim(minus));
    }
    if (const auto e = trim(call.get("e")); !e.empty()) out.append(number.empty() ? "10^" : "\u00D710^").append(e);
    out.append(trim(call.get("s")));
    for (std::string_view name : {"u", "ul", "up", "upl"})
        if (const auto unit = trim(call.get(name)); !unit.empty()) {
            const bool tight = unit == "%" || unit == "\u00B0";
            out.append(tight ? "" : " ").append(unit);
            break;
        }
    for (std::string_view name : {"per", "upp"})
        if (const auto unit = trim(call.get(name)); !unit.empty()) {
            out.append("/").append(unit);
            break;
        }
}

}  // namespace

std::string_view TemplateCall::get(std::string_view parameter) const {
    const std::uint32_t position = parse_position(parameter);
    // The last one of a name wins, as in MediaWiki.
    for (auto it = arguments.rbegin(); it != arguments.rend(); ++it)
        if (position != 0 && it->position == position) return it->value;
        else if (it->position == 0 && it->name == parameter) return it->value;
    return {};
}

std::string_view TemplateCall::at(std::uint32_t position) const {
    for (auto it = arguments.rbegin(); it != arguments.rend(); ++it)
        if (it->position == position || (it->position == 0 && parse_position(it->name) == position))
            return trim_marks(it->value);
    return {};
}

std::uint32_t TemplateCall::positional() const {
    std::uint32_t n = 0;
    for (const TemplateArgument& argument : arguments) n = std::max(n, argument.position);
    return n;
}

TemplateTable::TemplateTable(std::string_view language) {
    std::size_t count = 0;
    const TemplateRule* rules = template_rules(count);
    const std::string_view base = language.substr(0, language.find('-'));
    // Rules of one language come after those of all in the table, so that they win.
    for (const TemplateRule* rule = rules; rule != rules + count; ++rule) {
        if (!rule->language.empty() && rule->language != base) continue;
        for (std::size_t at = 0; at < rule->names.size();) {
            const std::size_t end = std::min(rule->names.find('|', at), rule->names.size());
            std::string name(rule->names.substr(at, end - at));
            at = end + 1;
            if (name.size() > 1 && name.back() == '*') prefixes_.emplace_back(name.substr(0, name.size() - 1), rule);
            else exact_[name] = rule;
            numerals_ = numerals_ || name.front() == '#';
        }
    }
}

const TemplateRule* TemplateTable::find(const std::string& name, std::string& numeral) const {
    numeral.clear();
    if (name.empty()) return nullptr;
    if (const auto found = exact_.find(name); found != exact_.end()) return found->second;
    for (const auto& [prefix, rule] : prefixes_)
        if (name.size() > prefix.size() && name.starts_with(prefix)) return rule;
    if (!numerals_) return nullptr;
    const auto is_roman = [](char c) { return std::string_view("ivxlcdm").find(c) != kNone; };
    std::size_t end = 0;
    while (end < name.size() && (is_digit(name[0]) ? is_digit(name[end]) : is_roman(name[end]))) ++end;
    if (end == 0) return nullptr;
    const auto found = exact_.find("#" + name.substr(end));
    if (found == exact_.end()) return nullptr;
    for (char c : std::string_view(name).substr(0, end)) numeral.push_back(is_digit(c) ? c : static_cast<char>(c - 32));
    return found->second;
}

void render_template(const TemplateRule& rule, const TemplateCall& call, std::string& out) {
    switch (rule.render) {
        case Render::kFormat: {
            std::string text;
            if (Format(rule.spec, call).render(text)) out.append(text);
            return;
        }
        case Render::kJoin: return render_join(rule.spec, call, out);
        case Render::kConvert: return render_convert(call, false, out);
        case Render::kConvertSymbol: return render_convert(call, true, out);
        case Render::kVal: return render_val(call, out);
        case Render::kFraction: return render_fraction(call, out);
        case Render::kOrdinal: return render_ordinal(call, out);
        case Render::kDate: return render_date(call, out);
        case Render::kDateFrench: return render_date_french(call, out);
    }
}

}  // namespace corpuskit
