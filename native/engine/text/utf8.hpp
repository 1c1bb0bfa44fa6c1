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
/// Reads the code point at p, which moves behind it; false, and p stays, where there is no UTF-8.
/// Half of a surrogate pair in three bytes is read as such. Needs p < end.
inline bool read_code_point(const char*& p, const char* end, char32_t& c) {
    const auto byte = [p](int i) { return static_cast<unsigned char>(p[i]); };
    const auto more = [byte](int i) { return (byte(i) & 0xC0) == 0x80; };
    const unsigned a = byte(0);
    if (a < 0x80) {
        c = a, p += 1;
        return true;
    }
    if (a < 0xE0) {
        if (a < 0xC2 || end - p < 2 || !more(1)) return false;
        c = (a & 0x1F) << 6 | (byte(1) & 0x3F), p += 2;
        return true;
    }
    if (a < 0xF0) {
        if (end - p < 3 || !more(1) || !more(2)) return false;
        const char32_t code = (a & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
        if (code < 0x800) return false;
        c = code, p += 3;
        return true;
    }
    if (end - p < 4 || !more(1) || !more(2) || !more(3)) return false;
    const char32_t code = (a & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 |
                          (byte(3) & 0x3F);
    if (a > 0xF4 || code < 0x10000 || code > 0x10FFFF) return false;
    c = code, p += 4;
    return true;
}
/// Writes a code point that next_code_point gave, at most 4 bytes; returns where they end.
char* put_code_point(char* out, char32_t c);
/// Appends one.
void put_code_point(std::string& out, char32_t c);
/// Number of code points.
std::size_t count_code_points(std::string_view s);

}  // namespace corpuskit
