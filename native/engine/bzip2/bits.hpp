// Reading bits, the highest of a byte first, as bzip2 writes them. Never reads past the end of the
// data.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace corpuskit::bz2 {

/// Eight bytes as a number, the first one highest. Bytes behind the end count as 0.
inline std::uint64_t load_be(const std::uint8_t* data, std::size_t size, std::size_t at) {
    std::uint64_t value = 0;
    if (at + 8 <= size) {
        std::memcpy(&value, data + at, 8);
        if constexpr (std::endian::native == std::endian::little) value = __builtin_bswap64(value);
        return value;
    }
    for (std::size_t i = 0; i < 8; ++i) value = value << 8 | (at + i < size ? data[at + i] : 0);
    return value;
}

/// A place in the data and the bits behind it.
///
/// Bits behind the end read as 0; `overrun` tells that some were taken, and whoever decodes asks it
/// often enough to stop soon.
class BitReader {
  public:
    BitReader(const std::uint8_t* data, std::size_t size, std::uint64_t from)
        : data_(data), size_(size), at_(from) {
        refill();
    }

    /// The bit that comes next, counted from the start of the data.
    std::uint64_t at() const { return at_; }
    bool overrun() const { return at_ > std::uint64_t{size_} * 8; }

    /// Makes at least 56 bits ready for `peek` and `skip`.
    void refill() {
        ready_ = load_be(data_, size_, static_cast<std::size_t>(at_ >> 3)) << (at_ & 7);
    }

    /// The next `count` bits, 1 to 32, of those that are ready.
    std::uint32_t peek(unsigned count) const {
        return static_cast<std::uint32_t>(ready_ >> (64 - count));
    }

    void skip(unsigned count) {
        ready_ <<= count;
        at_ += count;
    }

    /// Takes `count` bits, 1 to 32.
    std::uint32_t take(unsigned count) {
        refill();
        const std::uint32_t value = peek(count);
        skip(count);
        return value;
    }

  private:
    const std::uint8_t* data_;
    std::size_t size_;
    std::uint64_t at_;
    std::uint64_t ready_ = 0;
};

/// The 48 bits at bit `at`; bits behind the end count as 0.
inline std::uint64_t peek48(const std::uint8_t* data, std::size_t size, std::uint64_t at) {
    const auto byte = static_cast<std::size_t>(at >> 3);
    return load_be(data, size, byte) << (at & 7) >> 16;
}

}  // namespace corpuskit::bz2
