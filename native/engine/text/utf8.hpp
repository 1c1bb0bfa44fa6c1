// Code points and UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace corpuskit {

// The part of the next one that is not inline.
char32_t next_wide_code_point(std::string_view s, std::size_t& at);

/// The code point at s[at], which moves behind it. A byte that is no UTF-8 is passed on as 0xDC00 +
/// byte.
inline char32_t next_code_point(std::string_view s, std::size_t& at) {
    const auto byte = static_cast<unsigned char>(s[at]);
    if (byte >= 0x80) return next_wide_code_point(s, at);
    ++at;
    return byte;
}
/// Writes a code point that next_code_point gave, at most 4 bytes; returns where they end.
char* put_code_point(char* out, char32_t c);
/// Appends one.
void put_code_point(std::string& out, char32_t c);
/// Number of code points.
std::size_t count_code_points(std::string_view s);

}  // namespace corpuskit
