#include "engine/text/nfc.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <iterator>

#include "engine/text/utf8.hpp"

namespace corpuskit {

namespace {

struct Span {
    char32_t first, last;
};
// Code points that are starters, decompose into nothing and are never composed with the one before
// (NFC_Quick_Check=Yes, ccc=0): those that most text is made of.
constexpr Span kSure[] = {
    {0x0, 0x2FF},       {0x3A3, 0x482},     {0x48A, 0x52F},     {0x61B, 0x64A},
    {0x671, 0x6D5},     {0x900, 0x93B},     {0xE01, 0xE37},     {0x1000, 0x102D},
    {0x10D0, 0x10FF},   {0x1780, 0x17D1},   {0x1E00, 0x1EFF},   {0x2002, 0x2064},
    {0x2190, 0x2328},   {0x3000, 0x3029},   {0x3041, 0x3096},   {0x309B, 0x30FF},
    {0x3220, 0xA48C},   {0xAC00, 0xD7A3},   {0xFF01, 0xFFBE},   {0x1F300, 0x1F6D7},
    {0x20000, 0x2A6DF},
};

bool sure(char32_t c) {
    const auto* found = std::upper_bound(
        std::begin(kSure), std::end(kSure), c,
        [](char32_t value, const Span& span) { return value < span.first; });
    return c <= std::prev(found)->last;
}

}  // namespace

bool surely_nfc(std::string_view text) {
    constexpr std::uint64_t kHigh = 0x8080808080808080U;
    for (std::size_t at = 0; at < text.size();) {
        std::uint64_t bytes;
        while (at + sizeof bytes <= text.size()) {
            std::memcpy(&bytes, text.data() + at, sizeof bytes);
            if (bytes & kHigh) break;
            at += sizeof bytes;
        }
        for (const std::size_t end = std::min(text.size(), at + sizeof bytes); at < end;)
            if (!sure(next_code_point(text, at))) return false;
    }
    return true;
}

}  // namespace corpuskit
