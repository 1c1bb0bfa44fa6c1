#include "engine/text/utf8.hpp"

namespace corpuskit {

char32_t next_wide_code_point(std::string_view s, std::size_t& at) {
    const auto byte = [&](std::size_t i) {
        return i < s.size() ? static_cast<unsigned char>(s[i]) : 0U;
    };
    const char32_t a = byte(at++);
    const int more = a >= 0xF0 && a < 0xF8   ? 3
                     : a >= 0xE0 && a < 0xF0 ? 2
                     : a >= 0xC0 && a < 0xE0 ? 1
                                             : 0;
    // Valid UTF-8 gives no surrogate, so that such a byte can be told and written again.
    if (more == 0) return 0xDC00 + a;
    char32_t code = a & (0x3FU >> more);
    for (int i = 0; i < more; ++i) {
        const char32_t b = byte(at + static_cast<std::size_t>(i));
        if ((b & 0xC0) != 0x80) return 0xDC00 + a;
        code = code << 6 | (b & 0x3F);
    }
    const bool odd = code < (more == 1   ? 0x80U
                             : more == 2 ? 0x800U
                                         : 0x10000U) ||
                     code > 0x10FFFF || (code >= 0xD800 && code < 0xE000);
    if (odd) return 0xDC00 + a;
    at += static_cast<std::size_t>(more);
    return code;
}

char* put_code_point(char* out, char32_t c) {
    const auto put = [&](char32_t byte) { *out++ = static_cast<char>(byte); };
    if (c < 0x80 || (c >= 0xDC80 && c <= 0xDCFF)) {
        put(c < 0x80 ? c : c - 0xDC00);
        return out;
    }
    if (c < 0x800) {
        put(0xC0 | c >> 6);
    } else {
        if (c < 0x10000) {
            put(0xE0 | c >> 12);
        } else {
            put(0xF0 | c >> 18);
            put(0x80 | (c >> 12 & 0x3F));
        }
        put(0x80 | (c >> 6 & 0x3F));
    }
    put(0x80 | (c & 0x3F));
    return out;
}

void put_code_point(std::string& out, char32_t c) {
    char bytes[4];
    out.append(bytes, put_code_point(bytes, c));
}

std::size_t count_code_points(std::string_view s) {
    std::size_t n = 0;
    for (std::size_t at = 0; at < s.size(); ++n) next_code_point(s, at);
    return n;
}

}  // namespace corpuskit
