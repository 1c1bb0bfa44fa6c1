// Prefix codes of deflate as tables: one look for short codes, two for long ones.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace corpuskit::deflate {

/// What a code stands for.
struct Entry {
    static constexpr std::uint8_t kLiteral = 32, kEnd = 33, kTable = 34, kBad = 35;

    std::uint16_t value;  // a byte, the least length or distance, or where a second table is
    std::uint8_t bits;    // of the code; of a table, how many bits tell the place in it
    std::uint8_t kind;    // one of those above, or how many bits are added to the value
};

/// The code of up to kSymbols symbols, of up to 15 bits each; kBits of them are looked up at once.
template <unsigned kBits, std::size_t kSymbols>
class Code {
  public:
    /// Builds it from the bits of each symbol's code, 0 for those that have none, and what each
    /// stands for. False where no such code is: more codes than fit, or fewer, but for one alone
    /// or none, which are bad when they are read.
    bool build(const std::uint8_t* lengths, std::size_t count,
               const std::array<Entry, kSymbols>& symbols) {
        std::array<std::uint32_t, kLongest + 1> counts{}, next{};
        for (std::size_t i = 0; i < count; ++i) ++counts[lengths[i]];
        const std::size_t used = count - counts[0];
        counts[0] = 0;
        std::int64_t left = 1;
        for (unsigned bits = 1; bits <= kLongest; ++bits) {
            left = left * 2 - counts[bits];
            if (left < 0) return false;
            next[bits] = (next[bits - 1] + counts[bits - 1]) << 1;
        }
        const bool single = used == 1 && counts[1] == 1;
        if (left > 0 && used > 0 && !(single && kBits == 9)) return false;
        if (used == 0 && kBits != 9) return false;
        std::fill(table_.begin(), table_.begin() + kFirst, Entry{0, 1, Entry::kBad});
        std::array<std::uint8_t, kFirst> longest{};
        std::array<std::uint16_t, kSymbols> codes{};
        for (std::size_t i = 0; i < count; ++i) {
            if (lengths[i] == 0) continue;
            codes[i] = reversed(next[lengths[i]]++, lengths[i]);
            auto& most = longest[codes[i] & (kFirst - 1)];
            if (lengths[i] > kBits) most = std::max(most, lengths[i]);
        }
        std::size_t end = kFirst;
        for (std::size_t first = 0; first < kFirst; ++first) {
            if (longest[first] == 0) continue;
            const auto more = static_cast<std::uint8_t>(longest[first] - kBits);
            table_[first] = {static_cast<std::uint16_t>(end), more, Entry::kTable};
            std::fill_n(table_.begin() + static_cast<std::ptrdiff_t>(end), std::size_t{1} << more,
                        Entry{0, 1, Entry::kBad});
            end += std::size_t{1} << more;
        }
        for (std::size_t i = 0; i < count; ++i)
            if (lengths[i] != 0) put(codes[i], lengths[i], symbols[i]);
        return true;
    }

    /// What the next bits, the lowest first, are a code of.
    Entry next(std::uint64_t ready) const {
        const Entry entry = table_[ready & (kFirst - 1)];
        if (entry.kind != Entry::kTable) return entry;
        return table_[entry.value + (ready >> kBits & ((1U << entry.bits) - 1))];
    }

  private:
    static constexpr unsigned kLongest = 15;
    static constexpr std::size_t kFirst = std::size_t{1} << kBits;
    /// A second table is never larger than twice the codes in it.
    static constexpr std::size_t kSize = kFirst + 2 * kSymbols + (std::size_t{1} << (kLongest - kBits));

    static std::uint16_t reversed(std::uint32_t code, unsigned bits) {
        std::uint32_t back = 0;
        for (unsigned i = 0; i < bits; ++i) back = back << 1 | (code >> i & 1);
        return static_cast<std::uint16_t>(back);
    }
    void put(std::uint16_t code, std::uint8_t bits, Entry symbol) {
        symbol.bits = bits;
        if (bits <= kBits) {
            for (std::size_t i = code; i < kFirst; i += std::size_t{1} << bits) table_[i] = symbol;
            return;
        }
        const Entry second = table_[code & (kFirst - 1)];
        const std::size_t size = std::size_t{1} << second.bits;
        for (std::size_t i = code >> kBits; i < size; i += std::size_t{1} << (bits - kBits))
            table_[second.value + i] = symbol;
    }

    std::array<Entry, kSize> table_;
};

}  // namespace corpuskit::deflate
