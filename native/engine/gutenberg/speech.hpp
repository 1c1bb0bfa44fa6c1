// Lines that may begin with the name of a speaker: what the patterns of shape.py for them need.
#pragma once

#include <string>

#include "engine/gutenberg/signs.hpp"

namespace corpuskit::gutenberg {

/// Whether a line may begin as a speech does: `FAUST.`, `First Lord [_aside_]:`.
template <class C>
bool is_like_speech(const Line<C>& line, const Signs& signs) {
    std::size_t i = 0;
    while (i < 8 && (line.at(i) == ' ' || line.at(i) == '\t')) ++i;
    if (line.at(i) == '_') ++i;
    for (int word = 0; word < 4; ++word) {
        if (!is_capital(line.at(i))) return false;
        for (++i; i < line.size; ++i) {
            const char32_t c = line[i];
            if (c == '_' || c == ':') return true;
            if (c == '.') {
                const char32_t next = line.at(i + 1);
                if (next == 0 || next == ' ' || next == '_') return true;
                if (word == 0) return false;
            } else if (c != 0x2019 && c != '\'' && !signs.is(c, kAlnum)) {
                break;
            }
        }
        const char32_t c = line.at(i), next = line.at(i + 1);
        if (c == ',' || c == '(' || c == '[') return true;
        if (c == ' ' && (next == '(' || next == '[')) return true;
        if (c != ' ' && c != '-') return false;
        ++i;
    }
    return false;
}

/// Whether a line may be a name in capitals and no more: `FAUST (_alone_)`.
template <class C>
bool is_like_speaker(const Line<C>& line, const Signs& signs) {
    constexpr std::size_t kLongest = 100, kLongestName = 40;
    if (line.size >= kLongest) return false;
    std::size_t i = 0;
    while (i < 24 && (line.at(i) == ' ' || line.at(i) == '\t')) ++i;
    bool capital = false;
    for (const std::size_t first = i; i < line.size; ++i) {
        const char32_t c = line[i];
        if (c == '(' || c == '[') return capital;
        if (signs.is(c, kLower | kTitle) || is_digit(c) || i - first > kLongestName) return false;
        if (!signs.is(c, kAlnum) && c != 0x2019 && !is_in(c, U"'. -:_")) return false;
        capital = capital || signs.is(c, kUpper);
    }
    return capital;
}

/// Whether nothing but signs and a direction stand behind a name: `. (_aside_)`.
template <class C>
bool ends_behind_name(const Line<C>& line, std::size_t at) {
    const auto stops = [&](std::size_t i) {
        return i == line.size || (i + 1 == line.size && is_in(line[i], U".:"));
    };
    const auto directs = [&](std::size_t i) {
        constexpr std::size_t kLongest = 60;
        i += line.at(i) == ' ';
        if (!is_in(line.at(i), U"([") || i == line.size) return false;
        const std::size_t first = ++i;
        while (i < line.size && !is_in(line[i], U")]")) ++i;
        return i < line.size && i > first && i - first <= kLongest && stops(i + 1);
    };
    for (std::size_t sign = 0; sign < 2; ++sign) {
        if (sign != 0 && !is_in(line.at(at), U".:")) break;
        const std::size_t from = at + sign;
        if (stops(from) || directs(from)) return true;
        if (line.at(from) == '_' && (stops(from + 1) || directs(from + 1))) return true;
    }
    return false;
}

/// SPEAKER_ALONE: the name in capitals that is all of a line but for a direction; empty for none.
template <class C>
std::u32string lone_speaker(const Line<C>& line, const Signs& signs) {
    constexpr std::size_t kLongestLine = 100, kMostBlank = 24, kShortest = 3, kLongest = 30;
    if (line.size >= kLongestLine) return {};
    std::size_t blank = 0;
    while (blank < kMostBlank && is_in(line.at(blank), U" \t") && blank < line.size) ++blank;
    const auto is_of_name = [&](char32_t c) {
        return is_in(c, U"\u2019'. -") || (signs.is(c, kAlnum) && !signs.is(c, kDecimal));
    };
    for (std::size_t before = blank + 1; before-- > 0;) {
        const std::size_t at = before + (line.at(before) == '_');
        std::u32string name;
        bool small = false, capital = false;
        while (name.size() < kLongest && at + name.size() < line.size) {
            const char32_t c = line[at + name.size()];
            if (!is_of_name(c)) break;
            name.push_back(c);
            small = small || signs.is(c, kLower | kTitle);
            capital = capital || signs.is(c, kUpper);
            if (name.size() >= kShortest && ends_behind_name(line, at + name.size()))
                return capital && !small ? name : std::u32string();
        }
    }
    return {};
}

}  // namespace corpuskit::gutenberg
