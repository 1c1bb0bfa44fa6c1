#include "engine/bpe/pretokens.hpp"

#include <bit>
#include <cstring>
#include <vector>

#include "engine/bpe/ascii_words.hpp"
#include "engine/text/utf8.hpp"

namespace corpuskit {

namespace {

enum Letter : std::uint8_t {
    kNoLetter = 0,
    kUpper = 1,  // Lu, Lt
    kLower = 2,  // Ll
    kOther = 4,  // Lm, Lo
    kNumber = 8,
    kMark = 16,
    kSpace = 32,
};
constexpr unsigned kLetters = kUpper | kLower | kOther;

struct LetterSpan {
    std::uint32_t first, last;
    Letter letter;
};

#include "engine/bpe/letter_tables.inc"

/// Of every code point; those beyond Unicode do not come out of next_code_point.
const std::uint8_t* letters() {
    static const std::vector<std::uint8_t> made = [] {
        std::vector<std::uint8_t> table(0x110000, kNoLetter);
        for (const LetterSpan& span : kSpans)
            for (std::size_t c = span.first; c <= span.last; ++c) table[c] = span.letter;
        return table;
    }();
    return made.data();
}

/// Where letters of ASCII end, or a little before: eight are looked at together.
std::size_t letters_end(std::string_view text, std::size_t at) {
    constexpr std::uint64_t kOnes = ~std::uint64_t{0} / 255;
    if constexpr (std::endian::native != std::endian::little) return at;
    for (; at + 8 <= text.size(); at += 8) {
        std::uint64_t bytes;
        std::memcpy(&bytes, text.data() + at, 8);
        // The high bit of a byte's sum tells whether it is 'a' at least, and whether past 'z'.
        const std::uint64_t small = (bytes | 0x20 * kOnes) & 0x7F * kOnes;
        const std::uint64_t letter =
            (small + (0x80 - 'a') * kOnes) & ~(small + (0x7F - 'z') * kOnes);
        const std::uint64_t others = ~(letter & ~bytes) & 0x80 * kOnes;
        if (others != 0) return at + static_cast<std::size_t>(std::countr_zero(others)) / 8;
    }
    return at;
}

/// A character with its kind; none, of no bytes, at the end of the text.
struct Character {
    char32_t point = 0;
    unsigned kind = 0;
    std::size_t end = 0;
    bool there = false;

    bool is(unsigned kinds) const { return (kind & kinds) != 0; }
    bool is_line_end() const { return there && (point == '\r' || point == '\n'); }
    /// What the patterns call [^\s\p{L}\p{N}], and without marks where these are letters.
    bool is_sign(unsigned word) const { return there && !is(kSpace | kNumber | word); }
};

class Scanner {
  public:
    Scanner(std::string_view text, std::size_t at, const std::uint8_t* kinds)
        : text_(text), at_(at), kinds_(kinds) {}

    std::size_t gpt2(int digits) const {
        const Character first = read(at_);
        if (first.point == '\'')
            if (const std::size_t end = contraction(at_, false)) return end;
        const Character word = first.point == ' ' ? read(first.end) : first;
        if (word.is(kLetters)) return run(word.end, kLetters);
        if (word.is(kNumber))
            return digits > 0 ? numbers(word.end, digits) : run(word.end, kNumber);
        if (word.is_sign(kLetters)) return signs(word.end, kLetters);
        return blanks(first);
    }

    /// `word` is what makes words, `digits` how many stand together.
    std::size_t llama3(unsigned word, int digits) const {
        const Character first = read(at_);
        if (first.point == '\'')
            if (const std::size_t end = contraction(at_, true)) return end;
        if (first.is(word)) return run(first.end, word);
        if (first.is(kNumber)) return numbers(first.end, digits);
        const Character second = read(first.end);
        if (!first.is_line_end() && second.is(word)) return run(second.end, word);
        return rest(first, second, word, false);
    }

    std::size_t o200k(int digits) const {
        const Character first = read(at_);
        const bool prefix = !first.is(kLetters | kNumber) && !first.is_line_end();
        if (prefix)
            if (const std::size_t end = lower_word(first.end)) return with_contraction(end);
        if (const std::size_t end = lower_word(at_)) return with_contraction(end);
        if (prefix)
            if (const std::size_t end = upper_word(first.end)) return with_contraction(end);
        if (const std::size_t end = upper_word(at_)) return with_contraction(end);
        if (first.is(kNumber)) return numbers(first.end, digits);
        return rest(first, read(first.end), kLetters, true);
    }

  private:
    static constexpr unsigned kCapitals = kUpper | kOther | kMark, kSmall = kLower | kOther | kMark;

    Character read(std::size_t at) const {
        if (at >= text_.size()) return {};
        const char32_t c = next_code_point(text_, at);
        return {c, kinds_[c], at, true};
    }

    std::size_t run(std::size_t at, unsigned kinds) const {
        for (;;) {
            // Most letters are ASCII: these need no decoding.
            if ((kinds & kUpper) != 0 && (kinds & kLower) != 0) at = letters_end(text_, at);
            while (at < text_.size() && (kinds_[byte(at)] & kinds) != 0 && byte(at) < 0x80) ++at;
            if (at >= text_.size() || byte(at) < 0x80) return at;
            const Character c = read(at);
            if (!c.is(kinds)) return at;
            at = c.end;
        }
    }
    unsigned char byte(std::size_t at) const { return static_cast<unsigned char>(text_[at]); }
    std::size_t signs(std::size_t at, unsigned word) const {
        for (Character c = read(at); c.is_sign(word); c = read(at)) at = c.end;
        return at;
    }
    std::size_t numbers(std::size_t at, int most) const {
        for (Character c = read(at); --most > 0 && c.is(kNumber); c = read(at)) at = c.end;
        return at;
    }

    /// Signs with a blank before and line ends behind, or white space.
    std::size_t rest(const Character& first, const Character& second, unsigned word,
                     bool slashes) const {
        const Character& sign = first.point == ' ' ? second : first;
        if (sign.is_sign(word)) {
            std::size_t at = signs(sign.end, word);
            while (at < text_.size() &&
                   (text_[at] == '\r' || text_[at] == '\n' || (slashes && text_[at] == '/')))
                ++at;
            return at;
        }
        std::size_t at = at_, line_end = 0;
        for (Character c = read(at); c.is(kSpace); c = read(at)) {
            at = c.end;
            if (c.is_line_end()) line_end = at;
        }
        return line_end > 0 ? line_end : blanks(first);
    }

    /// White space up to its last character, which is left to the word behind it; or that alone.
    std::size_t blanks(const Character& first) const {
        std::size_t at = first.end, before = at_;
        for (Character c = read(at); c.is(kSpace); c = read(at)) before = at, at = c.end;
        return at == text_.size() || before == at_ ? at : before;
    }

    /// End of 's, 't, 're, 've, 'm, 'll or 'd at an apostrophe; 0 for none.
    std::size_t contraction(std::size_t at, bool any_case) const {
        const Character a = read(at + 1);
        // U+017F, the long s, folds to s.
        const char32_t x = any_case ? folded(a.point) : a.point;
        if (x == 's' || x == 't' || x == 'm' || x == 'd') return a.end;
        const Character b = read(a.end);
        const char32_t y = any_case ? folded(b.point) : b.point;
        const bool two = (x == 'l' && y == 'l') || (y == 'e' && (x == 'r' || x == 'v'));
        return two ? b.end : 0;
    }
    static char32_t folded(char32_t c) {
        if (c == 0x17F) return 's';
        return c >= 'A' && c <= 'Z' ? c + 32 : c;
    }
    std::size_t with_contraction(std::size_t at) const {
        if (at >= text_.size() || text_[at] != '\'') return at;
        const std::size_t end = contraction(at, true);
        return end > 0 ? end : at;
    }

    /// Capitals, then small letters, one at least, where others are both; 0 for none.
    std::size_t lower_word(std::size_t at) const {
        std::size_t both = 0;  // behind the last letter of the capitals that may be a small one
        Character c = read(at);
        for (; c.is(kCapitals); c = read(c.end)) {
            at = c.end;
            if (c.is(kSmall)) both = at;
        }
        return c.is(kSmall) ? run(c.end, kSmall) : both;
    }
    std::size_t upper_word(std::size_t at) const {
        const std::size_t end = run(at, kCapitals);
        return end > at ? run(end, kSmall) : 0;
    }

    std::string_view text_;
    std::size_t at_;
    const std::uint8_t* kinds_;
};

}  // namespace

std::string_view pretoken_unicode() { return kUnicode; }

std::size_t pretoken_ends(const Cut& cut, std::string_view text, std::size_t at, std::size_t* ends,
                          std::size_t room) {
    const std::uint8_t* kinds = letters();
    const auto fill = [&](const auto& end_of) {
        AsciiWords words(text, cut.pattern == Pattern::kO200k);
        std::size_t n = 0;
        while (n < room && at < text.size()) {
            if (const std::size_t found = words.ends(at, ends + n, room - n)) {
                n += found;
                at = ends[n - 1];
            } else {
                ends[n++] = at = end_of(Scanner(text, at, kinds));
            }
        }
        return n;
    };
    const int three = cut.digits > 0 ? cut.digits : 3, one = cut.digits > 0 ? cut.digits : 1;
    switch (cut.pattern) {
        case Pattern::kGpt2:
            return fill([&](const Scanner& scanner) { return scanner.gpt2(cut.digits); });
        case Pattern::kLlama3:
            return fill([&](const Scanner& scanner) { return scanner.llama3(kLetters, three); });
        case Pattern::kQwen2:
            return fill([&](const Scanner& scanner) { return scanner.llama3(kLetters, one); });
        case Pattern::kQwen35:
            return fill(
                [&](const Scanner& scanner) { return scanner.llama3(kLetters | kMark, one); });
        case Pattern::kO200k:
            return fill([&](const Scanner& scanner) { return scanner.o200k(three); });
    }
    return 0;
}

}  // namespace corpuskit
