// Lines that may begin with the name of a speaker: what the patterns of shape.py for them need.
#pragma once

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

}  // namespace corpuskit::gutenberg
