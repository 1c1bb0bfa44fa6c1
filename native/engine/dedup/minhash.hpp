// MinHash signatures (Broder 1997), bit for bit those of datasketch 2 with its scheme "affine32":
// XXH32 of a shingle, mixed once, and a * h + b modulo 2^32 for each permutation, a odd.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/text/column.hpp"

namespace corpuskit {

inline constexpr std::size_t kPermutations = 128;

/// Parameters of the permutations.
struct Permutations {
    std::uint32_t a[kPermutations], b[kPermutations];
};

/// Which instructions make signatures. All give the same.
enum class Lanes { kPortable, kAvx2, kAvx512 };
/// The widest that this processor has.
Lanes widest_lanes();

struct Signatures {
    std::vector<std::uint32_t> values;  // kPermutations of each text
    std::vector<std::uint8_t> there;    // whether the text has a shingle
    std::vector<std::uint64_t> digests;  // two of each text: XXH64 of its bytes with two seeds
};
Signatures signatures(const Column& texts, std::size_t words, const Permutations& permutations,
                      Lanes lanes);

/// Keys of bands: of each signature `bands` times a hash of `rows` values. Two signatures share the
/// key of a band where they agree in it, and else as good as never.
std::vector<std::uint64_t> band_keys(const std::uint32_t* values, std::size_t count,
                                     std::size_t bands, std::size_t rows);

}  // namespace corpuskit
