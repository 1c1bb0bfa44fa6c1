// One block of an n-gram index: the places of a piece of a token line, sorted by what follows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace corpuskit {

/// Tokens of documents, one behind the other, each document closed by the mark `end`. They are
/// ids below 2^31, of 2 or of 4 bytes.
struct TokenLine {
    const void* tokens;
    std::size_t size;
    int width;  // bytes of a token, 2 or 4
    std::uint32_t end;
};

inline constexpr std::size_t kMostBlockTokens = std::size_t{1} << 24;
inline constexpr std::size_t kEntryBytes = 3;
inline constexpr std::size_t kPageEntries = 4096;

/// Sums of pages of so many entries, with which a reader checks what it looks at.
inline std::size_t pages_of(std::size_t entries) {
    return (entries + kPageEntries - 1) / kPageEntries;
}

/// Entry k is where, from the block's start on, the suffix of rank k begins: 3 bytes, the lowest
/// first.
struct NgramBlock {
    std::vector<std::uint8_t> entries;
    std::vector<std::uint64_t> sums;
};

/// The tokens [start, start + count) of a line, sorted by what the line has from each of them to
/// the end of its document: also beyond the block. Which comes first of places that are equal so
/// far is told by the tokens of the block alone.
///
/// Time is linear in the block, and in what follows of a document that a block ends within as far
/// as that document repeats itself. Memory: about 12 bytes a token of the block, and 8 for each id.
///
/// Throws std::invalid_argument for a block outside of the line or of more than 2^24 tokens, and
/// for an id of 2^31 or more.
NgramBlock build_ngram_block(const TokenLine& line, std::size_t start, std::size_t count);

/// The sum of a page; `page` has up to 4096 entries.
std::uint64_t page_sum(const std::uint8_t* page, std::size_t entries);

}  // namespace corpuskit
