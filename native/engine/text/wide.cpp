#include "engine/text/wide.hpp"

#include <bit>
#include <cstdint>
#include <cstring>
#include <stdexcept>

#include "engine/text/utf8.hpp"

namespace corpuskit {

namespace {

constexpr bool kLittle = std::endian::native == std::endian::little;

/// Writes ASCII that comes next, eight bytes of characters at a time.
const std::uint8_t* put_ascii(const std::uint8_t* at, const std::uint8_t* end, char*& out) {
    for (; end - at >= 8; at += 8, out += 8) {
        std::uint64_t eight;
        std::memcpy(&eight, at, 8);
        if ((eight & 0x8080808080808080ULL) != 0) break;
        std::memcpy(out, &eight, 8);
    }
    return at;
}
const std::uint16_t* put_ascii(const std::uint16_t* at, const std::uint16_t* end, char*& out) {
    for (; kLittle && end - at >= 4; at += 4, out += 4) {
        std::uint64_t four;
        std::memcpy(&four, at, 8);
        if ((four & 0xFF80FF80FF80FF80ULL) != 0) break;
        four = (four | four >> 8) & 0x0000FFFF0000FFFFULL;
        const auto bytes = static_cast<std::uint32_t>(four | four >> 16);
        std::memcpy(out, &bytes, 4);
    }
    return at;
}
const char32_t* put_ascii(const char32_t* at, const char32_t*, char*&) { return at; }

template <typename Point>
char* put_all(const Point* at, const Point* end, char* out) {
    while (at < end) {
        at = put_ascii(at, end, out);
        // What is not ASCII seldom stands alone.
        for (const Point* stop = at + 8 < end ? at + 8 : end; at < stop; ++at) {
            const char32_t c = *at;
            if (sizeof(Point) > 1 && c >= 0xD800 && c < 0xE000)
                throw std::invalid_argument("a text holds half of a surrogate pair");
            out = put_code_point(out, c);
        }
    }
    return out;
}

}  // namespace

std::string_view Utf8Writer::write(const WideText& text) {
    // Two bytes in UTF-8 for one, three for two, four for four.
    const int each = text.width == 4 ? 4 : text.width + 1;
    const std::size_t most = text.size * static_cast<std::size_t>(each);
    if (size_ < most) {
        room_.reset(new char[most]);
        size_ = most;
    }
    char* end = room_.get();
    const auto put = [&](const auto* points) { end = put_all(points, points + text.size, end); };
    switch (text.width) {
        case 1: put(static_cast<const std::uint8_t*>(text.points)); break;
        case 2: put(static_cast<const std::uint16_t*>(text.points)); break;
        case 4: put(static_cast<const char32_t*>(text.points)); break;
        default: throw std::invalid_argument("characters have 1, 2 or 4 bytes");
    }
    return {room_.get(), static_cast<std::size_t>(end - room_.get())};
}

}  // namespace corpuskit
