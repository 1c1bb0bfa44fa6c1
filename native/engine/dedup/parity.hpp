// What two sets can at most have in common, from a few bytes of each.
#pragma once

#include <cstddef>
#include <cstdint>

namespace corpuskit {

/// Of 512 classes of tokens, which a set has an odd number of. Where two sets differ in a class,
/// one has a token that the other lacks (Sandes, Teodoro, Melo 2020).
struct Parity {
    std::uint64_t bits[8] = {};

    void flip(std::uint64_t token) { bits[token >> 61] ^= std::uint64_t{1} << (token >> 55 & 63); }
};

/// The number of classes in which two sets differ: at least so many tokens are in one alone.
std::uint64_t differing(const Parity& a, const Parity& b);

}  // namespace corpuskit
