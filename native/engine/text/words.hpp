// Words, as the loss meter compares them.
#pragma once

#include <cstdint>
#include <string_view>

namespace corpuskit {

/// How a code point takes part in a word.
enum class WordPart : std::uint8_t {
    kNone,    // stands between words
    kLetter,  // letters, digits and marks on them: a run of them is a word
    kSingle,  // a Chinese or Japanese character: a word by itself
};
WordPart wide_word_part(char32_t c);  // of one beyond ASCII
inline WordPart word_part(char32_t c) {
    if (c >= 0x80) return wide_word_part(c);
    const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return word ? WordPart::kLetter : WordPart::kNone;
}

/// Builds the hash of a word, code point by code point. Never 0 once something was added.
class WordHash {
  public:
    void add(char32_t c) { state_ = (state_ ^ c) * 0x9E3779B97F4A7C15ULL, state_ ^= state_ >> 29; }
    bool empty() const { return state_ == kSeed; }
    std::uint64_t value() const { return state_ | 1; }
    void clear() { state_ = kSeed; }

  private:
    static constexpr std::uint64_t kSeed = 0x243F6A8885A308D3ULL;
    std::uint64_t state_ = kSeed;
};

/// Whether a sign between two digits belongs to the number ("1,300", "1.5") and is passed over.
inline bool joins_digits(char32_t c) {
    return c == ',' || c == '.' || c == 0xA0 || c == 0x202F || c == 0x2009;
}

}  // namespace corpuskit
