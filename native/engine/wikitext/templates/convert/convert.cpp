// {{convert|1300|mi|km}} -> 1,300 miles (2,100 km): the author's numbers and unit, and what the
// template computes.
#include <algorithm>
#include <cmath>
#include <deque>
#include <vector>

#include "engine/wikitext/marks.hpp"
#include "engine/wikitext/templates/convert/call.hpp"
#include "engine/wikitext/templates/convert/spell.hpp"
#include "engine/wikitext/templates/templates.hpp"

namespace corpuskit {

namespace {

class Conversion : ConvertCall {
  public:
    using ConvertCall::ConvertCall;

    bool render(std::string& out) {
        if (!read()) return false;
        const std::string disp = option("disp");
        std::string author, computed;
        author = author_text();
        if (table_.computes_conversions()) computed = computed_text();
        if (out_of_order_ && !first_.empty()) author = first_;
        const bool output_only = disp == "out" || disp == "output only" || disp == "output";
        const bool number_only = disp == "number" || disp == "output number only" || disp == "num";
        if (disp == "unit" || disp == "unit2") return append_unit_alone(disp == "unit2", out), true;
        if (computed.empty() || (out_of_order_ && targets_.size() == 1)) out.append(author);
        else if (output_only || number_only) out.append(computed);
        else append_both(author, computed, disp, out);
        return true;
    }

  private:
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
            out.append(tight ? "" : " ");
            out.append(style.american && unit->symbol.starts_with("US ") ? american(unit->symbol)
                                                                          : unit->symbol);
            return;
        }
        std::string name = one || hyphen ? unit->one : unit->many;
        if (hyphen) std::replace(name.begin(), name.end(), ' ', '-');
        out.append(hyphen ? "-" : " ").append(style.american ? american(std::move(name)) : name);
    }

    /// disp=unit and disp=unit2: the name of a unit without a number.
    void append_unit_alone(bool second, std::string& out) const {
        std::string text;
        if (second && !targets_.empty() && targets_[0].small == nullptr)
            append_unit(targets_[0].unit, {}, false, output_, text);
        else append_unit(unit_, unit_code_, false, input_, text);
        out.append(trim(text));
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
            text.append(spelled_input(number, i == 0));
            if (i < parts_.size()) {
                append_unit(parts_[i], {}, is_one(number), input_, text);
                text.append(input_.adjective && names ? "-" : " ");
            } else if (i < between_.size()) {
                if (between_[i]->repeat && !names)
                    append_unit(unit_, unit_code_, false, input_, text);
                text.append(joint(*between_[i], names));
            }
        }
        if (before_ && !words_.empty())
            text.append(words_.front() == '+' || words_.front() == '-' ? "" : " ").append(words_);
        std::string last;
        append_unit(unit_, unit_code_,
                    numbers_.size() == parts_.size() + 1 && is_one(numbers_.back()), input_, last);
        // A long ton has hundredweights that need not be called long.
        if (const std::size_t at = last.find("long hundredweight"); !parts_.empty() && at != kNone)
            last.erase(at, 5);
        text.append(last);
        if (!before_ && !words_.empty())
            text.append(words_.front() == '-' ? "" : " ").append(words_);
        return text;
    }

    /// What stands between two numbers; hyphens where the whole is an adjective.
    std::string joint(const Range& range, bool names) const {
        std::string text(names ? range.name_text : range.symbol_text);
        const bool hyphens = adjective_ && (names || (abbreviated_ && range.code == "to"));
        if (hyphens && text.front() == ' ' && is_alpha(text[1]))
            std::replace(text.begin(), text.end(), ' ', '-');
        return text;
    }

    /// The author's number, in words where spell= wants that.
    std::string spelled_input(const Measure& number, bool first) const {
        if (spelled_.empty() || flip_ || !number.valid) return number.text;
        const std::string words = spell_number(number.digits, number.value < 0, input_.american);
        if (words.empty()) return number.text;
        const bool capital = first && (spelled_ == "In" || spelled_ == "On");
        return capital ? upper_first(words) : words;
    }

    std::string computed_text() {
        std::string text;
        if (unit_ == nullptr) return text;
        for (const Measure& number : numbers_)
            if (!number.valid) return text;
        if (unit_->one == "hand") measure_hands();
        if (unit_->scale == 0) return text;
        const bool number_only = option("disp").find("num") != kNone;
        for (std::size_t i = 0; i < targets_.size(); ++i) {
            const Target& target = targets_[i];
            if (target.unit == nullptr || !unit_->converts_to(*target.unit)) continue;
            const bool first = out_of_order_ && i == 0;
            const bool inches = hands_ && option("abbr").empty() && target.unit->symbol == "in";
            Style style = first ? input_ : output_;
            style.symbols = style.symbols && !inches;
            std::string one = target_text(target, number_only, style);
            if (one.empty()) return {};
            if (first) first_ = one;
            else text.append(text.empty() ? "" : "; ").append(one);
        }
        return text.empty() ? first_ : text;
    }

    /// Horses are measured in hands of four inches, whose decimal is inches: 15.2 hands are 62.
    void measure_hands() {
        hands_ = true;
        for (const Measure& number : numbers_) {
            const double whole = std::floor(std::abs(number.value));
            const double inches = 4 * whole + 10 * (std::abs(number.value) - whole);
            inches_.push_back(std::copysign(inches, number.value));
        }
        if (targets_.empty()) find_targets("in cm");
        if (const Unit* inch = unit("in"); inch != nullptr) unit_ = inch;
    }

    /// All numbers in one unit.
    std::string target_text(const Target& target, bool number_only, const Style& style) const {
        const Unit& unit = target.small != nullptr ? *target.small : *target.unit;
        std::vector<double> values, inputs;
        if (hands_) {
            inputs = inches_;
        } else if (parts_.empty()) {
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
            // 5 ± 2 °C: what stands behind the sign is a difference, which has no zero.
            const bool change = i > 0 && between_[i - 1]->symbol_text == " \u00B1 ";
            values.push_back(change ? inputs[i] * (unit_->scale / unit.scale)
                                    : unit_->in(unit, inputs[i]));
            precisions.push_back(precision_of(numbers_[parts_.empty() ? i : numbers_.size() - 1],
                                              inputs[i], values[i], unit));
        }
        if (option("round") != "each")
            std::fill(precisions.begin(), precisions.end(),
                      *std::max_element(precisions.begin(), precisions.end()));
        std::string text;
        for (std::size_t i = 0; i < values.size(); ++i) {
            const std::string number = target.small != nullptr
                                           ? two_units(values[i], precisions[i], target, style)
                                           : number_text(values[i], precisions[i]);
            if (number.empty()) return {};
            text.append(target.small != nullptr ? number : spelled_output(number, i == 0));
            const bool last = i + 1 == values.size();
            const bool names = !style.symbols && unit.kind != "temperature";
            const bool repeat = !last && between_[i]->repeat && !names;
            if (target.small == nullptr && !number_only && (last || repeat))
                append_unit(&unit, {}, values.size() == 1 && is_one(quantity(number)), style, text);
            else if (!last && target.small == nullptr && unit.exponent > 0 && style.powers)
                text.append("\u00D710^").append(std::to_string(unit.exponent));
            if (last) continue;
            const std::string between = joint(*between_[i], names);
            text.append(target.small != nullptr && between == "\u2013" ? " \u2013 " : between);
        }
        return text;
    }

    /// A converted number, in words where spell=on wants that.
    std::string spelled_output(const std::string& number, bool first) const {
        const bool wanted = flip_ ? !spelled_.empty() : spelled_ == "on" || spelled_ == "On";
        if (!wanted) return number;
        const Measure read = quantity(number);
        std::string words;
        if (read.valid) words = spell_number(read.digits, read.value < 0, output_.american);
        if (words.empty()) return number;
        return first && flip_ && spelled_[0] == 'O' ? upper_first(words) : words;
    }

    int precision_of(const Measure& number, double input, double value, const Unit& unit) const {
        if (precision_ != kNoPrecision) return precision_;
        if (hands_) return 0;
        if (const Measure digits = quantity(option("sigfig"));
            digits.valid && digits.value < 100 && value != 0)
            return static_cast<int>(digits.value) - 1 -
                   static_cast<int>(std::floor(std::log10(std::abs(value)) + 1e-14));
        return default_precision(number, input, value, *unit_, unit, !parts_.empty());
    }

    std::string number_text(double value, int precision) const {
        const Measure step = quantity(option("round"));
        if (std::abs(value) >= 1e10) return {};
        if (const Measure parts = quantity(option("frac")); parts.valid)
            return fraction_text(value, parts.value);
        if (step.valid && step.value > 0 && precision_ == kNoPrecision) {
            value = std::floor(std::abs(value) / step.value + 0.5) * step.value *
                    (value < 0 ? -1 : 1);
            precision = step.value < 1 && value != std::floor(value) ? 1 : 0;
        }
        const std::string digits = fixed_digits(value, precision);
        if (digits.empty()) return {};
        const bool minus = value < 0 && digits.find_first_not_of("0.") != kNone;
        return (minus ? "\u2212" : "") + quantity(digits).text;
    }

    /// frac=8: 9 3/8, the nearest eighth in lowest terms.
    std::string fraction_text(double value, double parts) const {
        const Fraction nearest = nearest_fraction(value, parts);
        if (nearest.parts == 0) return {};
        std::string text(value < 0 && nearest.whole + nearest.count > 0 ? "\u2212" : "");
        if (nearest.whole > 0 || nearest.count == 0)
            text.append(quantity(std::to_string(nearest.whole)).text);
        if (nearest.count == 0) return text;
        if (nearest.whole > 0) text.append(" ");
        text.append(std::to_string(nearest.count)).append("/");
        return text.append(std::to_string(nearest.parts));
    }

    /// 5 ft 11 in; `value` is in the smaller unit.
    std::string two_units(double value, int precision, const Target& target,
                          const Style& style) const {
        const double ratio = std::round(target.unit->scale / target.small->scale);
        const Measure parts = quantity(option("frac"));
        const double step = parts.valid && parts.value > 1 ? parts.value
                                                           : std::pow(10.0, std::max(precision, 0));
        const double rounded = std::floor(std::abs(value) * step + 0.5) / step;
        const double large = std::floor(rounded / ratio + 1e-9);
        std::string text;
        if (large > 0) {
            text.append(value < 0 ? "\u2212" : "").append(quantity(fixed_digits(large, 0)).text);
            append_unit(target.unit, {}, large == 1, style, text);
            text.append(style.adjective && !style.symbols ? "-" : " ");
            value = std::abs(rounded - large * ratio);
            precision = std::max(precision, 0);
        }
        const std::string rest = number_text(value, precision);
        if (rest.empty()) return {};
        append_unit(target.small, {}, rest == "1", style, text.append(rest));
        return text;
    }

    /// What stands between both sides; the blanks around it were lost when the call was read.
    static std::string set_apart(const std::string& join) {
        if (join.empty()) return " ";
        const bool tight = is_any(join.front(), ",;:"), open = is_any(join.back(), "([~/");
        return (tight ? "" : " ") + join + (open ? "" : " ");
    }

    void append_both(std::string_view author, std::string_view computed, const std::string& disp,
                     std::string& out) const {
        if (flip_) std::swap(author, computed);
        std::string_view open = " (", close = ")";
        std::string own_open, own_close;
        if (disp == "x" && !joins_.empty()) {
            own_open = set_apart(joins_[0]);
            own_close = joins_.size() > 1 ? joins_[1] : std::string();
            open = own_open, close = own_close;
        }
        if (disp == "or") open = " or ", close = "";
        else if (disp == "comma") open = ", ", close = "";
        else if (disp == "semicolon") open = "; ", close = "";
        else if (disp == "/") open = "/", close = "";
        else if (disp == "br") open = " ", close = "";
        else if (disp.starts_with("sqbr")) open = " \x01[", close = "\x01]";
        out.append(author).append(open).append(computed).append(close);
    }

    std::string first_;           // of order=out: what stands in place of the author's words
    std::vector<double> inches_;  // of hands, which are counted in inches
    bool hands_ = false;
};

}  // namespace

void render_convert(const TemplateCall& call, const TemplateTable& table, bool symbols,
                    std::string& out) {
    std::string text;
    if (Conversion(call, table, symbols).render(text)) out.append(text);
}

}  // namespace corpuskit
