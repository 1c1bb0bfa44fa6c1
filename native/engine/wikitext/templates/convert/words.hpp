// The words of {{convert}}: ranges, powers of ten, units that are written as two, American names.
#pragma once

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "engine/text/ascii.hpp"

namespace corpuskit {

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

inline std::string_view power_name(int exponent) {
    const auto* found = std::find_if(std::begin(kPowers), std::end(kPowers),
                                     [&](const Power& p) { return p.exponent == exponent; });
    return found == std::end(kPowers) ? std::string_view() : found->name;
}

inline const Range* find_range(std::string_view code) {
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

inline std::string american(std::string name) {
    using Spelling = std::pair<std::string_view, std::string_view>;
    for (const auto& [british, us] : {Spelling{"metre", "meter"}, Spelling{"litre", "liter"}})
        for (std::size_t at = name.find(british); at != kNone;
             at = name.find(british, at))
            name.replace(at, british.size(), us);
    if (name.starts_with("tonne")) name.replace(0, 5, "metric ton");
    if (name.starts_with("US ")) name.replace(0, 2, "U.S.");
    return name;
}

struct Composed {
    std::string_view large, small, into;  // names of units, what both become by default
};
constexpr Composed kComposed[] = {
    {"foot", "inch", "m"},       {"yard", "foot", "m"},   {"chain", "foot", "m"},
    {"chain", "yard", "m"},      {"mile", "foot", "km"},  {"mile", "yard", "km"},
    {"mile", "chain", "km"},     {"mile", "furlong", "km"}, {"stone", "pound", "kg lb"},
    {"pound", "ounce", "kg"},    {"long ton", "long hundredweight", "t"},
    {"long ton", "pound", "t"},
};

}  // namespace corpuskit
