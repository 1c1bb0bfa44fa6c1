// Replays texts through what measures, tells and typesets the blocks of a book, for builds with
// sanitizers: in characters of 1, 2 and 4 bytes, which must say the same.
//
// That they are what Python finds is shown in tests/sources/gutenberg/test_gutenberg_engine.py.
// With -DCORPUSKIT_LIBFUZZER the same checks are a libFuzzer target.
#include <string>
#include <vector>

#include "driver.hpp"
#include "engine/gutenberg/book.hpp"
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

template <class C>
std::vector<char32_t> replay_as(const std::vector<char32_t>& points) {
    std::vector<C> text;
    for (const char32_t c : points) text.push_back(static_cast<C>(c));
    Book<C> book(text.data(), text.size(), signs(), [](const void*, std::size_t) { return true; });
    const std::size_t n = book.blocks().size();
    if (book.marks().size() != n) fail("marks are not one for each block");
    for (const bool speakers : {false, true}) {
        book.score({70, 0, 0, speakers}, kWeights);
        const Told told = book.tell({70, 0, 0, speakers}, n / 2, kWeights);
        if (told.rules.size() != n || told.plain.size() != n)
            fail("rules are not one for each block");
    }
    book.margins(), book.widths(0), book.indents(0);
    std::vector<C> out;
    for (std::size_t kind = 0; kind < kKindCount; ++kind) {
        const std::vector<std::uint8_t> kinds(n, static_cast<std::uint8_t>(kind));
        book.typeset(0, n, kinds.data(), out);
    }
    if (out.size() > kKindCount * (text.size() + 3 * n))
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

#ifdef CORPUSKIT_LIBFUZZER
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    replay(std::string(reinterpret_cast<const char*>(data), size));
    return 0;
}
#else
int main(int argc, char** argv) {
    return replay_files(argc, argv, [](const std::string& path) {
        const std::string whole = read_file(path);
        replay(whole);
        for (std::size_t cut = 1; cut < 40 && cut < whole.size(); ++cut)
            replay(whole.substr(cut * 97 % whole.size(), 900));
    });
}
#endif
