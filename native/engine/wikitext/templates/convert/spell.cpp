// Numbers in English words. See spell.hpp.
#include "engine/wikitext/templates/convert/spell.hpp"

#include <algorithm>
#include <cstdint>

#include "engine/text/ascii.hpp"

namespace corpuskit {

namespace {

constexpr std::string_view kSmall[] = {
    "zero",    "one",     "two",       "three",    "four",     "five",    "six",
    "seven",   "eight",   "nine",      "ten",      "eleven",   "twelve",  "thirteen",
    "fourteen", "fifteen", "sixteen",  "seventeen", "eighteen", "nineteen"};
constexpr std::string_view kTens[] = {"",      "",      "twenty",  "thirty", "forty",
                                      "fifty", "sixty", "seventy", "eighty", "ninety"};
constexpr std::string_view kThousands[] = {"", " thousand", " million", " billion"};
constexpr std::string_view kParts[] = {"",      "",        "half",   "third",  "quarter", "fifth",
                                       "sixth", "seventh", "eighth", "ninth",  "tenth"};

std::string below_thousand(unsigned n, bool american) {
    std::string words;
    if (n >= 100) {
        words.append(kSmall[n / 100]).append(" hundred");
        n %= 100;
        if (n == 0) return words;
        words.append(american ? " " : " and ");
    }
    if (n < 20) return words.append(kSmall[n]);
    words.append(kTens[n / 10]);
    return n % 10 == 0 ? words : words.append("-").append(kSmall[n % 10]);
}

/// Digits alone, at most twelve.
std::string whole(std::string_view digits, bool american) {
    if (digits.empty() || digits.size() > 12) return {};
    if (!std::all_of(digits.begin(), digits.end(), is_digit)) return {};
    std::uint64_t n = 0;
    for (const char c : digits) n = n * 10 + static_cast<std::uint64_t>(c - '0');
    if (n == 0) return std::string(kSmall[0]);
    std::string words;
    for (std::size_t group = std::size(kThousands); group-- > 0;) {
        std::uint64_t unit = 1;
        for (std::size_t i = 0; i < group; ++i) unit *= 1000;
        const auto count = static_cast<unsigned>(n / unit % 1000);
        if (count == 0) continue;
        // "one thousand and five": the last group is joined by "and" where it has no hundreds.
        if (!words.empty()) words.append(group == 0 && count < 100 && !american ? " and " : " ");
        words.append(below_thousand(count, american)).append(kThousands[group]);
    }
    return words;
}

/// "1/2" -> one-half, "2+3/4" -> two and three-quarters.
std::string fraction(std::string_view digits, std::size_t slash, bool american) {
    const std::size_t plus = digits.find('+');
    const std::size_t from = plus == std::string_view::npos ? 0 : plus + 1;
    std::string_view bottom = digits.substr(slash + 1);
    if (bottom.starts_with('/')) bottom.remove_prefix(1);
    const std::string top = whole(digits.substr(from, slash - from), american);
    std::size_t parts = 0;
    for (const char c : bottom) {
        if (!is_digit(c) || parts > 100) return {};
        parts = parts * 10 + static_cast<std::size_t>(c - '0');
    }
    if (top.empty() || parts < 2 || parts >= std::size(kParts)) return {};
    std::string name(parts == 4 && american ? "fourth" : kParts[parts]);
    if (top != "one") name = parts == 2 ? "halves" : name + "s";
    if (from == 0) return top + "-" + name;
    const std::string before = whole(digits.substr(0, plus), american);
    if (before.empty()) return {};
    return before + " and " + (top == "one" ? "a " + name : top + "-" + name);
}

}  // namespace

std::string spell_number(std::string_view digits, bool negative, bool american) {
    std::string words;
    const std::size_t slash = digits.find('/'), point = digits.find('.');
    if (slash != std::string_view::npos) {
        words = fraction(digits, slash, american);
    } else if (point != std::string_view::npos) {
        words = whole(digits.substr(0, point), american);
        if (words.empty()) return {};
        words.append(" point");
        for (const char c : digits.substr(point + 1)) {
            if (!is_digit(c)) return {};
            words.append(" ").append(kSmall[c - '0']);
        }
    } else {
        words = whole(digits, american);
    }
    return words.empty() || !negative ? words : "negative " + words;
}

std::string upper_first(std::string words) {
    if (!words.empty() && words[0] >= 'a' && words[0] <= 'z')
        words[0] = static_cast<char>(words[0] - 'a' + 'A');
    return words;
}

}  // namespace corpuskit
