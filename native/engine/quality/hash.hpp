// Numbers for what is equal: strings, and pairs of numbers. Hashes only find the place; equality is
// of the things themselves.
#pragma once

#include <algorithm>
#include <array>
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

/// What a string is looked up by: up to 16 bytes by themselves, more by their hash.
struct Key {
    std::uint64_t low = 0, high = 0, hash = 0;
    std::size_t size = 0;

    /// Whether equal keys are of equal strings.
    bool is_whole() const { return size <= kWhole; }
    bool operator==(const Key& other) const {
        return low == other.low && high == other.high && size == other.size;
    }
    static constexpr std::size_t kWhole = 16;
};

/// The key of a string that stands in bytes which end at `end`.
inline Key key_of(std::string_view s, const char* end) {
    using Halves = std::array<std::uint64_t, 2>;
    // Which bytes of 16 belong to a string of each size.
    static constexpr auto kBelong = [] {
        std::array<Halves, Key::kWhole + 1> masks{};
        for (std::size_t size = 0; size <= Key::kWhole; ++size) {
            std::array<unsigned char, Key::kWhole> bytes{};
            for (std::size_t i = 0; i < size; ++i) bytes[i] = 0xFF;
            masks[size] = std::bit_cast<Halves>(bytes);
        }
        return masks;
    }();
    if (s.size() > Key::kWhole) {
        const std::uint64_t hash = hash_bytes(s);
        return {hash, 0, hash, s.size()};
    }
    Halves read{};
    const bool is_within = end - s.data() >= static_cast<std::ptrdiff_t>(sizeof read);
    if (is_within) std::memcpy(&read, s.data(), sizeof read);
    else std::memcpy(&read, s.data(), s.size());
    const Halves& belong = kBelong[s.size()];
    const std::uint64_t low = read[0] & belong[0], high = read[1] & belong[1];
    return {low, high, mix(low + s.size(), high), s.size()};
}

/// Counts things by their hashes alone, up to what so many bits hold, in little memory: some of
/// those that share a count seem to occur more often than they do, none less often.
template <unsigned kBits>
class Sketch {
  public:
    static constexpr std::uint64_t kMost = (std::uint64_t{1} << kBits) - 1;

    /// Forgets all, and makes room for so many different hashes.
    void reset(std::size_t things) {
        const std::size_t words = std::bit_ceil(things / kInWord * kRoom + 1);
        if (words_.size() < words) words_.resize(words);
        std::fill_n(words_.begin(), words, 0);
        mask_ = words * kInWord - 1;
    }
    void add(std::uint64_t hash) {
        const std::size_t at = hash & mask_;
        std::uint64_t& word = words_[at / kInWord];
        const std::size_t shift = kBits * (at % kInWord);
        word += std::uint64_t{(word >> shift & kMost) < kMost} << shift;
    }
    /// How often what has this hash occurs at most; `kMost` stands for more too.
    std::uint64_t count(std::uint64_t hash) const {
        const std::size_t at = hash & mask_;
        return words_[at / kInWord] >> (kBits * (at % kInWord)) & kMost;
    }

  private:
    static constexpr std::size_t kInWord = 64 / kBits, kRoom = 16 / kBits;
    std::vector<std::uint64_t> words_;
    std::size_t mask_ = 0;
};

/// One to one, so that pairs need no comparison.
inline std::uint64_t hash_pair(std::uint32_t a, std::uint32_t b) {
    std::uint64_t x = std::uint64_t{a} << 32 | b;
    x *= 0x9E3779B97F4A7C15;
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

    /// Gets ready to look up a hash soon.
    void expect(std::uint64_t hash) const { __builtin_prefetch(&slots_[hash & mask_]); }

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
