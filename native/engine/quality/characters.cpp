#include "engine/quality/characters.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace corpuskit::quality {

namespace {

struct Run {
    char32_t first;
    std::uint16_t kind;  // up to the next run
};

#include "engine/quality/character_tables.inc"

/// Where the last code point of a text begins.
std::size_t last_begin(std::string_view text) {
    std::size_t at = text.size() - 1;
    while (at > 0 && text.size() - at < 4 && (text[at] & 0xC0) == 0x80) --at;
    std::size_t end = at;
    next_code_point(text, end);
    // Bytes that are no UTF-8 are one by one.
    return end == text.size() ? at : text.size() - 1;
}

}  // namespace

Characters::Characters() : numbers_(0x110000) {
    for (std::size_t i = 0; i < std::size(kRuns); ++i) {
        const char32_t end = i + 1 < std::size(kRuns) ? kRuns[i + 1].first : 0x110000;
        std::fill(numbers_.begin() + kRuns[i].first, numbers_.begin() + end, kRuns[i].kind);
        if ((kKinds[kRuns[i].kind].flags & kEndMark) == 0) continue;
        for (char32_t c = std::max<char32_t>(kRuns[i].first, 0x80); c < end; ++c) {
            char bytes[4];
            put_code_point(bytes, c);
            end_marks_[static_cast<unsigned char>(bytes[0])] |= std::uint64_t{1}
                                                                << (bytes[1] & 0x3F);
        }
    }
    for (const CharacterKind& kind : kKinds) flags_.push_back(kind.flags);
}

CharacterKind Characters::kind(std::size_t number) const { return kKinds[number]; }

const Characters& characters() {
    static const Characters made;
    return made;
}

char32_t last_code_point(std::string_view text) {
    std::size_t at = last_begin(text);
    return next_code_point(text, at);
}

std::string_view strip_left(std::string_view text, std::uint32_t flag) {
    std::size_t at = 0;
    while (at < text.size()) {
        std::size_t next = at;
        if ((characters().flags(next_code_point(text, next)) & flag) == 0) break;
        at = next;
    }
    return text.substr(at);
}

std::string_view strip_right(std::string_view text, std::uint32_t flag) {
    while (!text.empty()) {
        std::size_t at = last_begin(text);
        const std::size_t begin = at;
        if ((characters().flags(next_code_point(text, at)) & flag) == 0) break;
        text.remove_suffix(text.size() - begin);
    }
    return text;
}

std::string_view strip(std::string_view text, std::uint32_t flag) {
    return strip_right(strip_left(text, flag), flag);
}

std::size_t count_characters(std::string_view text) {
    std::size_t continued = 0, at = 0;
    for (; at + 8 <= text.size(); at += 8) {
        std::uint64_t bytes;
        std::memcpy(&bytes, text.data() + at, 8);
        continued += continuation_bytes(bytes);
    }
    for (; at < text.size(); ++at) continued += (text[at] & 0xC0) == 0x80;
    return text.size() - continued;
}

}  // namespace corpuskit::quality
