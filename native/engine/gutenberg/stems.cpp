#include "engine/gutenberg/stems.hpp"

#include <algorithm>

#include "engine/gutenberg/signs.hpp"
#include "engine/text/utf8.hpp"

namespace corpuskit::gutenberg {

namespace {

constexpr std::size_t kPiece = 4;
constexpr char32_t kDottedI = 0x130;
constexpr std::string_view kCommon = "etaoinsrhldcumpg    ";

std::size_t hash_of(std::uint32_t piece) { return piece * 2654435769U >> 16; }

/// Bytes as the window of the scan holds them: the last one highest.
std::uint32_t packed(std::string_view bytes) {
    std::uint32_t window = 0;
    for (const char c : bytes)
        window = window >> 8 | std::uint32_t{static_cast<unsigned char>(c)} << 24;
    return window;
}

/// The piece of a stem that has the fewest common letters: it is what the scan looks for.
std::string_view rarest(std::string_view stem) {
    const auto common = [stem](std::size_t at) {
        std::size_t count = 0;
        for (const char c : stem.substr(at, kPiece))
            count += static_cast<std::size_t>(std::count(kCommon.begin(), kCommon.end(), c));
        return count;
    };
    std::size_t best = 0;
    for (std::size_t at = 1; at + kPiece <= stem.size(); ++at)
        if (common(at) < common(best)) best = at;
    return stem.substr(best, kPiece);
}

/// A character in small letters as UTF-8; returns where its bytes end.
char* put_small(char* out, char32_t c, SmallLetter small) {
    if (c < 0x80) {
        *out = static_cast<char>(lower(c));
        return out + 1;
    }
    return put_code_point(out, c == kDottedI ? U'i' : small(c));
}

}  // namespace

template <class C>
void lower_utf8(const C* text, std::size_t size, SmallLetter small, std::string& out) {
    char bytes[4];
    for (std::size_t i = 0; i < size; ++i) out.append(bytes, put_small(bytes, text[i], small));
}

Stems::Stems(std::vector<std::string> stems) : known_(std::size_t{1} << 16) {
    for (auto& stem : stems) {
        const std::uint32_t piece = packed(rarest(stem));
        const bool whole = stem.size() >= kPiece;
        longest_ = std::max(longest_, stem.size());
        // Before a piece of three bytes any other may stand.
        for (std::uint32_t before = 0; before < (whole ? 1U : 256U); ++before)
            known_[hash_of(piece | before)] = 1;
        pieces_.push_back({piece, whole ? 0xFFFFFFFFU : 0xFFFFFF00U, std::move(stem)});
    }
}

/// Whether what is around the character i, in its line, holds a stem that the last bytes are of.
template <class C>
bool Stems::stands_at(std::size_t i, std::uint32_t last, const C* text, std::size_t size,
                      SmallLetter small) const {
    const auto of_last = [last](const Piece& piece) { return piece.bytes == (last & piece.mask); };
    auto piece = std::find_if(pieces_.begin(), pieces_.end(), of_last);
    if (piece == pieces_.end()) return false;
    const C *begin = text + i, *const first = text + (i - std::min(i, longest_));
    while (begin > first && begin[-1] != '\n') --begin;
    const C* const limit = text + std::min(size, i + longest_ + 1);
    const C* const end = std::find(text + i, limit, static_cast<C>('\n'));
    std::string near;
    lower_utf8(begin, static_cast<std::size_t>(end - begin), small, near);
    for (; piece != pieces_.end(); piece = std::find_if(piece + 1, pieces_.end(), of_last))
        if (near.find(piece->stem) != near.npos) return true;
    return false;
}

template <class C>
std::vector<std::int64_t> Stems::lines(const C* text, std::size_t size, SmallLetter small) const {
    std::vector<std::int64_t> found;
    std::uint32_t last = 0;
    const auto push = [&](std::uint32_t byte) {
        last = last >> 8 | byte << 24;
        return known_[hash_of(last)] != 0;
    };
    for (std::size_t i = 0; i < size; ++i) {
        bool holds = false;
        if (text[i] < 0x80) {
            holds = push(lower(text[i])) && stands_at(i, last, text, size, small);
        } else {
            char bytes[4];
            const char* const end = put_small(bytes, text[i], small);
            for (const char* byte = bytes; byte < end && !holds; ++byte)
                holds = push(static_cast<unsigned char>(*byte)) &&
                        stands_at(i, last, text, size, small);
        }
        if (!holds) continue;
        std::size_t line = i;
        while (line > 0 && text[line - 1] != '\n') --line;
        found.push_back(static_cast<std::int64_t>(line));
        while (i < size && text[i] != '\n') ++i;  // a line counts once
        last = 0;
    }
    return found;
}

#define CORPUSKIT_STEMS(C)                                                                    \
    template void lower_utf8(const C*, std::size_t, SmallLetter, std::string&);               \
    template std::vector<std::int64_t> Stems::lines(const C*, std::size_t, SmallLetter) const;
CORPUSKIT_STEMS(std::uint8_t)
CORPUSKIT_STEMS(std::uint16_t)
CORPUSKIT_STEMS(char32_t)

}  // namespace corpuskit::gutenberg
