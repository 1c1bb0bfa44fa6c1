#include "engine/text/case.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>

namespace corpuskit {

namespace {

// Code points first, first + step, ..., `count` of them, are mapped to themselves + delta.
// Ascending. Only mappings to one code point; tests/sources/wikipedia/test_wikitext_functions.py
// compares them with Python's.
struct CaseRange {
    std::uint32_t first;
    std::int32_t delta;
    std::uint32_t count = 1, step = 1;
};

// Small letters whose capital has them as its small letter: read in both directions.
constexpr CaseRange kPairs[] = {
    {0xE0, -32, 23}, {0xF8, -32, 7}, {0xFF, 121}, {0x101, -1, 24, 2}, {0x133, -1, 3, 2},
    {0x13A, -1, 8, 2}, {0x14B, -1, 23, 2}, {0x17A, -1, 3, 2}, {0x180, 195}, {0x183, -1, 2, 2},
    {0x188, -1}, {0x18C, -1}, {0x192, -1}, {0x195, 97}, {0x199, -1}, {0x19A, 163}, {0x19E, 130},
    {0x1A1, -1, 3, 2}, {0x1A8, -1}, {0x1AD, -1}, {0x1B0, -1}, {0x1B4, -1, 2, 2}, {0x1B9, -1},
    {0x1BD, -1}, {0x1BF, 56}, {0x1C6, -2}, {0x1C9, -2}, {0x1CC, -2}, {0x1CE, -1, 8, 2},
    {0x1DD, -79}, {0x1DF, -1, 9, 2}, {0x1F3, -2}, {0x1F5, -1}, {0x1F9, -1, 20, 2},
    {0x223, -1, 9, 2}, {0x23C, -1}, {0x23F, 10815, 2}, {0x242, -1}, {0x247, -1, 5, 2},
    {0x250, 10783}, {0x251, 10780}, {0x252, 10782}, {0x253, -210}, {0x254, -206}, {0x256, -205, 2},
    {0x259, -202}, {0x25B, -203}, {0x25C, 42319}, {0x260, -205}, {0x261, 42315}, {0x263, -207},
    {0x265, 42280}, {0x266, 42308}, {0x268, -209}, {0x269, -211}, {0x26A, 42308}, {0x26B, 10743},
    {0x26C, 42305}, {0x26F, -211}, {0x271, 10749}, {0x272, -213}, {0x275, -214}, {0x27D, 10727},
    {0x280, -218}, {0x282, 42307}, {0x283, -218}, {0x287, 42282}, {0x288, -218}, {0x289, -69},
    {0x28A, -217, 2}, {0x28C, -71}, {0x292, -219}, {0x29D, 42261}, {0x29E, 42258},
    {0x371, -1, 2, 2}, {0x377, -1}, {0x37B, 130, 3}, {0x3AC, -38}, {0x3AD, -37, 3},
    {0x3B1, -32, 17}, {0x3C3, -32, 9}, {0x3CC, -64}, {0x3CD, -63, 2}, {0x3D7, -8},
    {0x3D9, -1, 12, 2}, {0x3F2, 7}, {0x3F3, -116}, {0x3F8, -1}, {0x3FB, -1}, {0x430, -32, 32},
    {0x450, -80, 16}, {0x461, -1, 17, 2}, {0x48B, -1, 27, 2}, {0x4C2, -1, 7, 2}, {0x4CF, -15},
    {0x4D1, -1, 48, 2}, {0x561, -48, 38}, {0x10D0, 3008, 43}, {0x10FD, 3008, 3}, {0x13F8, -8, 6},
    {0x1D79, 35332}, {0x1D7D, 3814}, {0x1D8E, 35384}, {0x1E01, -1, 75, 2}, {0x1EA1, -1, 48, 2},
    {0x1F00, 8, 8}, {0x1F10, 8, 6}, {0x1F20, 8, 8}, {0x1F30, 8, 8}, {0x1F40, 8, 6},
    {0x1F51, 8, 4, 2}, {0x1F60, 8, 8}, {0x1F70, 74, 2}, {0x1F72, 86, 4}, {0x1F76, 100, 2},
    {0x1F78, 128, 2}, {0x1F7A, 112, 2}, {0x1F7C, 126, 2}, {0x1FB0, 8, 2}, {0x1FD0, 8, 2},
    {0x1FE0, 8, 2}, {0x1FE5, 7}, {0x214E, -28}, {0x2170, -16, 16}, {0x2184, -1}, {0x24D0, -26, 26},
    {0x2C30, -48, 48}, {0x2C61, -1}, {0x2C65, -10795}, {0x2C66, -10792}, {0x2C68, -1, 3, 2},
    {0x2C73, -1}, {0x2C76, -1}, {0x2C81, -1, 50, 2}, {0x2CEC, -1, 2, 2}, {0x2CF3, -1},
    {0x2D00, -7264, 38}, {0x2D27, -7264}, {0x2D2D, -7264}, {0xA641, -1, 23, 2}, {0xA681, -1, 14, 2},
    {0xA723, -1, 7, 2}, {0xA733, -1, 31, 2}, {0xA77A, -1, 2, 2}, {0xA77F, -1, 5, 2}, {0xA78C, -1},
    {0xA791, -1, 2, 2}, {0xA794, 48}, {0xA797, -1, 10, 2}, {0xA7B5, -1, 8, 2}, {0xA7C8, -1, 2, 2},
    {0xA7D1, -1}, {0xA7D7, -1, 2, 2}, {0xA7F6, -1}, {0xAB53, -928}, {0xAB70, -38864, 80},
    {0xFF41, -32, 26}, {0x10428, -40, 40}, {0x104D8, -40, 36}, {0x10597, -39, 11},
    {0x105A3, -39, 15}, {0x105B3, -39, 7}, {0x105BB, -39, 2}, {0x10CC0, -64, 51},
    {0x118C0, -32, 32}, {0x16E60, -32, 32}, {0x1E922, -34, 34},
};
// Those whose capital has another one, and capitals whose small letter has another one.
constexpr CaseRange kUpperAlone[] = {
    {0xB5, 743}, {0x131, -232}, {0x17F, -300}, {0x1C5, -1}, {0x1C8, -1}, {0x1CB, -1}, {0x1F2, -1},
    {0x345, 84}, {0x3C2, -31}, {0x3D0, -62}, {0x3D1, -57}, {0x3D5, -47}, {0x3D6, -54}, {0x3F0, -86},
    {0x3F1, -80}, {0x3F5, -96}, {0x1C80, -6254}, {0x1C81, -6253}, {0x1C82, -6244},
    {0x1C83, -6242, 2}, {0x1C85, -6243}, {0x1C86, -6236}, {0x1C87, -6181}, {0x1C88, 35266},
    {0x1E9B, -59}, {0x1FBE, -7205},
};
constexpr CaseRange kLowerAlone[] = {
    {0x1C5, 1}, {0x1C8, 1}, {0x1CB, 1}, {0x1F2, 1}, {0x3F4, -60}, {0x1E9E, -7615}, {0x1F88, -8, 8},
    {0x1F98, -8, 8}, {0x1FA8, -8, 8}, {0x1FBC, -9}, {0x1FCC, -9}, {0x1FFC, -9}, {0x2126, -7517},
    {0x212A, -8383}, {0x212B, -8262},
};

constexpr auto kInverse = [] {
    std::array<CaseRange, std::size(kPairs)> inverse;
    std::transform(std::begin(kPairs), std::end(kPairs), inverse.begin(), [](CaseRange r) {
        return CaseRange{static_cast<std::uint32_t>(static_cast<std::int64_t>(r.first) + r.delta),
                         -r.delta, r.count, r.step};
    });
    std::sort(inverse.begin(), inverse.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    return inverse;
}();

template <typename Table>
char32_t mapped(const Table& table, char32_t c) {
    const auto* found = std::upper_bound(
        std::data(table), std::data(table) + std::size(table), c,
        [](char32_t value, const CaseRange& range) { return value < range.first; });
    // Ranges with step 2 may interlock with one neighbour.
    for (int back = 0; back < 2 && found != std::data(table); ++back) {
        --found;
        const std::uint32_t steps = (c - found->first) / found->step;
        if (steps < found->count && c == found->first + steps * found->step)
            return static_cast<char32_t>(static_cast<std::int64_t>(c) + found->delta);
    }
    return c;
}

}  // namespace

char32_t upper_case(char32_t c) {
    if (c < 0x80) return c >= 'a' && c <= 'z' ? c - 32 : c;
    const char32_t upper = mapped(kPairs, c);
    return upper != c ? upper : mapped(kUpperAlone, c);
}

char32_t lower_case(char32_t c) {
    if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
    const char32_t small = mapped(kInverse, c);
    return small != c ? small : mapped(kLowerAlone, c);
}

}  // namespace corpuskit
