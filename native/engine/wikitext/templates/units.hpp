// Units of measurement and the arithmetic of {{convert}}. The units are data:
// corpuskit/sources/wikipedia/units.tsv.
#pragma once

#include <string>
#include <string_view>

namespace corpuskit {

struct Unit {
    std::string symbol, one, many, kind;  // the symbol is empty when the name stands for it
    std::string into;                     // codes of the units it is converted into by default
    double scale = 0;                     // in the base unit of its kind; 0: it is not converted
    double offset = 0;                    // temperatures: the value at absolute zero
    int exponent = 0;                     // 6: millions of what the names say

    bool converts_to(const Unit& other) const {
        return scale > 0 && other.scale > 0 && kind == other.kind;
    }
    double in(const Unit& other, double value) const {
        return (value - offset) * (scale / other.scale) + other.offset;
    }
};

/// A number as its author typed it.
struct Measure {
    std::string text;     // as it is shown: 1,300  1 1/2  -5 with a minus
    std::string digits;   // without separators: 1300
    double value = 0;
    int denominator = 0;  // of a fraction, else 0
    bool valid = false;
};
/// "1,300", "-5", "1.5e6", "1/2", "1+1/2", "5//8". Invalid for anything else.
Measure parse_measure(std::string_view written, std::string_view group, std::string_view decimal,
                      bool few_grouped);

/// Decimals (negative: places before the point) to which a converted number is rounded when its
/// author does not say: as precise as the input, with at least two significant digits. After the
/// rule that the manual of {{convert}} on the English Wikipedia describes.
int default_precision(const Measure& input, double value, double result, const Unit& from,
                      const Unit& to, bool subunits);

/// Digits of |value| rounded to `precision`, half away from zero, without grouping; empty beyond 15
/// digits.
std::string fixed_digits(double value, int precision);

/// |value| as the nearest whole number of parts (9 and 3 of 8) in lowest terms; 0 parts when there
/// are fewer than 2 or more than 1000.
struct Fraction {
    long long whole = 0, count = 0, parts = 0;
};
Fraction nearest_fraction(double value, double parts);

/// "0.3048", "5/18"; 0 when it is no number.
double parse_decimal(std::string_view s);

}  // namespace corpuskit
