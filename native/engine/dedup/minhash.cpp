#include "engine/dedup/minhash.hpp"

#include <algorithm>
#include <limits>
#include <string_view>

#include "engine/dedup/shingles.hpp"
#include "engine/text/xxhash.hpp"

#if defined(__x86_64__) && defined(__GNUC__)
#define CORPUSKIT_X86 1
#include <immintrin.h>
#endif

namespace corpuskit {

namespace {

constexpr std::size_t kBlock = 1024;  // hashes that are permuted at a time

/// The finalizer of MurmurHash3 (public domain).
std::uint32_t mixed(std::uint32_t h) {
    h = (h ^ (h >> 16)) * 0x85EBCA6BU;
    h = (h ^ (h >> 13)) * 0xC2B2AE35U;
    return h ^ (h >> 16);
}

/// Lowers each of the values to the least that its permutation makes of the hashes.
using Lower = void (*)(const std::uint32_t* hashes, std::size_t count, const Permutations& by,
                       std::uint32_t* values);

void lower_portable(const std::uint32_t* hashes, std::size_t count, const Permutations& by,
                    std::uint32_t* values) {
    for (std::size_t i = 0; i < count; ++i)
        for (std::size_t k = 0; k < kPermutations; ++k)
            values[k] = std::min(values[k], by.a[k] * hashes[i] + by.b[k]);
}

#ifdef CORPUSKIT_X86
// Values and parameters of some permutations stay in registers while all hashes pass.
__attribute__((target("avx2"))) void lower_avx2(const std::uint32_t* hashes, std::size_t count,
                                                const Permutations& by, std::uint32_t* values) {
    for (std::size_t k = 0; k < kPermutations; k += 32) {
        __m256i a[4], b[4], least[4];
        const auto* from_a = reinterpret_cast<const __m256i*>(by.a + k);
        const auto* from_b = reinterpret_cast<const __m256i*>(by.b + k);
        auto* to = reinterpret_cast<__m256i*>(values + k);
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) {
            a[j] = _mm256_loadu_si256(from_a + j), b[j] = _mm256_loadu_si256(from_b + j);
            least[j] = _mm256_loadu_si256(to + j);
        }
        for (std::size_t i = 0; i < count; ++i) {
            const __m256i h = _mm256_set1_epi32(static_cast<int>(hashes[i]));
#pragma GCC unroll 4
            for (int j = 0; j < 4; ++j)
                least[j] = _mm256_min_epu32(
                    least[j], _mm256_add_epi32(_mm256_mullo_epi32(a[j], h), b[j]));
        }
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) _mm256_storeu_si256(to + j, least[j]);
    }
}

__attribute__((target("avx512f"))) void lower_avx512(const std::uint32_t* hashes,
                                                     std::size_t count, const Permutations& by,
                                                     std::uint32_t* values) {
    __m512i a[8], b[8], least[8];
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) {
        a[j] = _mm512_loadu_si512(by.a + 16 * j), b[j] = _mm512_loadu_si512(by.b + 16 * j);
        least[j] = _mm512_loadu_si512(values + 16 * j);
    }
    for (std::size_t i = 0; i < count; ++i) {
        const __m512i h = _mm512_set1_epi32(static_cast<int>(hashes[i]));
#pragma GCC unroll 8
        for (int j = 0; j < 8; ++j)
            // With a mask of all, since gcc 12 warns of the form without.
            least[j] = _mm512_mask_min_epu32(
                least[j], 0xFFFF, least[j],
                _mm512_add_epi32(_mm512_mullo_epi32(a[j], h), b[j]));
    }
#pragma GCC unroll 8
    for (int j = 0; j < 8; ++j) _mm512_storeu_si512(values + 16 * j, least[j]);
}
#endif

Lower lower_with(Lanes lanes) {
#ifdef CORPUSKIT_X86
    // Asked for more than there is: as wide as it goes.
    lanes = std::min(lanes, widest_lanes());
    if (lanes == Lanes::kAvx512) return lower_avx512;
    if (lanes == Lanes::kAvx2) return lower_avx2;
#endif
    static_cast<void>(lanes);
    return lower_portable;
}

}  // namespace

Lanes widest_lanes() {
#ifdef CORPUSKIT_X86
    if (__builtin_cpu_supports("avx512f")) return Lanes::kAvx512;
    if (__builtin_cpu_supports("avx2")) return Lanes::kAvx2;
#endif
    return Lanes::kPortable;
}

Signatures signatures(const Column& texts, std::size_t words, const Permutations& permutations,
                      Lanes lanes) {
    constexpr auto kMost = std::numeric_limits<std::uint32_t>::max();
    Signatures made;
    made.values.assign(texts.size * kPermutations, kMost);
    const Lower lower = lower_with(lanes);
    Shingler shingler(words);
    std::vector<std::uint32_t> hashes(kBlock);
    for (std::size_t i = 0; i < texts.size; ++i) {
        std::uint32_t* values = made.values.data() + i * kPermutations;
        std::size_t held = 0;
        const bool there = shingler.each(texts[i], [&](std::string_view shingle) {
            hashes[held++] = mixed(xxh32(shingle));
            if (held == kBlock) lower(hashes.data(), held, permutations, values), held = 0;
        });
        lower(hashes.data(), held, permutations, values);
        made.there.push_back(there);
        for (const std::uint64_t seed : {0, 1}) made.digests.push_back(xxh64(texts[i], seed));
    }
    return made;
}

std::vector<std::uint64_t> band_keys(const std::uint32_t* values, std::size_t count,
                                     std::size_t bands, std::size_t rows) {
    std::vector<std::uint64_t> keys;
    keys.reserve(count * bands);
    for (std::size_t i = 0; i < count; ++i, values += kPermutations)
        for (std::size_t band = 0; band < bands; ++band) {
            // Hashed as numbers: the bytes of a machine have no part in what is decided.
            std::uint64_t key = band + 1;
            for (std::size_t k = band * rows; k < (band + 1) * rows; ++k) {
                key = xxhash::round(key, std::uint64_t{values[k]});
                key ^= key >> 29;
            }
            key = (key ^ (key >> 33)) * xxhash::k64[1];
            keys.push_back(key ^ (key >> 32));
        }
    return keys;
}

}  // namespace corpuskit
