// What the lines of a block say, each looked at once.
#include "engine/gutenberg/facts.hpp"

#include <array>
#include <utility>

#include "engine/gutenberg/book.hpp"
#include "engine/gutenberg/forms.hpp"
#include "engine/gutenberg/lanes.hpp"
#include "engine/gutenberg/speech.hpp"

namespace corpuskit::gutenberg {

namespace {

constexpr CharSet kOrnaments(U"*_=\u00b7\u2022.#~+<>|\u2013\u2014o-");
constexpr std::size_t kLongestNumbers = 200;  // characters that are looked at for a number

/// What a character counts as, by its signs: fields of Facts::add.
constexpr auto kCounted = [] {
    std::array<std::uint64_t, 256> counts{};
    for (unsigned sign = 0; sign < counts.size(); ++sign) {
        const std::uint64_t alpha = (sign & kAlpha) != 0, upper = (sign & kUpper) != 0;
        const std::uint64_t low = (sign & (kLower | kTitle)) != 0;
        counts[sign] = alpha | (alpha & upper) << 16 | upper << 32 | low << 48;
    }
    return counts;
}();

enum class Gaps { kNone, kMaybe, kSure };

/// Whether a line may have a gap between columns, or has one: BlockView.gaps.
template <class C>
Gaps gaps_of(const Line<C>& line, const Signs& signs) {
    if (!may_have_gap(line.text + line.indent, line.text + line.size)) return Gaps::kNone;
    std::size_t spaces = 0, dots = 0, spaced = 0;
    bool twice = false, gapped = false;
    for (std::size_t i = line.indent; i < line.size; ++i) {
        const char32_t c = line[i];
        if (spaces > 2 && c != ' ' && !signs.is(c, kSpace) &&
            !signs.is(line[i - spaces - 1], kSpace))
            return Gaps::kSure;
        spaces = c == ' ' ? spaces + 1 : 0;
        dots = c == '.' ? dots + 1 : 0;
        twice = twice || spaces == 2;
        if (c == '.' && i >= line.indent + 2 && line[i - 1] == ' ' && line[i - 2] == '.') ++spaced;
        if (dots > 4) return Gaps::kSure;
        gapped = gapped || spaces > 2 || dots > 3 || spaced > 2 || c == '\t';
    }
    char32_t end = line.back();
    if (end == '.' && line.size > 1) end = line[line.size - 2];
    gapped = gapped || (twice && (is_in(end, U"ivxlc") || signs.numeric(end)));
    return gapped ? Gaps::kMaybe : Gaps::kNone;
}

/// A line that may end in the number of a page, as entries of an index do.
template <class C>
bool may_end_in_number(const Line<C>& line, const Signs& signs) {
    std::size_t i = line.size;
    while (i > 0 && is_in(line[i - 1], U" .;,_=-\u2013")) --i;
    if (i == 0) return false;
    if (is_digit(line[i - 1])) return true;
    std::size_t first = i;
    while (first > 0 && is_in(line[first - 1], U"ivxlc")) --first;
    if (first == i) return false;
    const char32_t before = first > 0 ? line[first - 1] : ' ';
    return before == '_' || before == '=' || signs.is(before, kSpace);
}

}  // namespace

template <class C>
Facts Book<C>::facts_of(const Block& block, const Shape& shape, bool bars,
                        bool exact) const {
    const auto lines = lines_of(block);
    Facts facts;
    const std::size_t joined = std::min(kJoined, lines.size());
    char32_t bare = 0, begins = 0;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const Line<C>& line = lines[i];
        const Form form(line.stripped(), signs_);
        const char32_t first = line[line.indent], end = signs_.last_bare(line);
        if (i < joined) {
            std::uint64_t counts = 0;
            std::uint8_t any = 0;
            for (std::size_t k = line.indent; k < line.size; ++k) {
                const char32_t c = line[k];
                const std::uint8_t sign = signs_(c);
                counts += kCounted[sign];
                any |= static_cast<std::uint8_t>((sign & (kAlnum | kAlpha)) == kAlnum);
                // Of lines without end no field may run over.
                if (((k - line.indent) & 0x7FFF) == 0x7FFF) facts.add(std::exchange(counts, 0));
            }
            facts.add(counts);
            facts.number = facts.number || any != 0;
            for (std::size_t k = line.indent; k < line.size && facts.ornament; ++k)
                facts.ornament = signs_.is(line[k], kSpace) || is_in(line[k], kOrnaments);
            if (begins == 0) begins = signs_.first_bare(line.stripped());
            if (const char32_t last = signs_.last_bare(line.stripped()); last != 0) bare = last;
        }
        const Gaps gaps = gaps_of(line, signs_);
        facts.last_gapped = gaps != Gaps::kNone;
        facts.gapped += facts.last_gapped;
        facts.surely_gapped += gaps == Gaps::kSure;
        if (may_end_in_number(line, signs_)) {
            const bool sure = exact && line.size <= kLongestNumbers;
            const bool ends = !sure || Form(line, signs_).ends_in_number();
            facts.numbered += ends;
            facts.surely_numbered += sure && ends;
        }
        facts.amounts += signs_.numeric(first);
        facts.sure_amounts += is_digit(first);
        facts.punctuated += is_in(end, kEnds);
        facts.open = facts.open || line.back() == ',' || line.back() == ';';
        facts.year = facts.year || !exact || form.is_year();
        facts.ruled += first == '|' || first == '+' ||
                       (bars && std::count(line.text, line.text + line.size,
                                           static_cast<C>('|')) > 1);
        if (block.count > 1) {
            const Answer word = form.is_item() ? Answer::kYes : chapter(line);
            facts.items += word != Answer::kNo || !exact;
            facts.sure_items += word == Answer::kYes;
        }
        if (shape.speakers) facts.speeches += may_be_speech_of_play(line);
        facts.ends_in_stop = end == '.';
    }
    facts.ended = is_in(bare, kEnds);
    facts.full_stop = bare == '.';
    facts.starts_low = signs_.is(begins, kLower);
    if (block.count == 1) facts.words = Form(lines[0], signs_).words();
    return facts;
}

template <class C>
Line<C> Book<C>::join(std::span<const Line<C>> lines) const {
    if (lines.size() == 1) return lines[0].stripped();
    joined_.clear();
    for (const auto& line : lines.first(std::min(kJoined, lines.size()))) {
        if (!joined_.empty()) joined_.push_back(static_cast<C>(' '));
        joined_.insert(joined_.end(), line.text + line.indent, line.text + line.size);
    }
    return {joined_.data(), joined_.size(), 0};
}

/// Whether a block begins with a number, and two of the four beside it with those before and after.
template <class C>
Answer Book<C>::goes_on_counting(std::size_t i) const {
    const auto number = [this](std::size_t j) {
        const Block& block = blocks_[j];
        return block.count == 1 ? Form(lines_[block.line].stripped(), signs_).item_number() : -1;
    };
    const int own = number(i);
    int beside = 0;
    for (std::size_t j = i > 2 ? i - 2 : 0; j < std::min(blocks_.size(), i + 3); ++j) {
        if (blocks_[j].count == 1 && !is_exact(blocks_[j])) return Answer::kAsk;
        beside += own >= 0 && j != i && number(j) >= 0 &&
                  number(j) == own + static_cast<int>(j) - static_cast<int>(i);
    }
    return beside >= 2 ? Answer::kYes : Answer::kNo;
}

#define CORPUSKIT_FACTS(C)                                                               \
    template Facts Book<C>::facts_of(const Block&, const Shape&, bool, bool) const;           \
    template Line<C> Book<C>::join(std::span<const Line<C>>) const;                     \
    template Answer Book<C>::goes_on_counting(std::size_t) const;
CORPUSKIT_FACTS(std::uint8_t)
CORPUSKIT_FACTS(std::uint16_t)
CORPUSKIT_FACTS(char32_t)

}  // namespace corpuskit::gutenberg
