// Replays texts through what measures, tells and typesets the blocks of a book and what finds stems
// in its lines, for builds with sanitizers: in characters of 1, 2 and 4 bytes, which must say the
// same. Lines with stems must be those that hold one when each is searched.
//
// That they are what Python finds is shown in tests/sources/gutenberg/test_gutenberg_engine.py.
// With -DCORPUSKIT_LIBFUZZER the same checks are a libFuzzer target.
#include <string>
#include <vector>

#include "driver.hpp"
#include "engine/gutenberg/book.hpp"
#include "engine/gutenberg/stems.hpp"
#include "engine/text/ascii.hpp"
#include "engine/text/utf8.hpp"

namespace {

using namespace corpuskit;
using namespace corpuskit::gutenberg;

constexpr double kWeights[kWeightCount] = {-1.5, -0.9, 1.1, -0.9, 2.3, 2.2, 1.2, 1.5,
                                           2.9,  -4.0, 1.4, 1.0,  -1.8, -1.3, 1.4};

/// Letters, digits and white space as far as a test of bounds needs them; beyond ASCII all are
/// letters.
const std::uint8_t* signs() {
    static const std::vector<std::uint8_t> table = [] {
        std::vector<std::uint8_t> made(kCodePoints, kAlpha | kAlnum);
        for (std::size_t c = 0; c < 0x80; ++c) {
            const char sign = static_cast<char>(c);
            made[c] = 0;
            if (is_alpha(sign)) made[c] = kAlpha | kAlnum | (lower(sign) == sign ? kLower : kUpper);
            if (is_digit(sign)) made[c] = kAlnum | kDecimal;
            if (is_space(sign) || c == '\v' || c == '\f') made[c] = kSpace;
        }
        made[0x3000] = kSpace;
        return made;
    }();
    return table.data();
}

/// Small letters of Latin-1, as far as a test needs them.
char32_t small_letter(char32_t c) { return c >= 0xC0 && c < 0xDF && c != 0xD7 ? c + 32 : c; }

const std::vector<std::string>& stem_words() {
    static const std::vector<std::string> words = {
        "[tn", "the", "etext", "transcri", "chapter", "\xC3\xA1t\xC3\xADr", "\xE8\xBD\x89"};
    return words;
}

/// Offsets of the lines with stems; their small letters appended to `out`.
template <class C>
std::vector<std::int64_t> replay_stems(const std::vector<C>& text, std::string& out) {
    static const Stems stems(stem_words(), small_letter);
    const auto found = stems.lines(text.data(), text.size());
    std::vector<std::int64_t> expected;
    for (std::size_t at = 0; at <= text.size();) {
        const auto begin = text.begin() + static_cast<std::ptrdiff_t>(at);
        const auto end = std::find(begin, text.end(), static_cast<C>('\n'));
        const auto size = static_cast<std::size_t>(end - begin);
        std::string line;
        lower_utf8(text.data() + at, size, small_letter, line);
        for (const auto& word : stem_words()) {
            if (line.find(word) == line.npos) continue;
            expected.push_back(static_cast<std::int64_t>(at));
            break;
        }
        out += line + '\n';
        at += size + 1;
    }
    if (found != expected) fail("lines with stems are not those that hold one");
    return found;
}

template <class C>
std::vector<char32_t> replay_as(const std::vector<char32_t>& points) {
    std::vector<C> text;
    for (const char32_t c : points) text.push_back(static_cast<C>(c));
    Book<C> book(text.data(), text.size(), signs(), [](const void*, std::size_t) { return true; });
    const std::size_t n = book.blocks().size();
    if (book.marks().size() != n) fail("marks are not one for each block");
    for (const bool speakers : {false, true}) {
        if (speakers) book.set_speakers({U"FAUST", U"First Lord", U"A"});
        book.score({70, 0, 0, speakers}, kWeights);
        const Told told = book.tell({70, 0, 0, speakers}, n / 2, kWeights);
        if (told.rules.size() != n || told.plain.size() != n || told.sure.size() != n)
            fail("rules are not one for each block");
        for (std::size_t i = 0; i < n; ++i)
            if ((told.sure[i] & ~told.rules[i]) != 0) fail("a rule that holds is none that may");
    }
    book.margins(), book.widths(0), book.indents(0);
    std::string small;
    std::vector<C> out;
    for (const std::int64_t line : replay_stems(text, small))
        out.push_back(static_cast<C>('0' + line % 10));
    for (const char c : small) out.push_back(static_cast<C>(static_cast<unsigned char>(c) & 0x7F));
    const std::size_t before = out.size();
    for (std::size_t kind = 0; kind < kKindCount; ++kind) {
        const std::vector<std::uint8_t> kinds(n, static_cast<std::uint8_t>(kind));
        std::vector<std::uint8_t> settled = kinds;
        book.settle({70, 0, 0, false}, settled.data());
        std::vector<std::uint8_t> parts;
        for (std::size_t i = 0; i < n; ++i)
            parts.push_back(static_cast<std::uint8_t>(i % kPartCount));
        book.typeset_runs(settled.data(), parts.data(), [](const std::vector<C>& run) {
            if (run.empty()) fail("a run of blocks is empty");
        });
        book.typeset(0, n, kinds.data(), out);
    }
    if (out.size() - before > kKindCount * (text.size() + 3 * n))
        fail("the blocks are longer than the text");
    return {out.begin(), out.end()};
}

void replay(const std::string& text) {
    std::vector<char32_t> points;
    char32_t largest = 0;
    for (std::size_t at = 0; at < text.size();) {
        points.push_back(next_code_point(text, at));
        largest = std::max(largest, points.back());
    }
    const auto wide = replay_as<char32_t>(points);
    if (largest < 0x10000 && replay_as<std::uint16_t>(points) != wide)
        fail("characters of two bytes give another text");
    if (largest < 0x100 && replay_as<std::uint8_t>(points) != wide)
        fail("characters of one byte give another text");
}

}  // namespace

CORPUSKIT_TARGET(replay, 4096)
