#include "engine/normalize/hidden.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <iterator>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "engine/text/utf8.hpp"

namespace corpuskit {

namespace {

struct Span {
    char32_t first, last;
};
constexpr Span kHidden[] = {
    {0xAD, 0xAD},       {0x34F, 0x34F},     {0x61C, 0x61C},     {0x115F, 0x1160},
    {0x17B4, 0x17B5},   {0x180E, 0x180E},   {0x200B, 0x200F},   {0x202A, 0x202E},
    {0x2060, 0x2064},   {0x2066, 0x206F},   {0x3164, 0x3164},   {0xFEFF, 0xFEFF},
    {0xFFF9, 0xFFFB},   {0xE0000, 0xE007F}, {0xE0100, 0xE01EF},
};
constexpr std::string_view kTokens[] = {
    "<|",     "<\uFF5C", "[MASK]", "[CLS]", "[SEP]", "[PAD]",   "[UNK]",           "[BOS]",
    "[EOS]",  "[INST]",  "[/INST]", "<s>",  "</s>",  "<pad>",   "<unk>",           "<mask>",
    "<bos>",  "<eos>",   "<eot>",  "<sep>", "<cls>", "<<SYS>>", "<</SYS>>",        "<extra_id_",
    "<start_of_turn>",   "<end_of_turn>",
};

bool is_hidden(char32_t c) {
    return std::any_of(std::begin(kHidden), std::end(kHidden),
                       [c](const Span& span) { return c >= span.first && c <= span.last; });
}

/// With which two bytes a hidden character may begin: of each first byte the second ones, a bit
/// each.
constexpr std::array<std::uint64_t, 256> kBegins = [] {
    std::array<std::uint64_t, 256> begins{};
    for (const Span& span : kHidden)
        for (char32_t c = span.first; c <= span.last; ++c) {
            const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;  // bytes behind the first
            const char32_t lead = (more == 1 ? 0xC0 : more == 2 ? 0xE0 : 0xF0) | c >> (6 * more);
            begins[lead] |= std::uint64_t{1} << (c >> (6 * (more - 1)) & 0x3F);
        }
    return begins;
}();

/// Whether something is hidden at a place.
bool hides_at(std::string_view text, std::size_t at) {
    const char c = text[at];
    if (c == '<' || c == '[')
        return std::any_of(std::begin(kTokens), std::end(kTokens), [&](std::string_view token) {
            return text.substr(at, token.size()) == token;
        });
    if (static_cast<unsigned char>(c) < 0x80 || at + 1 == text.size()) return false;
    const bool may_be = kBegins[static_cast<unsigned char>(c)] >> (text[at + 1] & 0x3F) & 1;
    return may_be && is_hidden(next_code_point(text, at));
}

}  // namespace

bool may_hide(std::string_view text) {
    std::size_t at = 0;
#ifdef __SSE2__
    for (; at + 16 <= text.size(); at += 16) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + at));
        const auto is = [&](char c) { return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(c)); };
        // With those beyond ASCII, whose first bit is set.
        const __m128i odd = _mm_or_si128(_mm_or_si128(is('<'), is('[')), bytes);
        auto bits = static_cast<std::uint32_t>(_mm_movemask_epi8(odd));
        for (; bits != 0; bits &= bits - 1)
            if (hides_at(text, at + static_cast<std::size_t>(std::countr_zero(bits)))) return true;
    }
#endif
    for (; at < text.size(); ++at)
        if (hides_at(text, at)) return true;
    return false;
}

}  // namespace corpuskit
