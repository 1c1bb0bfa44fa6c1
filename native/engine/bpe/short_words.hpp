// Words of up to 15 bytes, which most are, as two numbers: compared and hashed without a loop.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace corpuskit {

inline constexpr std::size_t kShort = 15;

/// The bytes of a word, and its size in the last one; `high` is 0 for none.
struct ShortWord {
    std::uint64_t low = 0, high = 0;

    friend bool operator==(const ShortWord&, const ShortWord&) = default;
};

namespace detail {

/// What is left of 16 bytes of a text that begin with a word of a size, and that size in the last
/// one.
struct Mask {
    std::uint64_t low, high, size;
};
inline constexpr std::array<Mask, kShort + 1> kMasks = [] {
    std::array<Mask, kShort + 1> masks{};
    for (std::size_t size = 0; size <= kShort; ++size) {
        std::array<unsigned char, 8> low{}, high{}, last{};
        for (std::size_t i = 0; i < size; ++i) (i < 8 ? low[i] : high[i - 8]) = 0xFF;
        last[7] = static_cast<unsigned char>(size);
        masks[size] = {std::bit_cast<std::uint64_t>(low), std::bit_cast<std::uint64_t>(high),
                       std::bit_cast<std::uint64_t>(last)};
    }
    return masks;
}();

}  // namespace detail

/// The word of up to 15 bytes that lies in a text.
inline ShortWord short_word(std::string_view text, std::size_t at, std::size_t size) {
    ShortWord word;
    if (at + 16 <= text.size()) {
        std::memcpy(&word.low, text.data() + at, 8);
        std::memcpy(&word.high, text.data() + at + 8, 8);
    } else {
        unsigned char bytes[16] = {};
        std::memcpy(bytes, text.data() + at, size);
        std::memcpy(&word.low, bytes, 8);
        std::memcpy(&word.high, bytes + 8, 8);
    }
    word.low &= detail::kMasks[size].low;
    word.high = (word.high & detail::kMasks[size].high) | detail::kMasks[size].size;
    return word;
}

inline std::uint64_t mixed(std::uint64_t a, std::uint64_t b) {
    a = (a ^ b) * 0x9E3779B97F4A7C15ULL;
    return a ^ a >> 32;
}

/// Never 0; a place in a table is taken from bit 8 on.
inline std::uint64_t hash_of(const ShortWord& word) {
    return mixed(mixed(word.low, 0x243F6A8885A308D3ULL), word.high) | 1;
}

}  // namespace corpuskit
