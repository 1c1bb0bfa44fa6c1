// A call of {{convert}} as it is read: numbers, ranges, units, what to convert to, and how to
// write it.
#pragma once

#include <algorithm>
#include <cmath>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "engine/wikitext/marks.hpp"
#include "engine/wikitext/templates/convert/words.hpp"
#include "engine/wikitext/templates/templates.hpp"

namespace corpuskit {

constexpr std::size_t kMostParts = 12;  // numbers in one call

/// How one side of the conversion is written.
struct Style {
    bool symbols = false, adjective = false, american = false, units = true, degrees = false;
    bool powers = false;  // of ten as numbers: 6.5×10^6 km², else as words: 6.5 million km²
};

class ConvertCall {
  public:
    ConvertCall(const TemplateCall& call, const TemplateTable& table, bool symbols)
        : call_(call), table_(table) {
        read_style(symbols);
    }

  protected:
    void read_style(bool symbols) {
        const std::string abbreviation = option("abbr"), adjective = option("adj");
        const bool english = table_.language() == "en" || table_.inherits("en");
        const bool us = option("sp") == "us";
        const std::string disp = option("disp");
        const bool names = abbreviation == "off" || abbreviation == "none";
        const bool both = !names && (symbols || abbreviation == "on" || abbreviation == "unit");
        spelled_ = english ? option("spell") : std::string();
        const bool spelled_output = spelled_ == "on" || spelled_ == "On";
        const bool named_output = disp == "or" || disp == "/" || disp.starts_with("br") ||
                                  (spelled_output && abbreviation.empty());
        abbreviated_ = abbreviation == "on";
        input_ = {both || abbreviation == "in" || !english, false, us, abbreviation != "values",
                  names};
        output_ = {!english || (!names && abbreviation != "in" && (both || !named_output)), false,
                   us, abbreviation != "values", names};
        const std::string order = option("order");
        flip_ = order == "flip" || disp == "flip";
        out_of_order_ = order == "out";
        input_.powers = input_.symbols && (abbreviation != "unit" || !english);
        output_.powers = output_.symbols && (abbreviation != "unit" || !english);
        if (flip_) std::swap(input_, output_);
        adjective_ = adjective == "on" || adjective == "mid" || adjective == "1";
        input_.adjective = output_.adjective = adjective_;
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
        if (const std::string round = option("adj"); round.starts_with("ri") && round.size() == 3)
            round_input(round[2] - '0');
        return true;
    }

    /// adj=ri1: the author's numbers are shown rounded, and converted as they are.
    void round_input(int decimals) {
        if (decimals < 0 || decimals > 9) return;
        for (Measure& number : numbers_)
            if (number.valid && number.denominator == 0)
                if (const std::string digits = fixed_digits(number.value, decimals);
                    !digits.empty())
                    number.text = (number.value < 0 ? "\u2212" : "") + quantity(digits).text;
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
            } else if (option("disp") == "x" && joins_.size() < 2) {
                joins_.emplace_back(call_.at(i));
            } else if (adjective == "mid" || adjective == "pre") {
                words_ = trim(call_.at(i));
            }
        }
        if (targets_.empty() && unit_ != nullptr) find_targets(default_target());
        if (precision_ == kNoPrecision)
            for (const char* name : {"precision", "prec"})
                if (const Measure n = quantity(option(name)); n.valid && std::abs(n.value) < 100)
                    precision_ = static_cast<int>(n.value);
    }

    /// What a unit is converted into when the call does not say.
    std::string default_target() const {
        if (!parts_.empty()) {
            const std::string_view small = parts_.size() > 1 ? parts_[1]->one : unit_->one;
            for (const Composed& composed : kComposed)
                if (composed.large == parts_[0]->one && composed.small == small)
                    return std::string(composed.into);
            return parts_[0]->into;
        }
        // What is not taller than a room is told in feet and inches.
        const double value = numbers_[0].value;
        if (unit_->symbol == "m" && unit_->exponent == 0 && value > 0 && value < 3) return "ftin";
        return unit_->into;
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
        if (base->one == "acre") scaled.into = "km2";
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

    struct Target {
        const Unit* unit;
        const Unit* small;  // null, or the second of two: in of "ft in"
    };

    static constexpr int kNoPrecision = 1000;
    const TemplateCall& call_;
    const TemplateTable& table_;
    Style input_, output_;
    bool before_ = false, flip_ = false, adjective_ = false, abbreviated_ = false;
    bool out_of_order_ = false;  // order=out: the first target stands in the author's place
    std::vector<Measure> numbers_;
    std::vector<const Range*> between_;  // numbers_[i] and numbers_[i + 1]
    std::vector<const Unit*> parts_;     // of 5|ft|6|in: ft; unit_ is the last
    const Unit* unit_ = nullptr;
    std::string unit_code_, words_, spelled_;
    std::vector<std::string> joins_;  // of disp=x: what stands before and behind what is converted
    std::vector<Target> targets_;
    std::deque<Unit> scaled_;  // what unit() made
    int precision_ = kNoPrecision;
};

}  // namespace corpuskit
