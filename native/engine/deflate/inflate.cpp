#include "engine/deflate/inflate.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "engine/deflate/codes.hpp"

namespace corpuskit {

namespace {

using deflate::Code;
using deflate::Entry;

constexpr std::size_t kLetters = 288, kDistances = 32, kLengths = 19;
constexpr std::size_t kLongestMatch = 258;
/// Bytes behind a match that a copy by words may overwrite.
constexpr std::size_t kSlack = 16;

/// The bits that come next, the lowest of a byte first. Behind the end they are 0, and `overrun`
/// tells that some of those were taken.
class Bits {
  public:
    Bits(const std::uint8_t* data, std::size_t size, std::size_t from)
        : data_(data), end_(data + size), at_(data + std::min(from, size)) {}

    /// Makes at least 56 bits ready.
    void refill() {
        if (end_ - at_ >= 8 && std::endian::native == std::endian::little) {
            std::uint64_t some;
            std::memcpy(&some, at_, 8);
            ready_ |= some << count_;
            at_ += (63 - count_) >> 3;
            count_ |= 56;
            return;
        }
        for (; count_ <= 56; count_ += 8) {
            if (at_ < end_) ready_ |= std::uint64_t{*at_++} << count_;
            else ++missing_;
        }
    }
    std::uint64_t ready() const { return ready_; }
    void skip(unsigned count) {
        ready_ >>= count;
        count_ -= count;
    }
    /// Takes up to 16 bits.
    std::uint32_t take(unsigned count) {
        refill();
        const auto value = static_cast<std::uint32_t>(ready_ & ((std::uint64_t{1} << count) - 1));
        skip(count);
        return value;
    }
    bool overrun() const { return missing_ > count_ / 8; }
    /// Where the next whole byte is; what is left of this one is passed over.
    const std::uint8_t* to_byte() {
        skip(count_ & 7);
        at_ -= std::min<std::size_t>(count_ / 8 - missing_, static_cast<std::size_t>(at_ - data_));
        ready_ = 0, count_ = 0, missing_ = 0;
        return at_;
    }
    void go_to(const std::uint8_t* at) { at_ = at; }
    const std::uint8_t* end() const { return end_; }

  private:
    const std::uint8_t *data_, *end_, *at_;
    std::uint64_t ready_ = 0;
    unsigned count_ = 0;
    std::size_t missing_ = 0;  // bytes of `ready_` that are behind the end
};

/// What a whole block is decoded by.
struct Codes {
    Code<11, kLetters> letters;
    Code<9, kDistances> distances;
};

const std::array<Entry, kLetters>& letter_symbols() {
    static const auto symbols = [] {
        std::array<Entry, kLetters> made{};
        for (std::size_t i = 0; i < 256; ++i) made[i] = {static_cast<std::uint16_t>(i), 0, Entry::kLiteral};
        made[256] = {0, 0, Entry::kEnd};
        std::uint16_t base = 3;
        for (std::size_t i = 257; i < 285; ++i) {
            const auto extra = static_cast<std::uint8_t>(i < 265 ? 0 : (i - 261) / 4);
            made[i] = {base, 0, extra};
            base = static_cast<std::uint16_t>(base + (1U << extra));
        }
        made[285] = {kLongestMatch, 0, 0};
        made[286] = made[287] = {0, 0, Entry::kBad};
        return made;
    }();
    return symbols;
}

const std::array<Entry, kDistances>& distance_symbols() {
    static const auto symbols = [] {
        std::array<Entry, kDistances> made{};
        std::uint32_t base = 1;
        for (std::size_t i = 0; i < 30; ++i) {
            const auto extra = static_cast<std::uint8_t>(i < 4 ? 0 : i / 2 - 1);
            made[i] = {static_cast<std::uint16_t>(base), 0, extra};
            base += 1U << extra;
        }
        made[30] = made[31] = {0, 0, Entry::kBad};
        return made;
    }();
    return symbols;
}

const std::array<Entry, kLengths>& length_symbols() {
    static const auto symbols = [] {
        std::array<Entry, kLengths> made{};
        for (std::size_t i = 0; i < kLengths; ++i) made[i] = {static_cast<std::uint16_t>(i), 0, Entry::kLiteral};
        return made;
    }();
    return symbols;
}

bool read_fixed(Codes& codes) {
    std::array<std::uint8_t, kLetters> letters{};
    std::array<std::uint8_t, kDistances> distances{};
    for (std::size_t i = 0; i < kLetters; ++i) letters[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    distances.fill(5);
    return codes.letters.build(letters.data(), kLetters, letter_symbols()) &&
           codes.distances.build(distances.data(), kDistances, distance_symbols());
}

bool read_codes(Bits& bits, Codes& codes) {
    static constexpr std::uint8_t kOrder[kLengths] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                      11, 4,  12, 3, 13, 2, 14, 1, 15};
    const std::size_t letters = 257 + bits.take(5), distances = 1 + bits.take(5);
    const std::size_t lengths = 4 + bits.take(4);
    if (letters > 286 || distances > 30) return false;
    std::array<std::uint8_t, kLengths> of_lengths{};
    for (std::size_t i = 0; i < lengths; ++i)
        of_lengths[kOrder[i]] = static_cast<std::uint8_t>(bits.take(3));
    Code<7, kLengths> code;
    if (!code.build(of_lengths.data(), kLengths, length_symbols())) return false;
    std::array<std::uint8_t, kLetters + kDistances> found{};
    const std::size_t all = letters + distances;
    for (std::size_t i = 0; i < all;) {
        bits.refill();
        const Entry entry = code.next(bits.ready());
        if (entry.kind == Entry::kBad || bits.overrun()) return false;
        bits.skip(entry.bits);
        if (entry.value < 16) {
            found[i++] = static_cast<std::uint8_t>(entry.value);
            continue;
        }
        if (entry.value == 16 && i == 0) return false;
        const std::uint8_t again = entry.value == 16 ? found[i - 1] : 0;
        const std::size_t times = entry.value == 16   ? 3 + bits.take(2)
                                  : entry.value == 17 ? 3 + bits.take(3)
                                                      : 11 + bits.take(7);
        if (times > all - i) return false;
        std::fill_n(found.begin() + static_cast<std::ptrdiff_t>(i), times, again);
        i += times;
    }
    if (found[256] == 0) return false;
    return codes.letters.build(found.data(), letters, letter_symbols()) &&
           codes.distances.build(found.data() + letters, distances, distance_symbols());
}

/// Copies a match; `room` bytes may be written.
std::uint8_t* copy(std::uint8_t* out, std::size_t distance, std::size_t length, std::size_t room) {
    const std::uint8_t* from = out - distance;
    std::uint8_t* const end = out + length;
    if (distance >= 8 && room >= length + kSlack) {
        for (; out < end; out += 8, from += 8) std::memcpy(out, from, 8);
        return end;
    }
    if (distance == 1) {
        std::memset(out, *from, length);
        return end;
    }
    while (out < end) *out++ = *from++;
    return end;
}

/// The bytes of a block in codes; null where it is damaged or gives more than there is room for.
std::uint8_t* decode_block(Bits& bits, const Codes& codes, const std::uint8_t* begin,
                           std::uint8_t* out, std::uint8_t* end) {
    const auto extra = [&bits](Entry of) {
        const auto value = of.value + (bits.ready() & ((std::uint64_t{1} << of.kind) - 1));
        bits.skip(of.kind);
        return static_cast<std::size_t>(value);
    };
    bits.refill();
    Entry entry = codes.letters.next(bits.ready());
    for (;;) {
        // Three letters are 45 bits of the 56, and the code behind them may be looked at.
        for (int more = 0; entry.kind == Entry::kLiteral; ++more) {
            if (out == end) return nullptr;
            bits.skip(entry.bits);
            *out++ = static_cast<std::uint8_t>(entry.value);
            if (more == 2) bits.refill(), more = -1;
            entry = codes.letters.next(bits.ready());
        }
        if (bits.overrun()) return nullptr;
        bits.skip(entry.bits);
        if (entry.kind == Entry::kEnd) return out;
        if (entry.kind == Entry::kBad) return nullptr;
        bits.refill();
        const std::size_t length = extra(entry);
        const Entry far = codes.distances.next(bits.ready());
        if (far.kind == Entry::kBad) return nullptr;
        bits.skip(far.bits);
        const std::size_t distance = extra(far), room = static_cast<std::size_t>(end - out);
        if (distance > static_cast<std::size_t>(out - begin) || length > room) return nullptr;
        // The next code is looked up while the match is copied.
        bits.refill();
        entry = codes.letters.next(bits.ready());
        out = copy(out, distance, length, room);
    }
}

/// A block that is stored as it is.
std::uint8_t* copy_block(Bits& bits, std::uint8_t* out, std::uint8_t* end) {
    if (bits.overrun()) return nullptr;
    const std::uint8_t* at = bits.to_byte();
    if (bits.end() - at < 4) return nullptr;
    const std::size_t size = at[0] | std::size_t{at[1]} << 8;
    if (size != ((at[2] | std::size_t{at[3]} << 8) ^ 0xFFFF)) return nullptr;
    at += 4;
    if (static_cast<std::size_t>(bits.end() - at) < size) return nullptr;
    if (static_cast<std::size_t>(end - out) < size) return nullptr;
    if (size > 0) std::memcpy(out, at, size);
    bits.go_to(at + size);
    return out + size;
}

}  // namespace

std::size_t inflate(const std::uint8_t* data, std::size_t size, std::size_t from, std::uint8_t* out,
                    std::size_t out_size) {
    Bits bits(data, size, from);
    std::uint8_t *at = out, *const end = out + out_size;
    Codes codes;
    for (bool last = false; !last;) {
        last = bits.take(1) != 0;
        const std::uint32_t kind = bits.take(2);
        if (kind == 0) {
            at = copy_block(bits, at, end);
        } else {
            if (kind == 3 || !(kind == 1 ? read_fixed(codes) : read_codes(bits, codes))) return 0;
            at = decode_block(bits, codes, out, at, end);
        }
        if (at == nullptr || bits.overrun()) return 0;
    }
    if (at != end) return 0;
    return static_cast<std::size_t>(bits.to_byte() - data);
}

}  // namespace corpuskit
