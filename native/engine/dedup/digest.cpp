#include "engine/dedup/digest.hpp"

#include <bit>
#include <cstddef>

namespace corpuskit {

namespace {

constexpr std::uint64_t kFirst = 0x87c37b91114253d5ULL, kSecond = 0x4cf5ad432745937fULL;

/// Up to 8 bytes as a number, the first one lowest, whatever the machine's order.
std::uint64_t number(std::string_view bytes) {
    std::uint64_t value = 0;
    for (std::size_t i = bytes.size(); i-- > 0;)
        value = value << 8 | static_cast<unsigned char>(bytes[i]);
    return value;
}
std::uint64_t first_mixed(std::uint64_t k) { return std::rotl(k * kFirst, 31) * kSecond; }
std::uint64_t second_mixed(std::uint64_t k) { return std::rotl(k * kSecond, 33) * kFirst; }

}  // namespace

Digest digest_of(std::string_view bytes, std::uint64_t seed) {
    std::uint64_t a = seed, b = seed;
    std::string_view rest = bytes;
    for (; rest.size() >= 16; rest.remove_prefix(16)) {
        a = (std::rotl(a ^ first_mixed(number(rest.substr(0, 8))), 27) + b) * 5 + 0x52dce729;
        b = (std::rotl(b ^ second_mixed(number(rest.substr(8, 8))), 31) + a) * 5 + 0x38495ab5;
    }
    if (rest.size() > 8) b ^= second_mixed(number(rest.substr(8)));
    if (!rest.empty()) a ^= first_mixed(number(rest.substr(0, 8)));
    a ^= bytes.size(), b ^= bytes.size();
    a += b, b += a;
    a = spread(a), b = spread(b);
    a += b, b += a;
    return {a, b};
}

}  // namespace corpuskit
