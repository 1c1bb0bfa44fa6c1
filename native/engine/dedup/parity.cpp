#include "engine/dedup/parity.hpp"

#include <bit>

namespace corpuskit {

namespace {

using Count = std::uint64_t (*)(const Parity& a, const Parity& b);

std::uint64_t count_portable(const Parity& a, const Parity& b) {
    int found = 0;
    for (std::size_t i = 0; i < 8; ++i) found += std::popcount(a.bits[i] ^ b.bits[i]);
    return static_cast<std::uint64_t>(found);
}

#if defined(__x86_64__) && defined(__GNUC__)
__attribute__((target("popcnt"))) std::uint64_t count_popcnt(const Parity& a, const Parity& b) {
    std::uint64_t found = 0;
    for (std::size_t i = 0; i < 8; ++i)
        found += static_cast<std::uint64_t>(__builtin_popcountll(a.bits[i] ^ b.bits[i]));
    return found;
}
Count fastest() { return __builtin_cpu_supports("popcnt") ? count_popcnt : count_portable; }
#else
Count fastest() { return count_portable; }
#endif

}  // namespace

std::uint64_t differing(const Parity& a, const Parity& b) {
    static const Count count = fastest();
    return count(a, b);
}

}  // namespace corpuskit
