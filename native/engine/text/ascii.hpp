// Bytes and strings, in ASCII: what all rooms of the engine share. Bytes beyond ASCII count as
// letters.
#pragma once

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

namespace corpuskit {

inline constexpr std::size_t kNone = std::string_view::npos;

inline bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
inline bool is_word(char c) {
    return is_alpha(c) || is_digit(c) || static_cast<unsigned char>(c) >= 0x80;
}
inline char lower(char c) { return (c >= 'A' && c <= 'Z') ? static_cast<char>(c + 32) : c; }

inline bool is_any(char c, std::string_view of) { return of.find(c) != kNone; }
/// Where the next `c` stands from `at` on, or the end.
inline std::size_t find_or_end(std::string_view s, char c, std::size_t at = 0) {
    return std::min(s.find(c, at), s.size());
}

inline bool has_word(std::string_view s) { return std::any_of(s.begin(), s.end(), is_word); }

inline std::string lower_case(std::string_view s) {
    std::string text(s);
    std::transform(text.begin(), text.end(), text.begin(), lower);
    return text;
}

/// Without regard to ASCII case.
inline bool equal_folded(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return lower(x) == lower(y); });
}

template <typename Words>
bool contains(const Words& words, std::string_view word) {
    return std::find(std::begin(words), std::end(words), word) != std::end(words);
}
template <typename Words>
bool contains_folded(const Words& words, std::string_view word) {
    return std::any_of(std::begin(words), std::end(words),
                       [&](std::string_view w) { return equal_folded(w, word); });
}

/// Calls `use` for each part of a list, empty ones too.
template <typename Use>
void each_part(std::string_view list, char separator, Use use) {
    for (std::size_t at = 0; at <= list.size();) {
        const std::size_t end = find_or_end(list, separator, at);
        use(list.substr(at, end - at));
        at = end + 1;
    }
}

}  // namespace corpuskit
