#include "engine/quality/spaces.hpp"

#include <bit>
#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "engine/quality/characters.hpp"

namespace corpuskit::quality {

namespace {

constexpr std::size_t kBlock = 64;

/// A bit for each of 64 bytes.
struct Marks {
    std::uint64_t spaces = 0;  // white space of ASCII
    std::uint64_t leads = 0;   // what leads U+0085 and U+00A0, U+1680, U+2000 to U+205F, U+3000
};

#ifdef __SSE2__
Marks marks_of(const char* block) {
    const auto all = [](int byte) { return _mm_set1_epi8(static_cast<char>(byte)); };
    // Whether bytes lie in [first, first + count): SSE2 compares signed ones alone.
    const auto within = [&](__m128i bytes, int first, int count) {
        return _mm_cmplt_epi8(_mm_sub_epi8(bytes, all(first + 128)), all(count - 128));
    };
    const auto bits = [](__m128i bytes) {
        return std::uint64_t{static_cast<std::uint32_t>(_mm_movemask_epi8(bytes))};
    };
    Marks marks;
    std::uint64_t wide = 0;
    __m128i parts[4];
    for (int i = 0; i < 4; ++i) {
        parts[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 16 * i));
        const __m128i spaces = _mm_or_si128(within(parts[i], '\t', 5), within(parts[i], 0x1C, 5));
        marks.spaces |= bits(spaces) << (16 * i);
        wide |= bits(parts[i]);
    }
    if (wide == 0) return marks;
    for (int i = 0; i < 4; ++i) {
        const __m128i leads =
            _mm_or_si128(_mm_cmpeq_epi8(parts[i], all(0xC2)), within(parts[i], 0xE1, 3));
        marks.leads |= bits(leads) << (16 * i);
    }
    return marks;
}
#else
Marks marks_of(const char* block) {
    Marks marks;
    for (std::size_t i = 0; i < kBlock; ++i) {
        const auto byte = static_cast<unsigned char>(block[i]);
        const bool space = (byte >= '\t' && byte <= '\r') || (byte >= 0x1C && byte <= ' ');
        const bool lead = byte == 0xC2 || (byte >= 0xE1 && byte <= 0xE3);
        marks.spaces |= std::uint64_t{space} << i;
        marks.leads |= std::uint64_t{lead} << i;
    }
    return marks;
}
#endif

/// Writes the places of the bits of a block that begins at `base`; returns where they end.
std::size_t* put_places(std::uint64_t bits, std::size_t base, std::size_t* out) {
    for (; bits != 0; bits &= bits - 1)
        *out++ = base + static_cast<std::size_t>(std::countr_zero(bits));
    return out;
}

}  // namespace

void Spaces::split(std::string_view text, Words& words) {
    mark(text);
    // A piece begins where white space ends, and ends where it begins.
    const auto each_block = [this](auto use) {
        std::uint64_t before = 1;
        for (std::size_t i = 0; i < bits_.size(); ++i) {
            const std::uint64_t edges = bits_[i] ^ (bits_[i] << 1 | before);
            use(i * kBlock, edges & ~bits_[i], edges & bits_[i]);
            before = bits_[i] >> (kBlock - 1);
        }
    };
    std::size_t count = 0;
    each_block([&](std::size_t, std::uint64_t begins, std::uint64_t) {
        count += static_cast<std::size_t>(std::popcount(begins));
    });
    words.clear();
    words.begin.resize(count), words.end.resize(count);
    std::size_t *begin = words.begin.data(), *end = words.end.data();
    each_block([&](std::size_t base, std::uint64_t begins, std::uint64_t ends) {
        begin = put_places(begins, base, begin), end = put_places(ends, base, end);
    });
}

void Spaces::mark(std::string_view text) {
    bits_.assign(text.size() / kBlock + 1, 0);
    for (std::size_t i = 0; i < bits_.size(); ++i) {
        const std::size_t at = i * kBlock, left = text.size() - at;
        Marks marks;
        if (left >= kBlock) {
            marks = marks_of(text.data() + at);
        } else {
            char block[kBlock];
            std::memset(block, ' ', kBlock);
            if (left > 0) std::memcpy(block, text.data() + at, left);
            marks = marks_of(block);
        }
        bits_[i] |= marks.spaces;
        for (; marks.leads != 0; marks.leads &= marks.leads - 1)
            mark_wide(text, at + static_cast<std::size_t>(std::countr_zero(marks.leads)));
    }
}

void Spaces::mark_wide(std::string_view text, std::size_t at) {
    std::size_t end = at;
    if ((characters().flags(next_code_point(text, end)) & kPythonSpace) == 0) return;
    for (; at < end; ++at) bits_[at / kBlock] |= std::uint64_t{1} << (at % kBlock);
}

}  // namespace corpuskit::quality
