// The head of a bzip2 block: its checksum, the bytes that occur in it, and the Huffman codes of its
// symbols.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "engine/bzip2/bits.hpp"

namespace corpuskit::bz2 {

// The first digits of pi and of its square root: the format's own marks.
inline constexpr std::uint64_t kBlockMagic = 0x314159265359;
inline constexpr std::uint64_t kEndMagic = 0x177245385090;
inline constexpr unsigned kMaxSymbols = 258;
inline constexpr unsigned kMaxCodeBits = 20;
inline constexpr unsigned kMaxTables = 6;
// One for each group of a full block, 900,000 / 50, and the two that bzip2 1.0.8 adds.
inline constexpr unsigned kMaxSelectors = 18'002;
inline constexpr unsigned kGroupSymbols = 50;  ///< symbols after which the table is chosen anew
// Codes up to here are looked up at once: six tables of 2 KiB. Longer ones are found by their
// length.
inline constexpr unsigned kFastBits = 10;

/// Canonical Huffman code of up to 258 symbols and 20 bits.
struct HuffmanTable {
    std::array<std::uint16_t, 1u << kFastBits> fast;  ///< symbol * 32 + bits; 0: the code is longer
    std::array<std::uint32_t, kMaxCodeBits + 2>
        limit;  ///< first 20-bit prefix above the codes of n bits
    std::array<std::int32_t, kMaxCodeBits + 2> base;  ///< index of a code of n bits = code + base
    std::array<std::uint16_t, kMaxSymbols> symbols;              ///< in the order of their codes
    unsigned count = 0;

    /// Builds the code from the bits of each symbol; false if there are more codes than fit.
    bool build(const std::uint8_t* bits, unsigned symbol_count);
};

/// What a block says before its symbols.
struct BlockHead {
    std::uint32_t checksum = 0;
    std::uint32_t origin = 0;  ///< row of the sorted rotations that is the text
    unsigned used = 0;         ///< different bytes in the block
    std::array<std::uint8_t, 256> bytes;
    unsigned tables = 0;
    unsigned selectors = 0;
    std::array<std::uint8_t, kMaxSelectors> selector;
    std::array<std::array<std::uint8_t, kMaxSymbols>, kMaxTables> code_bits;

    /// Reads the head behind the magic number. Returns what is wrong, nullptr if nothing is.
    const char* read(BitReader& in);
};

}  // namespace corpuskit::bz2
