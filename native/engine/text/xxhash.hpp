// XXH32 and XXH64, from their specification: https://github.com/Cyan4973/xxHash,
// doc/xxhash_spec.md.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace corpuskit {

namespace xxhash {

/// A number of the bytes at a place, the lowest first.
template <typename T>
T read(const char* at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    if constexpr (std::endian::native == std::endian::big) {
        T turned = 0;
        for (std::size_t i = 0; i < sizeof value; ++i, value >>= 8)
            turned = static_cast<T>(turned << 8 | (value & 0xFF));
        return turned;
    }
    return value;
}

inline constexpr std::uint32_t k32[] = {0x9E3779B1U, 0x85EBCA77U, 0xC2B2AE3DU, 0x27D4EB2FU,
                                        0x165667B1U};
inline constexpr std::uint64_t k64[] = {0x9E3779B185EBCA87U, 0xC2B2AE3D27D4EB4FU,
                                        0x165667B19E3779F9U, 0x85EBCA77C2B2AE63U,
                                        0x27D4EB2F165667C5U};

inline std::uint32_t round(std::uint32_t state, std::uint32_t lane) {
    return std::rotl(state + lane * k32[1], 13) * k32[0];
}
inline std::uint64_t round(std::uint64_t state, std::uint64_t lane) {
    return std::rotl(state + lane * k64[1], 31) * k64[0];
}

}  // namespace xxhash

inline std::uint32_t xxh32(std::string_view bytes, std::uint32_t seed = 0) {
    using namespace xxhash;
    const char *at = bytes.data(), *const end = at + bytes.size();
    std::uint32_t state = seed + k32[4];
    if (bytes.size() >= 16) {
        std::uint32_t lanes[] = {seed + k32[0] + k32[1], seed + k32[1], seed, seed - k32[0]};
        for (; end - at >= 16; at += 16)
            for (int i = 0; i < 4; ++i)
                lanes[i] = round(lanes[i], read<std::uint32_t>(at + 4 * i));
        state = std::rotl(lanes[0], 1) + std::rotl(lanes[1], 7) + std::rotl(lanes[2], 12) +
                std::rotl(lanes[3], 18);
    }
    state += static_cast<std::uint32_t>(bytes.size());
    for (; end - at >= 4; at += 4)
        state = std::rotl(state + read<std::uint32_t>(at) * k32[2], 17) * k32[3];
    for (; at != end; ++at)
        state = std::rotl(state + static_cast<std::uint8_t>(*at) * k32[4], 11) * k32[0];
    state = (state ^ (state >> 15)) * k32[1];
    state = (state ^ (state >> 13)) * k32[2];
    return state ^ (state >> 16);
}

inline std::uint64_t xxh64(std::string_view bytes, std::uint64_t seed = 0) {
    using namespace xxhash;
    const char *at = bytes.data(), *const end = at + bytes.size();
    std::uint64_t state = seed + k64[4];
    if (bytes.size() >= 32) {
        std::uint64_t lanes[] = {seed + k64[0] + k64[1], seed + k64[1], seed, seed - k64[0]};
        for (; end - at >= 32; at += 32)
            for (int i = 0; i < 4; ++i)
                lanes[i] = round(lanes[i], read<std::uint64_t>(at + 8 * i));
        state = std::rotl(lanes[0], 1) + std::rotl(lanes[1], 7) + std::rotl(lanes[2], 12) +
                std::rotl(lanes[3], 18);
        for (const std::uint64_t lane : lanes)
            state = (state ^ round(std::uint64_t{0}, lane)) * k64[0] + k64[3];
    }
    state += bytes.size();
    for (; end - at >= 8; at += 8)
        state = std::rotl(state ^ round(std::uint64_t{0}, read<std::uint64_t>(at)), 27) * k64[0] +
                k64[3];
    if (end - at >= 4) {
        state = std::rotl(state ^ (read<std::uint32_t>(at) * k64[0]), 23) * k64[1] + k64[2];
        at += 4;
    }
    for (; at != end; ++at)
        state = std::rotl(state ^ (static_cast<std::uint8_t>(*at) * k64[4]), 11) * k64[0];
    state = (state ^ (state >> 33)) * k64[1];
    state = (state ^ (state >> 29)) * k64[2];
    return state ^ (state >> 32);
}

}  // namespace corpuskit
