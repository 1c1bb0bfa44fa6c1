#include "engine/bzip2/codes.hpp"

#include <algorithm>

namespace corpuskit::bz2 {

bool HuffmanTable::build(const std::uint8_t* bits, unsigned symbol_count) {
    std::array<unsigned, kMaxCodeBits + 2> counts{};
    for (unsigned s = 0; s < symbol_count; ++s) ++counts[bits[s]];
    count = 0;
    for (unsigned n = 1; n <= kMaxCodeBits; ++n)
        for (unsigned s = 0; s < symbol_count; ++s)
            if (bits[s] == n) symbols[count++] = static_cast<std::uint16_t>(s);
    fast.fill(0);
    std::uint32_t code = 0;
    std::int32_t index = 0;
    for (unsigned n = 1; n <= kMaxCodeBits; ++n) {
        code <<= 1;
        if (code + counts[n] > (1u << n)) return false;
        base[n] = index - static_cast<std::int32_t>(code);
        for (unsigned i = 0; n <= kFastBits && i < counts[n]; ++i) {
            const auto entry =
                static_cast<std::uint16_t>(symbols[static_cast<unsigned>(index) + i] << 5 | n);
            const std::uint32_t first = (code + i) << (kFastBits - n);
            std::fill_n(fast.begin() + first, 1u << (kFastBits - n), entry);
        }
        code += counts[n];
        index += static_cast<std::int32_t>(counts[n]);
        limit[n] = code << (kMaxCodeBits - n);
    }
    return true;
}

namespace {

/// The bytes that occur: 16 bits say which rows of 16 bytes have any.
bool read_bytes(BitReader& in, BlockHead& head) {
    const std::uint32_t rows = in.take(16);
    head.used = 0;
    for (unsigned row = 0; row < 16; ++row) {
        if ((rows >> (15 - row) & 1) == 0) continue;
        const std::uint32_t map = in.take(16);
        for (unsigned i = 0; i < 16; ++i)
            if (map >> (15 - i) & 1)
                head.bytes[head.used++] = static_cast<std::uint8_t>(row * 16 + i);
    }
    return head.used > 0;
}

/// Which table each group of 50 symbols is coded with, as move-to-front indices in unary.
bool read_selectors(BitReader& in, BlockHead& head) {
    std::array<std::uint8_t, kMaxTables> order{0, 1, 2, 3, 4, 5};
    const unsigned stated = head.selectors;
    for (unsigned i = 0; i < stated; ++i) {
        if (in.overrun()) return false;
        in.refill();
        unsigned rank = 0;
        while (rank < head.tables && in.peek(1)) {
            in.skip(1);
            ++rank;
        }
        if (rank == head.tables) return false;
        in.skip(1);
        std::rotate(order.begin(), order.begin() + rank, order.begin() + rank + 1);
        // Some encoders state more than can be used.
        if (i < kMaxSelectors) head.selector[i] = order[0];
    }
    head.selectors = std::min(stated, kMaxSelectors);
    return true;
}

/// The bits of each symbol's code, as differences.
bool read_code_bits(BitReader& in, std::array<std::uint8_t, kMaxSymbols>& bits, unsigned symbols) {
    unsigned current = in.take(5);
    for (unsigned s = 0; s < symbols; ++s) {
        while (true) {
            if (current < 1 || current > kMaxCodeBits || in.overrun()) return false;
            in.refill();
            if (in.peek(1) == 0) break;
            current = in.peek(2) & 1 ? current - 1 : current + 1;
            in.skip(2);
        }
        in.skip(1);
        bits[s] = static_cast<std::uint8_t>(current);
    }
    return true;
}

}  // namespace

const char* BlockHead::read(BitReader& in) {
    checksum = in.take(32);
    if (in.take(1)) return "the block is randomised, as bzip2 wrote before 1999";
    origin = in.take(24);
    if (!read_bytes(in, *this)) return "the block names no bytes";
    tables = in.take(3);
    selectors = in.take(15);
    if (tables < 2 || tables > kMaxTables || selectors < 1)
        return "the block's count of codes is out of range";
    if (!read_selectors(in, *this)) return "the block's choice of codes is out of range";
    for (unsigned t = 0; t < tables; ++t)
        if (!read_code_bits(in, code_bits[t], used + 2))
            return "a code of the block has no valid length";
    return nullptr;
}

}  // namespace corpuskit::bz2
