#include "engine/text/utf8.hpp"

namespace corpuskit {

char32_t next_wide_code_point(std::string_view s, std::size_t& at) {
    const char* p = s.data() + at;
    char32_t code;
    // Valid UTF-8 gives no surrogate, so that such a byte can be told and written again.
    if (!read_code_point(p, s.data() + s.size(), code) || (code >= 0xD800 && code < 0xE000))
        return 0xDC00U + static_cast<unsigned char>(s[at++]);
    at = static_cast<std::size_t>(p - s.data());
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
