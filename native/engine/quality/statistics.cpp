#include "engine/quality/statistics.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <iterator>
#include <memory>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "engine/quality/characters.hpp"
#include "engine/text/ascii.hpp"

namespace corpuskit::quality {

namespace {

/// Bytes of a text that asks for 45 MB, or 130 where every word has one letter: the memory for
/// longer ones is given back.
constexpr std::size_t kLongestKept = std::size_t{2} << 20;

/// Where the next byte `first` stands with `second` behind it at a distance, or the end. Both are
/// small letters or signs; capital letters are taken for them, and it may be some other bytes.
std::size_t find_pair(std::string_view text, std::size_t at, char first, char second,
                      std::size_t distance) {
#ifdef __SSE2__
    const __m128i small = _mm_set1_epi8(0x20);
    const auto found = [&](std::size_t place, char wanted) {
        const auto* from = reinterpret_cast<const __m128i*>(text.data() + place);
        return _mm_cmpeq_epi8(_mm_or_si128(_mm_loadu_si128(from), small), _mm_set1_epi8(wanted));
    };
    for (; at + distance + 16 <= text.size(); at += 16) {
        const __m128i both = _mm_and_si128(found(at, first), found(at + distance, second));
        const auto bits = static_cast<std::uint32_t>(_mm_movemask_epi8(both));
        if (bits != 0) return at + static_cast<std::size_t>(std::countr_zero(bits));
    }
#endif
    for (; at + distance < text.size(); ++at)
        if ((text[at] | 0x20) == first && (text[at + distance] | 0x20) == second) return at;
    return text.size();
}

/// "...", from the left without overlap.
std::int64_t count_three_points(std::string_view text) {
    std::int64_t count = 0;
    for (std::size_t at = 0; (at = find_pair(text, at, '.', '.', 2)) < text.size();) {
        const std::size_t end = std::min(text.find_first_not_of('.', at), text.size());
        count += static_cast<std::int64_t>((end - at) / 3);
        at = std::max(end, at + 1);
    }
    return count;
}

bool is_hex(char c) {
    return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'f');
}

bool is_alphanumeric(char c) { return is_digit(c) || is_alpha(c); }

/// Where the address that begins at "://" ends by NeMo Curator's pattern.
std::size_t end_of_url(std::string_view text, std::size_t at) {
    constexpr std::string_view kSigns = "$-_@.&+!*\\(),";
    while (at < text.size()) {
        const char c = text[at];
        if (is_alphanumeric(c) || kSigns.find(c) != std::string_view::npos) {
            ++at;
        } else if (c == '%' && at + 2 < text.size() && is_hex(text[at + 1]) &&
                   is_hex(text[at + 2])) {
            at += 3;
        } else {
            break;
        }
    }
    return at;
}

std::size_t end_of_whole_url(std::string_view text, std::size_t at) {
    while (at < text.size()) {
        std::size_t next = at;
        if ((characters().flags(next_code_point(text, next)) & kWhiteSpace) != 0) break;
        at = next;
    }
    return at;
}

/// Characters of all addresses; `end_of` says where one ends.
template <typename End>
std::int64_t url_characters(std::string_view text, End end_of) {
    std::int64_t count = 0;
    std::size_t last = 0;
    for (std::size_t at = 0; (at = text.find(':', at)) != std::string_view::npos; ++at) {
        if (text.substr(at, 3) != "://") continue;
        const std::string_view before = text.substr(last, at - last);
        const std::size_t scheme = before.ends_with("https") ? 5 : before.ends_with("http") ? 4 : 0;
        if (scheme == 0) continue;
        const std::size_t end = end_of(text, at + 3);
        if (end == at + 3) continue;
        const std::size_t begin = at - scheme;
        count += static_cast<std::int64_t>(count_characters(text.substr(begin, end - begin)));
        last = end;
        at = end - 1;
    }
    return count;
}

/// "lorem ipsum" in any case of its ASCII letters.
std::int64_t count_lorem_ipsum(std::string_view text) {
    constexpr std::string_view kWanted = "lorem ipsum";
    std::int64_t count = 0;
    for (std::size_t at = 0;
         (at = find_pair(text, at, 'l', 'm', kWanted.size() - 1)) < text.size(); ++at)
        count += equal_folded(text.substr(at, kWanted.size()), kWanted);
    return count;
}

}  // namespace

void Statistics::count_characters(std::string_view text, Figures& figures) {
    const Characters& known = characters();
    kinds_.assign(known.size(), 0);
    const std::uint16_t* const numbers = known.numbers();
    // Counted in turns: the same count raised again and again would wait for itself.
    std::array<std::array<std::uint32_t, 0x80>, 4> ascii{};
    for (std::size_t at = 0; at < text.size();) {
        std::uint32_t four = UINT32_MAX;
        if (at + 4 <= text.size()) std::memcpy(&four, text.data() + at, 4);
        if ((four & 0x80808080) == 0) {
            for (std::size_t i = 0; i < 4; ++i) ++ascii[i][static_cast<std::size_t>(text[at + i])];
            at += 4;
        } else {
            ++kinds_[numbers[next_code_point(text, at)]];
        }
    }
    for (std::size_t byte = 0; byte < 0x80; ++byte)
        for (const auto& counts : ascii) kinds_[numbers[byte]] += counts[byte];
    constexpr std::uint32_t kCounted[] = {kLetter,  kMark,       kDigit,
                                          kPunctuation, kSymbol, kWhiteSpace,
                                          kUpper,   kBracket,    kNemoAlphanumeric,
                                          kNemoSpace, kHash,     kCurly};
    scripts_.fill(0);
    other_line_ends_ = 0;
    for (std::size_t number = 0; number < kinds_.size(); ++number) {
        const std::int64_t count = kinds_[number];
        if (count == 0) continue;
        const CharacterKind kind = known.kind(number);
        figures[figure::kChars] += count;
        for (std::size_t i = 0; i < std::size(kCounted); ++i)
            if ((kind.flags & kCounted[i]) != 0) figures[figure::kLetters + i] += count;
        if ((kind.flags & kEllipsis) != 0) figures[figure::kEllipses] += count;
        if ((kind.flags & kLineFeed) != 0) figures[figure::kLineEnds] += count;
        else if ((kind.flags & kPythonLineEnd) != 0) other_line_ends_ += count;
        scripts_[kind.script] += count;
    }
    figures[figure::kEllipses] += count_three_points(text);
    figures[figure::kUrlChars] = url_characters(text, end_of_url);
    figures[figure::kWholeUrlChars] = url_characters(text, end_of_whole_url);
    figures[figure::kLoremIpsum] = count_lorem_ipsum(text);
    for (std::size_t script = 1; script < scripts_.size(); ++script) {
        figures[figure::kScripts] += scripts_[script] > 0;
        std::int64_t& most = figures[figure::kMainScriptLetters];
        most = std::max(most, scripts_[script]);
    }
}

Figures Statistics::count(std::string_view text, Splitter splitter, Variant variant) {
    const bool ours = variant == Variant::kOurs;
    Figures figures{};
    count_characters(text, figures);
    const std::int64_t chars = figures[figure::kChars];
    tokens_.read(text, chars, splitter, !ours);
    const TokenFigures& words = tokens_.figures();
    const std::int64_t of_words[] = {
        words.tokens, words.words, words.word_chars, words.median_length_2, words.longest,
        words.compounds, words.alpha, words.stop_words, words.stop_word_occurrences,
        words.distinct, words.entropy_millibits};
    std::copy(std::begin(of_words), std::end(of_words), figures.begin() + figure::kTokens);
    const Counted counted{chars, figures[figure::kLineEnds], other_line_ends_};
    const LineFigures lines =
        ours ? lines_.read(text, counted) : lines_.read_as_datatrove(text, counted);
    figures[figure::kSentences] = lines.sentences;
    const std::int64_t of_lines[] = {
        lines.lines, lines.end_mark, lines.short_lines, lines.split_lines, lines.bullet,
        lines.ellipsis, lines.of_lines.units, lines.of_lines.repeated, lines.of_lines.characters,
        lines.of_lines.repeated_characters, lines.paragraphs, lines.of_paragraphs.units,
        lines.of_paragraphs.repeated, lines.of_paragraphs.characters,
        lines.of_paragraphs.repeated_characters, lines.of_text_lines.characters,
        lines.of_text_lines.repeated_characters};
    std::copy(std::begin(of_lines), std::end(of_lines), figures.begin() + figure::kLines);
    const GramFigures grams = grams_.count(tokens_, variant);
    figures[figure::kGramChars] = chars;
    if (ours) {
        figures[figure::kGramChars] = 0;
        for (const std::uint32_t length : tokens_.lengths) figures[figure::kGramChars] += length;
    }
    std::copy(grams.top.begin(), grams.top.end(), figures.begin() + figure::kTop2GramChars);
    std::copy(grams.repeated.begin(), grams.repeated.end(),
              figures.begin() + figure::kDup5GramChars);
    return figures;
}

std::vector<std::int64_t> text_statistics(const Column& texts, Splitter splitter, Variant variant) {
    check_column(texts);
    std::vector<std::int64_t> rows;
    rows.reserve(texts.size * kFigures);
    // Of one call after the other: to ask the system for memory anew takes a sixth of the time.
    thread_local std::unique_ptr<Statistics> kept;
    std::unique_ptr<Statistics> statistics = std::move(kept);
    if (statistics == nullptr) statistics = std::make_unique<Statistics>();
    std::size_t longest = 0;
    for (std::size_t i = 0; i < texts.size; ++i) {
        const Figures figures = statistics->count(texts[i], splitter, variant);
        rows.insert(rows.end(), figures.begin(), figures.end());
        longest = std::max(longest, texts[i].size());
    }
    if (longest <= kLongestKept) kept = std::move(statistics);
    return rows;
}

std::vector<std::int64_t> count_words(const Column& texts) {
    check_column(texts);
    std::vector<std::int64_t> counts;
    Words words;
    for (std::size_t i = 0; i < texts.size; ++i) {
        find_words(texts[i], words);
        counts.push_back(static_cast<std::int64_t>(words.size()));
    }
    return counts;
}

}  // namespace corpuskit::quality
