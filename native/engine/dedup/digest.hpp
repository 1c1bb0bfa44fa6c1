// A digest of bytes by which equal ones are found.
#pragma once

#include <cstdint>
#include <string_view>

namespace corpuskit {

/// 128 bits as two words.
struct Digest {
    std::uint64_t first, second;
};

/// MurmurHash3 for 64-bit machines, 128 bits (A. Appleby): the same on every machine. Made to tell
/// texts apart, not to withstand somebody who makes two alike on purpose.
Digest digest_of(std::string_view bytes, std::uint64_t seed = 0);

/// Spreads the bits of a number over all of it; no two numbers become one.
inline std::uint64_t spread(std::uint64_t x) {
    x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdULL;
    x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ULL;
    return x ^ (x >> 33);
}

}  // namespace corpuskit
