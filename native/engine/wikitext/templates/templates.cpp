// Templates that are written as text by other rules than formats (format.cpp): joined lists,
// fractions, values. Numbers with units: convert/.
#include <algorithm>

#include "engine/wikitext/marks.hpp"
#include "engine/wikitext/templates/templates.hpp"

namespace corpuskit {

namespace {

std::uint32_t parse_position(std::string_view s) {
    std::uint32_t n = 0;
    if (s.empty() || s.size() > 3) return 0;
    for (char c : s) {
        if (!is_digit(c)) return 0;
        n = n * 10 + static_cast<std::uint32_t>(c - '0');
    }
    return n;
}

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

bool begins_number(std::string_view s) {
    const std::size_t digit = s.find_first_of("0123456789");
    return digit != kNone && std::none_of(s.begin(), s.begin() + static_cast<std::ptrdiff_t>(digit),
                                          is_alpha);
}

/// {{val|1.5|0.2|e=6|u=kg}} -> 1.5±0.2×10^6 kg
void render_val(const TemplateCall& call, const TemplateTable& table, std::string& out) {
    const std::string_view number = call.at(1);
    if (number.empty() ? call.get("e").empty() : !begins_number(number)) return;
    out.append(trim(call.get("p")));
    if (trim(call.get("fmt")) == "commas") out.append(group_thousands(number, table));
    else out.append(number);
    if (const auto plus = call.at(2); !plus.empty()) {
        const auto minus = call.at(3);
        out.append(minus.empty() ? "\u00B1" : "+").append(plus);
        if (!minus.empty()) out.append("\u2212").append(trim(minus));
    }
    if (const auto e = trim(call.get("e")); !e.empty())
        out.append(number.empty() ? "10^" : "\u00D710^").append(e);
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

std::string_view TemplateCall::at(std::size_t position) const {
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

void render_template(const TemplateRule& rule, const TemplateCall& call, const TemplateTable& table,
                     std::string& out) {
    switch (rule.render) {
        case Render::kDrop: return;
        case Render::kLost: out.push_back(kLost); return;
        case Render::kFormat: render_format(rule.spec, call, table, out); return;
        case Render::kJoin: return render_join(rule.spec, call, out);
        case Render::kConvert: return render_convert(call, table, false, out);
        case Render::kConvertSymbol: return render_convert(call, table, true, out);
        case Render::kVal: return render_val(call, table, out);
        case Render::kFraction: return render_fraction(call, out);
        case Render::kDateFrench: return render_date_french(call, out);
    }
}

}  // namespace corpuskit
