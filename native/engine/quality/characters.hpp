// Classes of characters; corpuskit/stages/quality/characters.py and scripts.py say what is in each.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/text/utf8.hpp"

namespace corpuskit::quality {

/// In the order of native/tables/quality.py.
enum Flag : std::uint32_t {
    kLetter = 1U << 0,
    kMark = 1U << 1,
    kDigit = 1U << 2,
    kPunctuation = 1U << 3,
    kSymbol = 1U << 4,
    kUpper = 1U << 5,
    kLower = 1U << 6,
    kWhiteSpace = 1U << 7,
    kPythonSpace = 1U << 8,
    kEndMark = 1U << 9,
    kFullStop = 1U << 10,
    kContinues = 1U << 11,
    kBullet = 1U << 12,
    kCloses = 1U << 13,
    kMarksOnly = 1U << 14,
    kBracket = 1U << 15,
    kNemoAlphanumeric = 1U << 16,
    kNemoSpace = 1U << 17,
    kHash = 1U << 18,
    kCurly = 1U << 19,
    kLineFeed = 1U << 20,
    kEllipsis = 1U << 21,
    kPythonLineEnd = 1U << 22,
    kDatatroveBullet = 1U << 23,
};

struct CharacterKind {
    std::uint32_t flags;
    std::uint8_t script;  // of a letter, from 1
};

/// The kind of each code point, as a number.
class Characters {
  public:
    const std::uint16_t* numbers() const { return numbers_.data(); }
    std::uint32_t flags(char32_t c) const { return flags_[numbers_[c]]; }
    std::size_t size() const { return flags_.size(); }
    CharacterKind kind(std::size_t number) const;
    /// Whether an end mark may begin with two bytes, which are beyond ASCII.
    bool may_be_end_mark(unsigned char lead, unsigned char next) const {
        return (end_marks_[lead] >> (next & 0x3F) & 1) != 0;
    }

  private:
    friend const Characters& characters();
    Characters();
    std::vector<std::uint16_t> numbers_;
    std::vector<std::uint32_t> flags_;
    std::array<std::uint64_t, 256> end_marks_{};  // of each first byte the second ones, a bit each
};
const Characters& characters();

/// The last code point of a text that is not empty.
char32_t last_code_point(std::string_view text);

/// The text without characters of a class at either end.
std::string_view strip(std::string_view text, std::uint32_t flag);
std::string_view strip_left(std::string_view text, std::uint32_t flag);
std::string_view strip_right(std::string_view text, std::uint32_t flag);

/// How many of eight bytes are 10xxxxxx, which begin no character.
inline std::size_t continuation_bytes(std::uint64_t bytes) {
    constexpr std::uint64_t kOnes = 0x0101010101010101;
    return (((bytes & ~(bytes << 1)) >> 7 & kOnes) * kOnes) >> 56;
}
/// Code points of a text that is UTF-8, fast.
std::size_t count_characters(std::string_view text);

}  // namespace corpuskit::quality
