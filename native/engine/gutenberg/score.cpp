// Verse and prose: the scored model of corpuskit/sources/gutenberg/verse.py, sum by sum in its
// order.
#include <string>

#include "engine/gutenberg/book.hpp"
#include "engine/gutenberg/lanes.hpp"

namespace corpuskit::gutenberg {

namespace {

constexpr std::size_t kNear = 2;
constexpr double kSure = 1.0;

/// Length of the word that a line begins with, at most one more than `most`.
template <class C>
std::size_t first_word(const Line<C>& line, std::size_t most, const Signs& signs) {
    const std::size_t stop = std::min(line.size, line.indent + most + 1);
    std::size_t i = line.indent;
    while (i < stop && !signs.is(line[i], kSpace)) ++i;
    return i - line.indent;
}

/// Two lines of a letter: the end of a sentence inside of a line.
template <class C>
bool stops_inside(const Line<C>& line, const Signs& signs) {
    for (std::size_t i = 0; i + 2 < line.size; ++i) {
        if (!is_in(line[i], U".!?")) continue;
        std::size_t next = i + 1;
        while (next < line.size && signs.is(line[next], kSpace)) ++next;
        // A letter, or a number that is no digit, as \w without \d and _ has it.
        if (next > i + 1 && next < line.size && signs.is(line[next], kAlnum) &&
            !signs.is(line[next], kDecimal))
            return true;
    }
    return false;
}

}  // namespace

template <class C>
double Book<C>::score_of(const Block& block, const Shape& shape,
                         const double (&weights)[kWeightCount]) {
    if (block.count < 2) return 0.0;
    const auto lines = lines_of(block);
    const std::size_t last = lines.size() - 1;
    const bool few = last < 3;
    const auto inset = static_cast<std::int64_t>(block.inset);
    auto width = static_cast<std::int64_t>(block.right);
    if (few) width = std::max(width, shape.width - (inset < 12 ? inset : 0));
    std::size_t fits = 0, total = 0;
    for (std::size_t i = 0; i < last; ++i) {
        const std::int64_t room = width - static_cast<std::int64_t>(lines[i].size) - 1;
        total += lines[i].size;
        if (room <= 0) continue;
        const auto most = static_cast<std::size_t>(room);
        fits += first_word(lines[i + 1], most, signs_) <= most;
    }
    const auto ends = static_cast<double>(last), fit = static_cast<double>(fits);
    const double filled = (static_cast<double>(total) / ends - static_cast<double>(inset)) /
                          static_cast<double>(std::max<std::int64_t>(1, shape.width - inset));
    const bool stands_in = inset > shape.margin + 1;
    const bool full = !(few || fits > 0 || stands_in) && filled > 0.85 &&
                      static_cast<double>(width) > 0.9 * static_cast<double>(shape.width) &&
                      !has_chapter(lines[0]);
    const bool loose = stands_in && few && filled < 0.7;
    const bool said = loose && block.lower > 0 &&
                      std::any_of(lines.begin(), lines.end(),
                                  [&](const auto& line) { return stops_inside(line, signs_); });
    double sum = weights[kBias] * 1.0;
    sum += weights[kShort] * static_cast<double>(few);
    sum += weights[kCapitals] * std::min(block.upper, 4);
    sum += weights[kSmall] * std::min(block.lower, 2);
    sum += weights[kFits] * (fit / ends - 0.4);
    sum += weights[kUnfilled] * (0.8 - filled);
    sum += weights[kShortUnfilled] * (few ? 0.8 - filled : 0.0);
    sum += weights[kEnded] * (block.ended / ends - 0.4);
    sum += weights[kRagged] * static_cast<double>(!few && fit > 0.3 * ends && filled < 0.7);
    sum += weights[kFull] * static_cast<double>(full);
    sum += weights[kInset] * static_cast<double>(stands_in);
    sum += weights[kInsetShort] * static_cast<double>(loose && !said);
    sum += weights[kQuoteFlush] * static_cast<double>(!stands_in && is_in(block.sign, kQuotes));
    return sum;
}

template <class C>
void Book<C>::score(const Shape& shape, const double (&weights)[kWeightCount]) {
    scores_.clear();
    for (const auto& block : blocks_) scores_.push_back(score_of(block, shape, weights));
}

template <class C>
std::uint8_t Book<C>::neighbours(std::size_t i) const {
    bool prose = false, verse = false;
    const auto inset = static_cast<std::int64_t>(blocks_[i].inset);
    const std::size_t first = i > kNear ? i - kNear : 0;
    for (std::size_t j = first; j < std::min(blocks_.size(), i + kNear + 1); ++j) {
        const auto& other = blocks_[j];
        if (j == i || other.count < 2) continue;
        if (std::abs(static_cast<std::int64_t>(other.inset) - inset) > 1) continue;
        prose = prose || scores_[j] < -kSure;
        verse = verse || (scores_[j] > kSure && other.ended * 4 >= other.count - 1);
    }
    return static_cast<std::uint8_t>(prose + 2 * verse);
}

template <class C>
bool Book<C>::stands_apart(std::size_t i) const {
    const std::size_t above = blocks_[i].above;
    if (above < 2) return false;
    std::size_t gaps[9], count = 0;
    const std::size_t first = i > 4 ? i - 4 : 0;
    for (std::size_t j = first; j < std::min(blocks_.size(), i + 5); ++j)
        gaps[count++] = blocks_[j].above;
    std::sort(gaps, gaps + count);
    return above > gaps[count / 2] || above > 3;
}

/// The section PLAIN of rules.py: true where it ends with the kind prose.
template <class C>
bool Book<C>::is_plain(std::size_t i, const Shape& shape) const {
    const auto& block = blocks_[i];
    if (shape.speakers || is_in(block.sign, U"[|*+")) return false;
    if (static_cast<std::int64_t>(block.indent) > shape.indent + 1) return false;
    if (static_cast<double>(block.right) < 0.8 * static_cast<double>(shape.width)) return false;
    if (block.count == 2 || (block.count > 2 && scores_[i] >= -2)) return false;
    const auto lines = lines_of(block);
    const auto has = [](const Line<C>& line, char c, std::size_t from) {
        return has_three(line.text + from, line.text + line.size, c);
    };
    if (block.count == 1)
        return is_in(block.sign, kQuotes) && block.above < 2 &&
               !has(lines[0], ' ', lines[0].indent);
    for (std::size_t k = 1; k < lines.size(); ++k) {
        const auto& line = lines[k];
        if (static_cast<std::int64_t>(line.indent) != shape.margin) return false;
        if (has(line, ' ', line.indent) || has(line, '.', 0)) return false;
    }
    return true;
}

template <class C>
Told Book<C>::tell(const Shape& shape, std::size_t story, const double (&weights)[kWeightCount]) {
    Told told;
    std::size_t verse = 0, prose = 0;
    for (const double score : scores_) verse += score > 0, prose += score < 0;
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
        const bool plain = is_plain(i, shape), apart = !plain && stands_apart(i);
        const std::uint8_t beside = plain ? 0 : neighbours(i);
        RuleBits rules{};
        if (!plain) {
            if (blocks_[i].count > 1) {
                const bool as_prose = (beside & 1) != 0 && static_cast<std::int64_t>(
                    blocks_[i].inset) > shape.margin + 1;
                scores_[i] += weights[kInsetAsProse] * static_cast<double>(as_prose) +
                              weights[kBesideVerse] * static_cast<double>((beside & 2) != 0);
            }
            rules = rules_of(i, shape, {i < story, apart, verse > prose, beside, scores_[i]});
        }
        told.plain.push_back(plain);
        told.apart.push_back(apart);
        told.beside.push_back(beside);
        told.rules.push_back(rules.may);
        told.sure.push_back(rules.sure);
    }
    return told;
}

template class Book<std::uint8_t>;
template class Book<std::uint16_t>;
template class Book<char32_t>;

}  // namespace corpuskit::gutenberg
