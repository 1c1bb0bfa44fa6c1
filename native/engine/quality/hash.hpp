// Numbers for what is equal: strings, and pairs of numbers. Hashes only find the place; equality is
// of the things themselves.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace corpuskit::quality {

inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a ^ 0x9E3779B97F4A7C15) * (b ^ 0xE7037ED1A0B428DB);
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

inline std::uint64_t hash_bytes(std::string_view s) {
    const auto read = [](const char* p, std::size_t n) {
        std::uint64_t w = 0;
        std::memcpy(&w, p, n);
        return w;
    };
    const char* p = s.data();
    std::size_t n = s.size();
    std::uint64_t h = n;
    for (; n > 16; p += 16, n -= 16) h = mix(h ^ read(p, 8), read(p + 8, 8));
    if (n >= 8) return mix(h ^ read(p, 8), read(p + n - 8, 8));
    if (n >= 4) return mix(h ^ read(p, 4), read(p + n - 4, 4));
    if (n == 0) return mix(h, 0);
    const auto byte = [p](std::size_t i) {
        return std::uint64_t{static_cast<unsigned char>(p[i])};
    };
    return mix(h ^ (byte(0) | byte(n / 2) << 8 | byte(n - 1) << 16), n);
}

/// Tells most things that occur once by their hashes, in little memory.
class Twice {
  public:
    /// Forgets all, and makes room for so many different hashes.
    void reset(std::size_t most) {
        const std::size_t words = std::bit_ceil(most / kInWord * kRoom + 1);
        if (words_.size() < words) words_.resize(words);
        std::fill_n(words_.begin(), words, 0);
        mask_ = words * kInWord - 1;
    }
    void add(std::uint64_t hash) {
        const std::size_t at = hash & mask_;
        std::uint64_t& word = words_[at / kInWord];
        const std::size_t shift = 2 * (at % kInWord);
        // 0, 1, and 3 for more.
        word |= (1 + (word >> shift & 1)) << shift;
    }
    /// Whether what has this hash may occur twice.
    bool holds(std::uint64_t hash) const {
        const std::size_t at = hash & mask_;
        return (words_[at / kInWord] >> (2 * (at % kInWord)) & 2) != 0;
    }

  private:
    static constexpr std::size_t kInWord = 32, kRoom = 16;
    std::vector<std::uint64_t> words_;
    std::size_t mask_ = 0;
};

/// One to one, so that pairs need no comparison.
inline std::uint64_t hash_pair(std::uint32_t a, std::uint32_t b) {
    std::uint64_t x = std::uint64_t{a} << 32 | b;
    x ^= x >> 32;
    x *= 0x9E3779B97F4A7C15;
    x ^= x >> 29;
    x *= 0xBF58476D1CE4E5B9;
    return x ^ x >> 32;
}

/// Gives numbers from 0, by first place, to keys that a caller keeps.
class Numbering {
  public:
    /// Forgets all, and makes room for half as many keys as `things` that are to be numbered: of
    /// a text's tokens more are rarely different.
    void reset(std::size_t things = 0) {
        const std::size_t room = std::max(kLeast, std::bit_ceil(things));
        if (slots_.size() < room) slots_.resize(room);
        std::fill_n(slots_.begin(), room, Slot{});
        mask_ = room - 1;
        size_ = 0;
    }

    /// The number of a key. `is(number)` says whether that one's key is equal.
    template <typename Equal>
    std::uint32_t number(std::uint64_t hash, Equal is) {
        for (std::size_t at = hash & mask_;; at = (at + 1) & mask_) {
            Slot& slot = slots_[at];
            if (slot.number == kFree) {
                slot = {hash, size_};
                if (2 * (std::size_t{size_} + 1) > mask_) grow();
                return size_++;
            }
            if (slot.hash == hash && is(slot.number)) return slot.number;
        }
    }

    /// The number of what its hash alone tells from all others.
    std::uint32_t number(std::uint64_t hash) {
        return number(hash, [](std::uint32_t) { return true; });
    }

    std::uint32_t size() const { return size_; }

  private:
    static constexpr std::uint32_t kFree = UINT32_MAX;
    struct Slot {
        std::uint64_t hash = 0;
        std::uint32_t number = kFree;
    };

    static constexpr std::size_t kLeast = 1024;

    /// Twice the room, which follows the number of keys, not that of what is numbered.
    void grow() {
        const std::size_t room = mask_ + 1;
        std::vector<Slot> kept(slots_.begin(), slots_.begin() + static_cast<std::ptrdiff_t>(room));
        if (slots_.size() < 2 * room) slots_.resize(2 * room);
        std::fill_n(slots_.begin(), 2 * room, Slot{});
        mask_ = 2 * room - 1;
        for (const Slot& slot : kept) {
            if (slot.number == kFree) continue;
            std::size_t at = slot.hash & mask_;
            while (slots_[at].number != kFree) at = (at + 1) & mask_;
            slots_[at] = slot;
        }
    }

    std::vector<Slot> slots_;
    std::size_t mask_ = 0;
    std::uint32_t size_ = 0;
};

}  // namespace corpuskit::quality
