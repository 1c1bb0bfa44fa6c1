// {{convert|1300|mi|km}} -> 1,300 miles (2,100 km): the author's numbers and unit, and what the
// template computes.
#include <algorithm>
#include <cmath>
#include <deque>
#include <iterator>
#include <optional>

#include "engine/wikitext/marks.hpp"
#include "engine/wikitext/templates/templates.hpp"

namespace corpuskit {

namespace {

constexpr std::size_t kMostParts = 12;  // numbers in one call

struct Range {
    // Between numbers, with names and with symbols of units.
    std::string_view code, name_text, symbol_text;
    bool repeat = false;  // the symbol of the unit stands behind each number
};
constexpr Range kRanges[] = {
    {"-", "\u2013", "\u2013"}, {"\u2013", "\u2013", "\u2013"}, {"to", " to ", " to "},
    {"to(-)", " to ", "\u2013"}, {"and", " and ", " and "}, {"and(-)", " and ", "\u2013"},
    {"&", " and ", " & "}, {"or", " or ", " or "}, {"or(-)", " or ", "\u2013"},
    {"x", " by ", " \u00D7 ", true}, {"\u00D7", " by ", " \u00D7 ", true}, {"by", " by ", " by "},
    {"by(x)", " by ", " \u00D7 "}, {"xx", " \u00D7 ", " \u00D7 "}, {"*", " \u00D7 ", " \u00D7 "},
    {"+/-", " \u00B1 ", " \u00B1 "}, {"\u00B1", " \u00B1 ", " \u00B1 "},
    {"to about", " to about ", " to about "}, {"and a", " and a ", " and a "}, {",", ", ", ", "},
    {"+", " + ", " + "}, {"till about", " till about ", " till about "},
    {"a", " \u00E0 ", "\u2013"},
};

struct Power {
    std::string_view code;
    int exponent;
    std::string_view name;
};
constexpr Power kPowers[] = {{"e3", 3, "thousand"},
                             {"e6", 6, "million"},
                             {"e9", 9, "billion"},
                             {"e12", 12, "trillion"},
                             {"e15", 15, "quadrillion"}};

std::string_view power_name(int exponent) {
    const auto* found = std::find_if(std::begin(kPowers), std::end(kPowers),
                                     [&](const Power& p) { return p.exponent == exponent; });
    return found == std::end(kPowers) ? std::string_view() : found->name;
}

const Range* find_range(std::string_view code) {
    const auto* found = std::find_if(std::begin(kRanges), std::end(kRanges),
                                     [&](const Range& r) { return r.code == code; });
    return found == std::end(kRanges) ? nullptr : found;
}

struct Joined {
    std::string_view codes, first, second;  // a unit written as two: 5 ft 11 in
};
constexpr Joined kJoined[] = {
    {"ftin", "ft", "in"},    {"ft in", "ft", "in"},     {"footin", "ft", "in"},
    {"foot in", "ft", "in"}, {"ft and in", "ft", "in"}, {"stlb", "st", "lb"},
    {"st lb", "st", "lb"},   {"lboz", "lb", "oz"},      {"lb oz", "lb", "oz"},
};

std::string american(std::string name) {
    for (const auto& [british, us] :
         {std::pair<std::string_view, std::string_view>{"metre", "meter"}, {"litre", "liter"}})
        for (std::size_t at = name.find(british); at != kNone;
             at = name.find(british, at))
            name.replace(at, british.size(), us);
    if (name.starts_with("tonne")) name.replace(0, 5, "metric ton");
    return name;
}

/// How one side of the conversion is written.
struct Style {
    bool symbols = false, adjective = false, american = false, units = true, degrees = false;
    bool powers = false;  // of ten as numbers: 6.5×10^6 km², else as words: 6.5 million km²
};

class Conversion {
  public:
    Conversion(const TemplateCall& call, const TemplateTable& table, bool symbols)
        : call_(call), table_(table) {
        read_style(symbols);
    }

    bool render(std::string& out) {
        if (!read()) return false;
        const std::string author = author_text();
        std::string computed = table_.computes_conversions() ? computed_text() : std::string();
        const std::string disp = option("disp");
        const bool output_only = disp == "out" || disp == "output only" || disp == "output";
        const bool number_only = disp == "number" || disp == "output number only" || disp == "num";
        if (disp == "unit" || disp == "unit2")
            return append_unit(unit_, unit_code_, false, input_, out), true;
        if (computed.empty()) out.append(author);
        else if (output_only || number_only) out.append(computed);
        else append_both(author, computed, disp, out);
        return true;
    }

  private:
    void read_style(bool symbols) {
        const std::string abbreviation = option("abbr"), adjective = option("adj");
        const bool english = table_.language() == "en" || table_.inherits("en");
        const bool us = option("sp") == "us";
        const std::string disp = option("disp");
        const bool names = abbreviation == "off" || abbreviation == "none";
        const bool both = !names && (symbols || abbreviation == "on" || abbreviation == "unit");
        const bool named_output = disp == "or" || disp == "slash" || disp == "/";
        input_ = {both || abbreviation == "in" || !english, false, us, abbreviation != "values",
                  names};
        output_ = {!english || (!names && abbreviation != "in" && (both || !named_output)), false,
                   us, abbreviation != "values", names};
        flip_ = option("order") == "flip" || disp == "flip";
        input_.powers = input_.symbols && (abbreviation != "unit" || !english);
        output_.powers = output_.symbols && (abbreviation != "unit" || !english);
        if (flip_) std::swap(input_, output_);
        (flip_ ? output_ : input_).adjective = adjective == "on" || adjective == "mid" ||
                                               adjective == "1";
        before_ = adjective == "pre";
    }

    /// Reads the positional arguments: numbers, ranges, units, what to convert to, precision.
    bool read() {
        const std::size_t count = std::min<std::size_t>(call_.positional(), 2 * kMostParts);
        std::size_t i = 1;
        for (bool more = true; more && i <= count; ++i) {
            add_numbers(argument(i), i);
            const Range* range = find_range(argument(i + 1));
            more = range != nullptr && numbers_.size() < kMostParts;
            if (more) between_.push_back(range), ++i;
        }
        if (numbers_.empty()) return false;
        unit_code_ = argument(i++);
        if (unit_code_.empty()) return true;
        unit_ = unit(unit_code_);
        while (i + 1 <= count && unit_ != nullptr && numbers_.size() == parts_.size() + 1) {
            const Measure more = quantity(argument(i));
            const Unit* small = unit(argument(i + 1));
            if (!more.valid || small == nullptr || !unit_->converts_to(*small) ||
                small->scale >= unit_->scale)
                break;
            parts_.push_back(unit_);
            numbers_.push_back(more);
            unit_ = small;
            unit_code_ = argument(i + 1);
            i += 2;
        }
        read_target(i, count);
        return true;
    }

    /// What to convert to, the precision and the words of adj=mid, in any order.
    void read_target(std::size_t i, std::size_t count) {
        const std::string adjective = option("adj");
        for (; i <= count; ++i) {
            const std::string value = argument(i);
            const Measure number = quantity(value);
            if (value.empty()) continue;
            if (number.valid && number.value == std::floor(number.value) &&
                std::abs(number.value) < 10) {
                precision_ = static_cast<int>(number.value);
            } else if (targets_.empty() && find_targets(value)) {
                continue;
            } else if (adjective == "mid" || adjective == "pre") {
                words_ = trim(call_.at(i));
            }
        }
        if (targets_.empty() && unit_ != nullptr) find_targets(unit_->into);
        if (precision_ == kNoPrecision)
            for (const char* name : {"precision", "prec"})
                if (const Measure n = quantity(option(name)); n.valid)
                    precision_ = static_cast<int>(n.value);
    }

    bool find_targets(const std::string& codes) {
        for (const Joined& joined : kJoined)
            if (joined.codes == codes) {
                targets_.push_back({unit(std::string(joined.first)),
                                    unit(std::string(joined.second))});
                return true;
            }
        if (const Unit* whole = unit(codes); whole != nullptr) {
            targets_.push_back({whole, nullptr});
            return true;
        }
        std::vector<Target> found;
        for (std::size_t at = 0; at < codes.size();) {
            const std::size_t end = std::min(codes.find_first_of(" +", at), codes.size());
            const Unit* one = unit(codes.substr(at, end - at));
            at = end + 1;
            if (one == nullptr || found.size() > 4) return false;
            found.push_back({one, nullptr});
        }
        targets_ = found;
        return !found.empty();
    }

    /// One argument with a number, or two with a range between them: "10-20", "10 to 20".
    void add_numbers(const std::string& value, std::size_t position) {
        Measure whole = quantity(value);
        if (!whole.valid) {
            for (const Range& range : kRanges) {
                const std::size_t at = range.code == "," || range.code == "a" || range.code == "+"
                                           ? kNone
                                           : value.find(range.code, 1);
                if (at == kNone) continue;
                Measure first = quantity(trim(std::string_view(value).substr(0, at)));
                Measure second =
                    quantity(trim(std::string_view(value).substr(at + range.code.size())));
                if (!first.valid || !second.valid) continue;
                numbers_.push_back(first);
                numbers_.push_back(second);
                between_.push_back(&range);
                return;
            }
            if (value.empty()) return;
            // Not a number: the author's words are better than none.
            whole.text = trim(call_.at(position));
        }
        numbers_.push_back(std::move(whole));
    }

    /// A unit of the table, or a power of ten of one: "e6km2".
    const Unit* unit(const std::string& code) {
        if (const Unit* known = table_.unit(code); known != nullptr) return known;
        const Power* power = std::find_if(std::begin(kPowers), std::end(kPowers),
                                          [&](const Power& p) { return code.starts_with(p.code); });
        if (power == std::end(kPowers)) return nullptr;
        const Unit* base = table_.unit(code.substr(power->code.size()));
        if (base == nullptr || base->kind.ends_with("temperature")) return nullptr;
        Unit& scaled = scaled_.emplace_back(*base);
        scaled.exponent = power->exponent;
        scaled.scale *= std::pow(10.0, power->exponent);
        scaled.into.clear();
        each_part(base->into, ' ', [&](std::string_view into) {
            if (into.empty()) return;
            scaled.into.append(scaled.into.empty() ? "" : " ").append(power->code).append(into);
        });
        return &scaled;
    }

    std::string argument(std::size_t i) const { return plain(call_.at(i)); }
    std::string option(std::string_view name) const { return plain(call_.get(name)); }

    Measure quantity(std::string_view written) const {
        const std::string comma = option("comma");
        const std::string* group = table_.word("number", "group");
        const std::string* decimal = table_.word("number", "decimal");
        const std::string* least = table_.word("number", "least digits");
        const bool few = (least == nullptr || *least != "5") && comma != "5" && comma != "gaps5";
        const std::string_view separator = comma == "off"              ? ""
                                           : comma.starts_with("gaps") ? "\u202F"
                                           : group == nullptr          ? ""
                                                                       : std::string_view(*group);
        return parse_measure(written, separator,
                             decimal == nullptr ? "." : std::string_view(*decimal), few);
    }

    void append_unit(const Unit* unit, std::string_view code, bool one, const Style& style,
                     std::string& out) const {
        if (!style.units) return;
        if (unit == nullptr) {
            if (!code.empty()) out.append(" ").append(code);
            return;
        }
        const bool degrees = unit->kind.ends_with("temperature") && !style.degrees;
        const bool hyphen = style.adjective && !style.symbols;
        if (unit->exponent > 0) {
            one = false;
            if (style.powers) out.append("\u00D710^").append(std::to_string(unit->exponent));
            else out.append(hyphen ? "-" : " ").append(power_name(unit->exponent));
        }
        if ((style.symbols && !unit->symbol.empty()) || degrees || unit->symbol == "\u00B0") {
            const bool tight = unit->symbol.starts_with('/') || unit->symbol == "\u00B0";
            out.append(tight ? "" : " ").append(unit->symbol);
            return;
        }
        std::string name = one || hyphen ? unit->one : unit->many;
        if (hyphen) std::replace(name.begin(), name.end(), ' ', '-');
        out.append(hyphen ? "-" : " ").append(style.american ? american(std::move(name)) : name);
    }

    static bool is_one(const Measure& q) {
        return q.digits == "1" || (q.denominator > 0 && std::abs(q.value) < 1);
    }

    std::string author_text() const {
        std::string text;
        const bool names = !input_.symbols &&
                           !(unit_ != nullptr && unit_->kind.ends_with("temperature"));
        for (std::size_t i = 0; i < numbers_.size(); ++i) {
            const Measure& number = numbers_[i];
            text.append(number.text);
            if (i < parts_.size()) {
                append_unit(parts_[i], {}, is_one(number), input_, text);
                text.append(input_.adjective && names ? "-" : " ");
            } else if (i < between_.size()) {
                if (between_[i]->repeat && !names)
                    append_unit(unit_, unit_code_, false, input_, text);
                std::string joint(names ? between_[i]->name_text : between_[i]->symbol_text);
                if (input_.adjective && names && joint.front() == ' ' && is_alpha(joint[1]))
                    std::replace(joint.begin(), joint.end(), ' ', '-');
                text.append(joint);
            }
        }
        if (before_ && !words_.empty()) text.append(" ").append(words_);
        append_unit(unit_, unit_code_,
                    numbers_.size() == parts_.size() + 1 && is_one(numbers_.back()), input_, text);
        if (!before_ && !words_.empty())
            text.append(words_.front() == '-' ? "" : " ").append(words_);
        return text;
    }

    struct Target {
        const Unit* unit;
        const Unit* small;  // null, or the second of two: in of "ft in"
    };

    std::string computed_text() {
        std::string text;
        if (unit_ == nullptr || unit_->scale == 0 || !option("frac").empty()) return text;
        for (const Measure& number : numbers_)
            if (!number.valid) return text;
        const std::string disp = option("disp");
        for (const Target& target : targets_) {
            if (target.unit == nullptr || !unit_->converts_to(*target.unit)) continue;
            std::string one = target_text(target, disp.find("num") != kNone);
            if (one.empty()) return {};
            text.append(text.empty() ? "" : "; ").append(one);
        }
        return text;
    }

    /// All numbers in one unit.
    std::string target_text(const Target& target, bool number_only) const {
        const Unit& unit = target.small != nullptr ? *target.small : *target.unit;
        std::vector<double> values, inputs;
        if (parts_.empty()) {
            for (const Measure& number : numbers_) inputs.push_back(number.value);
        } else {
            double sum = 0;
            for (std::size_t i = 0; i < numbers_.size(); ++i)
                sum += (i < parts_.size() ? parts_[i]->scale / unit_->scale : 1) *
                       numbers_[i].value;
            inputs.push_back(sum);
        }
        std::vector<int> precisions;
        for (std::size_t i = 0; i < inputs.size(); ++i) {
            values.push_back(unit_->in(unit, inputs[i]));
            precisions.push_back(precision_of(numbers_[parts_.empty() ? i : numbers_.size() - 1],
                                              inputs[i], values[i], unit));
        }
        if (option("round") != "each")
            std::fill(precisions.begin(), precisions.end(),
                      *std::max_element(precisions.begin(), precisions.end()));
        std::string text;
        for (std::size_t i = 0; i < values.size(); ++i) {
            const std::string number = target.small != nullptr
                                           ? two_units(values[i], precisions[i], target)
                                           : number_text(values[i], precisions[i]);
            if (number.empty()) return {};
            text.append(number);
            const bool last = i + 1 == values.size();
            const bool names = !output_.symbols && unit.kind != "temperature";
            const bool repeat = !last && between_[i]->repeat && !names;
            if (target.small == nullptr && !number_only && (last || repeat))
                append_unit(&unit, {}, values.size() == 1 && number == "1", output_, text);
            if (!last) text.append(names ? between_[i]->name_text : between_[i]->symbol_text);
        }
        return text;
    }

    int precision_of(const Measure& number, double input, double value, const Unit& unit) const {
        if (precision_ != kNoPrecision) return precision_;
        if (const Measure digits = quantity(option("sigfig")); digits.valid && value != 0)
            return static_cast<int>(digits.value) - 1 -
                   static_cast<int>(std::floor(std::log10(std::abs(value)) + 1e-14));
        return default_precision(number, input, value, *unit_, unit, !parts_.empty());
    }

    std::string number_text(double value, int precision) const {
        const Measure step = quantity(option("round"));
        if (std::abs(value) >= 1e10) return {};
        if (step.valid && step.value > 0 && precision_ == kNoPrecision) {
            value = std::floor(std::abs(value) / step.value + 0.5) * step.value *
                    (value < 0 ? -1 : 1);
            precision = step.value < 1 ? 1 : 0;
        }
        const std::string digits = fixed_digits(value, precision);
        if (digits.empty()) return {};
        const bool minus = value < 0 && digits.find_first_not_of("0.") != kNone;
        return (minus ? "\u2212" : "") + quantity(digits).text;
    }

    /// 5 ft 11 in; `value` is in the smaller unit.
    std::string two_units(double value, int precision, const Target& target) const {
        const double ratio = std::round(target.unit->scale / target.small->scale);
        precision = std::max(precision, 0);
        const double step = std::pow(10.0, precision);
        const double rounded = std::floor(std::abs(value) * step + 0.5) / step;
        const double large = std::floor(rounded / ratio + 1e-9);
        std::string text(value < 0 ? "\u2212" : "");
        text.append(number_text(large, 0));
        append_unit(target.unit, {}, large == 1, output_, text);
        const std::string rest = number_text(std::abs(rounded - large * ratio), precision);
        if (rest.empty()) return {};
        text.append(" ").append(rest);
        append_unit(target.small, {}, rest == "1", output_, text);
        return text;
    }

    void append_both(std::string_view author, std::string_view computed, const std::string& disp,
                     std::string& out) const {
        if (flip_) std::swap(author, computed);
        std::string_view open = " (", close = ")";
        if (disp == "or") open = " or ", close = "";
        else if (disp == "comma") open = ", ", close = "";
        else if (disp == "semicolon") open = "; ", close = "";
        else if (disp == "slash") open = " / ", close = "";
        else if (disp == "/") open = "/", close = "";
        else if (disp.starts_with("sqbr")) open = " \x01[", close = "\x01]";
        out.append(author).append(open).append(computed).append(close);
    }

    static constexpr int kNoPrecision = 1000;
    const TemplateCall& call_;
    const TemplateTable& table_;
    Style input_, output_;
    bool before_ = false, flip_ = false;
    std::vector<Measure> numbers_;
    std::vector<const Range*> between_;  // numbers_[i] and numbers_[i + 1]
    std::vector<const Unit*> parts_;     // of 5|ft|6|in: ft; unit_ is the last
    const Unit* unit_ = nullptr;
    std::string unit_code_, words_;
    std::vector<Target> targets_;
    std::deque<Unit> scaled_;  // what unit() made
    int precision_ = kNoPrecision;
};

}  // namespace

void render_convert(const TemplateCall& call, const TemplateTable& table, bool symbols,
                    std::string& out) {
    std::string text;
    if (Conversion(call, table, symbols).render(text)) out.append(text);
}

}  // namespace corpuskit
