// Numbers with units: parsing, rounding, writing. See units.hpp.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>

#include "engine/text/ascii.hpp"
#include "engine/wikitext/templates/functions.hpp"
#include "engine/wikitext/templates/units.hpp"

namespace corpuskit {

namespace {

constexpr double kFudge = 1e-14;  // keeps exact powers of ten from falling below themselves

int floor_log10(double x) { return static_cast<int>(std::floor(std::log10(x) + kFudge)); }

bool all_digits(std::string_view s) {
    return !s.empty() && std::all_of(s.begin(), s.end(), is_digit);
}

/// Thousands apart: 1300.5 -> 1,300.5
std::string group_digits(std::string_view digits, std::string_view group, std::string_view decimal,
                         bool few) {
    const std::size_t point = find_or_end(digits, '.');
    std::string text;
    put_grouped(digits.substr(0, point), few || point > 4 ? group : "", false, text);
    if (point < digits.size()) text.append(decimal).append(digits.substr(point + 1));
    return text;
}

/// "1/2", "3+1/2", "5//8"
bool parse_fraction(std::string_view s, Measure& q) {
    const std::size_t plus = s.find('+');
    const std::string_view whole = plus == kNone ? std::string_view()
                                                                  : s.substr(0, plus);
    std::string_view rest = plus == kNone ? s : s.substr(plus + 1);
    const std::size_t slash = rest.find_first_of("/");
    if (slash == kNone) return false;
    const std::string_view top = rest.substr(0, slash);
    std::string_view bottom = rest.substr(slash + 1);
    if (bottom.starts_with('/')) bottom.remove_prefix(1);
    if (!all_digits(top) || !all_digits(bottom) ||
        (plus != kNone && !all_digits(whole)))
        return false;
    if (top.size() > 6 || bottom.size() > 6 || whole.size() > 9) return false;
    q.denominator = static_cast<int>(parse_decimal(bottom));
    if (q.denominator == 0) return false;
    q.value = (whole.empty() ? 0 : parse_decimal(whole)) + parse_decimal(top) / q.denominator;
    q.text.append(whole).append(whole.empty() ? "" : " ").append(top).append("/").append(bottom);
    return true;
}

}  // namespace

double parse_decimal(std::string_view s) {
    if (const std::size_t slash = s.find('/'); slash != kNone) {
        const double bottom = parse_decimal(s.substr(slash + 1));
        return bottom == 0 ? 0 : parse_decimal(s.substr(0, slash)) / bottom;
    }
    const bool negative = s.starts_with('-');
    if (negative) s.remove_prefix(1);
    double mantissa = 0;
    int decimals = 0;
    bool point = false;
    for (char c : s) {
        if (c == '.' && !point) point = true;
        else if (!is_digit(c)) return 0;
        else mantissa = mantissa * 10 + (c - '0'), decimals += point ? 1 : 0;
    }
    const double value = decimals == 0 ? mantissa : mantissa / std::pow(10.0, decimals);
    return negative ? -value : value;
}

Measure parse_measure(std::string_view written, std::string_view group, std::string_view decimal,
                      bool few_grouped) {
    Measure q;
    bool negative = false;
    if (written.starts_with('-') || written.starts_with('+')) {
        negative = written[0] == '-';
        written.remove_prefix(1);
    } else if (written.starts_with("\u2212")) {
        negative = true;
        written.remove_prefix(3);
    }
    if (written.size() > 40) return q;
    if (negative) q.text = "\u2212";
    if (parse_fraction(written, q)) {
        q.digits = std::string(written);
        q.valid = true;
    } else {
        std::string_view exponent;
        if (const std::size_t e = written.find_first_of("eE"); e != kNone) {
            exponent = written.substr(e + 1);
            written = written.substr(0, e);
        }
        for (std::size_t i = 0; i < written.size(); ++i) {
            const char c = written[i];
            // A comma stands between thousands; one elsewhere makes it no number.
            if (c == ',' && i > 0 && i + 3 < written.size() + 1 &&
                all_digits(written.substr(i + 1, 3)))
                continue;
            if (!is_digit(c) && (c != '.' || q.digits.find('.') != kNone)) return q;
            q.digits.push_back(c);
        }
        if (q.digits.empty() || q.digits == ".") return q;
        if (q.digits.starts_with('.')) q.digits.insert(0, "0");
        const bool power = exponent.starts_with('-');
        if (power || exponent.starts_with('+')) exponent.remove_prefix(1);
        if (!exponent.empty() && (!all_digits(exponent) || exponent.size() > 2)) return q;
        q.value = parse_decimal(q.digits);
        q.text.append(group_digits(q.digits, group, decimal, few_grouped));
        if (!exponent.empty()) {
            const int e = static_cast<int>(parse_decimal(exponent)) * (power ? -1 : 1);
            q.value *= std::pow(10.0, e);
            q.text.append("\u00D710^").append(power ? "\u2212" : "").append(exponent);
            q.digits.append("e").append(std::to_string(e));
        }
        q.valid = true;
    }
    if (negative) q.value = -q.value;
    return q;
}

int default_precision(const Measure& input, double value, double result, const Unit& from,
                      const Unit& to, bool subunits) {
    double precision = 0;
    if (input.denominator > 0) {
        precision = std::max(std::log10(static_cast<double>(input.denominator)), 1.0);
    } else {
        const std::string_view digits = input.digits;
        const std::size_t e = find_or_end(digits, 'e');
        const std::string_view mantissa = digits.substr(0, e);
        const std::size_t point = mantissa.find('.');
        if (point != kNone) {
            precision = static_cast<double>(mantissa.size() - point - 1);
        } else if (!subunits) {
            const std::size_t last = mantissa.find_last_not_of('0');
            precision = -static_cast<double>(mantissa.size() -
                                             (last == kNone ? 0 : last + 1));
        }
        if (e < digits.size()) precision -= parse_decimal(digits.substr(e + 1));
    }
    double adjust = 0;
    int least = 0;
    if (from.kind == "temperature") {
        const double kelvin = std::abs((value - from.offset) * from.scale);
        least = kelvin < 1e-8 ? 2 : 2 - floor_log10(kelvin);
    } else {
        const double size = std::abs(result);
        if (value == 0 || size == 0) return 0;
        // Whole numbers keep their last place in feet and pounds, however many these are. Behind
        // feet, a step of an inch is a step of 2.54 cm whatever the height.
        const bool whole = std::floor(value) == value && (to.symbol == "ft" || to.symbol == "lb");
        if (whole && to.exponent == 0) adjust = -std::log10(from.scale);
        else if (subunits && from.symbol == "in") adjust = std::log10(to.scale) + 2;
        else adjust = std::log10(std::abs(value) / size);
        least = 1 - floor_log10(size);
    }
    return std::max(static_cast<int>(std::floor(precision + adjust + std::log10(2.0))), least);
}

Fraction nearest_fraction(double value, double parts) {
    parts = std::abs(parts);
    // Below 2^53 a double holds each whole number.
    if (!(parts >= 2 && parts <= 1000) || std::abs(value) * parts > 9e15) return {};
    const auto of = static_cast<long long>(parts);
    const double counted = std::floor(std::abs(value) * static_cast<double>(of) + 0.5);
    const auto total = static_cast<long long>(counted);
    const long long divisor = std::gcd(total % of, of);
    return {total / of, total % of / divisor, of / divisor};
}

std::string fixed_digits(double value, int precision) {
    const double scaled = std::floor(std::abs(value) * std::pow(10.0, precision) + 0.5 + kFudge);
    // Below 2^53 a double holds each whole number.
    if (!(scaled < 1e15) || precision > 12) return {};
    std::string digits = std::to_string(static_cast<std::uint64_t>(scaled));
    if (precision < 0) {
        if (digits != "0") digits.append(static_cast<std::size_t>(-precision), '0');
        return digits.size() > 15 ? std::string() : digits;
    }
    const auto decimals = static_cast<std::size_t>(precision);
    if (digits.size() <= decimals) digits.insert(0, decimals + 1 - digits.size(), '0');
    if (decimals > 0) digits.insert(digits.size() - decimals, ".");
    return digits;
}

}  // namespace corpuskit
