// Numbers with units, and dates: {{convert|1300|mi|km}} -> 1300 miles, {{birth date|1912|6|23}} -> 23 June 1912.
// The number is written as its author typed it; the conversion that the template computes is left out.
#include <algorithm>
#include <array>
#include <iterator>

#include "wikitext_internal.hpp"

namespace corpuskit {

namespace {

struct Unit {
    std::string_view codes;  // separated by '/'
    std::string_view symbol;
    std::string_view one;
    std::string_view many;
};

constexpr Unit kUnits[] = {
    {"km", "km", "kilometre", "kilometres"},
    {"m", "m", "metre", "metres"},
    {"cm", "cm", "centimetre", "centimetres"},
    {"mm", "mm", "millimetre", "millimetres"},
    {"nm", "nm", "nanometre", "nanometres"},
    {"um/\u00B5m/\u03BCm", "\u03BCm", "micrometre", "micrometres"},
    {"mi/mile/miles", "mi", "mile", "miles"},
    {"yd/yards", "yd", "yard", "yards"},
    {"ft/foot/feet", "ft", "foot", "feet"},
    {"in/inch/inches", "in", "inch", "inches"},
    {"nmi", "nmi", "nautical mile", "nautical miles"},
    {"fathom/ftm", "fathom", "fathom", "fathoms"},
    {"furlong", "furlong", "furlong", "furlongs"},
    {"chain", "chain", "chain", "chains"},
    {"hand", "h", "hand", "hands"},
    {"ly", "ly", "light-year", "light-years"},
    {"pc", "pc", "parsec", "parsecs"},
    {"au/AU", "au", "astronomical unit", "astronomical units"},
    {"km2/sqkm", "km\u00B2", "square kilometre", "square kilometres"},
    {"m2/sqm", "m\u00B2", "square metre", "square metres"},
    {"cm2", "cm\u00B2", "square centimetre", "square centimetres"},
    {"mm2", "mm\u00B2", "square millimetre", "square millimetres"},
    {"mi2/sqmi", "sq mi", "square mile", "square miles"},
    {"ft2/sqft/sqfoot", "sq ft", "square foot", "square feet"},
    {"in2/sqin", "sq in", "square inch", "square inches"},
    {"yd2/sqyd", "sq yd", "square yard", "square yards"},
    {"ha/hectare", "ha", "hectare", "hectares"},
    {"acre/acres", "acre", "acre", "acres"},
    {"m3", "m\u00B3", "cubic metre", "cubic metres"},
    {"cm3/cc", "cm\u00B3", "cubic centimetre", "cubic centimetres"},
    {"km3", "km\u00B3", "cubic kilometre", "cubic kilometres"},
    {"ft3/cuft/cufoot", "cu ft", "cubic foot", "cubic feet"},
    {"in3/cuin", "cu in", "cubic inch", "cubic inches"},
    {"yd3/cuyd", "cu yd", "cubic yard", "cubic yards"},
    {"mi3/cumi", "cu mi", "cubic mile", "cubic miles"},
    {"acre.ft/acre feet/acreft/acre ft", "acre\u22C5ft", "acre-foot", "acre-feet"},
    {"L/l/litre", "L", "litre", "litres"},
    {"mL/ml", "mL", "millilitre", "millilitres"},
    {"hL/hl", "hL", "hectolitre", "hectolitres"},
    {"gal/USgal/usgal", "US gal", "US gallon", "US gallons"},
    {"impgal", "imp gal", "imperial gallon", "imperial gallons"},
    {"USqt/qt", "US qt", "US quart", "US quarts"},
    {"pint/USpt/imppt", "pt", "pint", "pints"},
    {"oilbbl/bbl", "bbl", "barrel", "barrels"},
    {"USoz/USfloz/floz/oz fl", "fl oz", "fluid ounce", "fluid ounces"},
    {"bushel/USbsh", "bsh", "bushel", "bushels"},
    {"kg", "kg", "kilogram", "kilograms"},
    {"g", "g", "gram", "grams"},
    {"mg", "mg", "milligram", "milligrams"},
    {"t/tonne/MT", "t", "tonne", "tonnes"},
    {"kt/kilotonne", "kt", "kilotonne", "kilotonnes"},
    {"lb/lbs", "lb", "pound", "pounds"},
    {"oz", "oz", "ounce", "ounces"},
    {"ozt/troy oz", "ozt", "troy ounce", "troy ounces"},
    {"st/stone", "st", "stone", "stone"},
    {"LT/long ton", "long ton", "long ton", "long tons"},
    {"ST/short ton/ton", "short ton", "short ton", "short tons"},
    {"cwt", "cwt", "hundredweight", "hundredweight"},
    {"km/h/kmh/kph", "km/h", "kilometre per hour", "kilometres per hour"},
    {"mph", "mph", "mile per hour", "miles per hour"},
    {"m/s", "m/s", "metre per second", "metres per second"},
    {"km/s", "km/s", "kilometre per second", "kilometres per second"},
    {"ft/s", "ft/s", "foot per second", "feet per second"},
    {"kn/knots/knot", "kn", "knot", "knots"},
    {"hp/bhp/shp", "hp", "horsepower", "horsepower"},
    {"PS", "PS", "metric horsepower", "metric horsepower"},
    {"W", "W", "watt", "watts"},
    {"kW", "kW", "kilowatt", "kilowatts"},
    {"MW", "MW", "megawatt", "megawatts"},
    {"GW", "GW", "gigawatt", "gigawatts"},
    {"J", "J", "joule", "joules"},
    {"kJ", "kJ", "kilojoule", "kilojoules"},
    {"kcal/Cal", "kcal", "kilocalorie", "kilocalories"},
    {"TWh", "TWh", "terawatt-hour", "terawatt-hours"},
    {"GWh", "GWh", "gigawatt-hour", "gigawatt-hours"},
    {"kWh", "kWh", "kilowatt-hour", "kilowatt-hours"},
    {"N", "N", "newton", "newtons"},
    {"kN", "kN", "kilonewton", "kilonewtons"},
    {"lbf", "lbf", "pound-force", "pounds-force"},
    {"Nm/N.m", "N\u22C5m", "newton metre", "newton metres"},
    {"lb.ft/lbft/lb·ft", "lb\u22C5ft", "pound-foot", "pound-feet"},
    {"Pa", "Pa", "pascal", "pascals"},
    {"kPa", "kPa", "kilopascal", "kilopascals"},
    {"MPa", "MPa", "megapascal", "megapascals"},
    {"hPa", "hPa", "hectopascal", "hectopascals"},
    {"bar", "bar", "bar", "bars"},
    {"mbar", "mbar", "millibar", "millibars"},
    {"psi", "psi", "pound per square inch", "pounds per square inch"},
    {"atm", "atm", "standard atmosphere", "standard atmospheres"},
    {"inHg", "inHg", "inch of mercury", "inches of mercury"},
    {"C/°C/oC/degC", "\u00B0C", "\u00B0C", "\u00B0C"},
    {"F/°F/oF/degF", "\u00B0F", "\u00B0F", "\u00B0F"},
    {"K", "K", "K", "K"},
    {"deg/\u00B0", "\u00B0", "degree", "degrees"},
    {"/km2/PD/km2", "/km\u00B2", "per square kilometre", "per square kilometres"},
    {"/sqmi/PD/sqmi", "/sq mi", "inhabitant per square mile", "inhabitants per square mile"},
    {"cuft/s/cu ft/s", "cu ft/s", "cubic foot per second", "cubic feet per second"},
    {"m3/s", "m\u00B3/s", "cubic metre per second", "cubic metres per second"},
    {"L/100 km", "L/100 km", "litre per 100 kilometres", "litres per 100 kilometres"},
    {"mpgus/mpgUS", "mpg", "mile per US gallon", "miles per US gallon"},
    {"kg/m3", "kg/m\u00B3", "kilogram per cubic metre", "kilograms per cubic metre"},
    {"g/cm3", "g/cm\u00B3", "gram per cubic centimetre", "grams per cubic centimetre"},
    {"MB", "MB", "megabyte", "megabytes"},
    {"Hz", "Hz", "hertz", "hertz"},
    {"kHz", "kHz", "kilohertz", "kilohertz"},
    {"MHz", "MHz", "megahertz", "megahertz"},
    {"min", "min", "minute", "minutes"},
    {"h/hr", "h", "hour", "hours"},
};

const Unit* find_unit(std::string_view code) {
    for (const Unit& unit : kUnits) {
        // Codes may hold '/' ("km/h"), so whole fields are compared: the list is searched for the code between bounds.
        for (std::size_t at = unit.codes.find(code); at != std::string_view::npos && !code.empty();
             at = unit.codes.find(code, at + 1)) {
            const bool begins = at == 0 || unit.codes[at - 1] == '/';
            const std::size_t end = at + code.size();
            const bool ends = end == unit.codes.size() || unit.codes[end] == '/';
            if (begins && ends) return &unit;
        }
    }
    return nullptr;
}

struct Range {
    std::string_view code;
    std::string_view text;
};
constexpr Range kRanges[] = {
    {"-", "\u2013"},     {"\u2013", "\u2013"}, {"to", " to "},        {"to(-)", " to "}, {"and", " and "},
    {"and(-)", " and "}, {"&", " & "},         {"or", " or "},        {"x", " x "},      {"by", " by "},
    {"by(x)", " by "},   {"xx", " x "},        {"*", " x "},          {"+/-", " \u00B1 "}, {"\u00B1", " \u00B1 "},
    {"to about", " to about "}, {"\u00D7", " \u00D7 "}, {"and a", " and a "}, {",", ", "}, {"+", "+"},
};

const Range* find_range(std::string_view code) {
    const auto* found = std::find_if(std::begin(kRanges), std::end(kRanges), [&](const Range& r) { return r.code == code; });
    return found == std::end(kRanges) ? nullptr : found;
}

bool is_number(std::string_view s) {
    if (s.empty()) return false;
    if (s.starts_with("\u2212")) s.remove_prefix(3);
    bool digit = false;
    for (char c : s) {
        digit = digit || is_digit(c);
        if (!is_digit(c) && std::string_view("+-.,/e ").find(c) == std::string_view::npos &&
            static_cast<unsigned char>(c) < 0x80)
            return false;
    }
    return digit;
}

/// 5+1/2 -> 5 1/2; 5//8 -> 5/8
std::string number_text(std::string_view s) {
    std::string text;
    for (std::size_t i = 0; i < s.size(); ++i) {
        if (s[i] == '/' && i + 1 < s.size() && s[i + 1] == '/') continue;
        text.push_back(s[i] == '+' && i > 0 ? ' ' : s[i]);
    }
    return text;
}

std::string american(std::string_view name) {
    std::string text(name);
    for (const auto& [british, us] : {std::pair<std::string_view, std::string_view>{"metre", "meter"}, {"litre", "liter"}})
        for (std::size_t at = text.find(british); at != std::string::npos; at = text.find(british, at))
            text.replace(at, british.size(), us);
    return text;
}

struct Style {
    bool symbols, adjective, american;
};

void append_unit(const Unit* unit, std::string_view code, std::string_view number, Style style, std::string& out) {
    const bool angle = code == "deg" || code == "\u00B0";
    if (unit == nullptr) {
        out.append(" ").append(code);
        return;
    }
    if (style.symbols || unit->many == unit->symbol) {
        if (!angle && !unit->symbol.starts_with('/')) out.append(" ");
        out.append(unit->symbol);
        return;
    }
    const bool one = style.adjective || number == "1" || number == "-1" || (number.find('/') != std::string_view::npos && number.find(' ') == std::string_view::npos);
    const std::string name = style.american ? american(one ? unit->one : unit->many) : std::string(one ? unit->one : unit->many);
    out.append(style.adjective ? "-" : " ").append(name);
}

}  // namespace

void render_convert(const TemplateCall& call, bool symbols, std::string& out) {
    const std::string abbreviation = plain(call.get("abbr")), adjective = plain(call.get("adj"));
    const std::string spelling = plain(call.get("sp"));
    if (abbreviation == "off" || abbreviation == "none") symbols = false;
    else if (abbreviation == "on" || abbreviation == "in" || abbreviation == "values") symbols = true;
    const Style style{symbols, adjective == "on" || adjective == "mid" || adjective == "pre", spelling == "us"};
    std::string text, number;
    bool need_unit = false;
    const std::uint32_t count = std::min<std::uint32_t>(call.positional(), 12);
    for (std::uint32_t i = 1; i <= count; ++i) {
        const std::string value = plain(call.at(i));
        if (is_number(value)) {
            // "5|ft|6|in": a second number after a unit goes on; after two units it is a precision.
            if (i > 1 && !need_unit && !text.ends_with(' ')) {
                if (i != 3) break;
                const std::string next = plain(call.at(4));
                const Unit* unit = find_unit(next);
                if (unit == nullptr || (next != "in" && next != "oz" && next != "lb" && next != "ft" && next != "yd")) break;
                text.push_back(' ');
            }
            number = number_text(value);
            text.append(number);
            need_unit = true;
        } else if (const Range* range = find_range(value); range != nullptr && need_unit) {
            text.append(range->text);
            if (!text.ends_with(' ')) need_unit = true;
        } else if (need_unit) {
            append_unit(find_unit(value), value, number, style, text);
            need_unit = false;
        } else if (text.empty()) {
            text.append(call.at(i));  // not a number: the author's words are better than none
            need_unit = true;
        } else {
            break;  // the unit to convert to
        }
    }
    out.append(text);
}

/// Day, month, year, or all in one: {{date|1|6|2019}}, {{date|1/6/2019}}, {{date|1 juin- 2019-}} -> 1er juin 2019.
void render_date_french(const TemplateCall& call, std::string& out) {
    static constexpr std::array<std::string_view, 12> kFrench = {
        "janvier", "f\u00E9vrier", "mars", "avril", "mai", "juin",
        "juillet", "ao\u00FBt", "septembre", "octobre", "novembre", "d\u00E9cembre"};
    std::string words;
    for (std::uint32_t i = 1; i <= 3; ++i) words.append(plain(call.at(i))).push_back(' ');
    const bool slashes = words.find('/') != std::string::npos;
    if (slashes) std::replace(words.begin(), words.end(), '/', ' ');
    std::size_t count = 0;
    for (std::size_t at = 0; at < words.size();) {
        const std::size_t end = std::min(words.find(' ', at), words.size());
        std::string word = words.substr(at, end - at);
        at = end + 1;
        while (word.size() > 1 && word.back() == '-') word.pop_back();  // "2019-": without a link
        if (word.empty()) continue;
        const bool digits = word.size() <= 2 && std::all_of(word.begin(), word.end(), is_digit);
        const std::size_t number = digits ? static_cast<std::size_t>(std::stoi(word)) : 0;
        if (count == 0 && number == 1 && words.find_first_not_of(" 1") != std::string::npos) word = "1er";
        else if (count == 1 && number >= 1 && number <= 12) word = kFrench[number - 1];
        else if (word.size() > 1 && word.front() == '-' && is_digit(word[1])) word = word.substr(1) + " av. J.-C.";
        if (count > 0) out.push_back(' ');
        out.append(word);
        ++count;
    }
}

}  // namespace corpuskit
