// Short blocks between two of one kind: `find_blocks` and SETTLING of
// corpuskit/sources/gutenberg/rules.py.
#include "engine/gutenberg/book.hpp"

namespace corpuskit::gutenberg {

namespace {

constexpr std::int32_t kFewLines = 3;  // to which a block may take the kind of its neighbours
constexpr std::size_t kAround = 3;   // blocks above and below that tell of a short one
constexpr std::size_t kEntries = 5;  // how many with itself make it an entry of a list
constexpr std::size_t kNewSection = 3;

std::uint8_t code_of(Kind kind) { return static_cast<std::uint8_t>(kind); }

/// The kind that a block takes from those around it; its own where no rule holds.
Kind settled(const Block& block, const Shape& shape, double score, Kind own, Kind around) {
    const auto indent = static_cast<std::int64_t>(block.indent);
    const auto width = static_cast<double>(shape.width);
    const bool brief = static_cast<double>(block.right) < 0.9 * width;
    const bool may_be_entry = own == Kind::kProse || own == Kind::kHeading || own == Kind::kVerse;
    if (around == Kind::kList && may_be_entry && block.count <= 2 &&
        std::min(block.above, block.below) == 1 && (brief || indent > 1))
        return around;
    if (around == Kind::kVerse && own == Kind::kProse &&
        ((block.count > 1 && score > -1.5) || indent > shape.indent + 1))
        return around;
    if (around == Kind::kProse && own == Kind::kVerse && block.count > 1 &&
        static_cast<std::int64_t>(block.inset) <= shape.indent && score < 0.5)
        return around;
    return own;
}

}  // namespace

template <class C>
bool Book<C>::is_chapter(const Block& block) const {
    return block.above < kNewSection && block.count <= 2 && has_chapter(lines_[block.line]);
}

/// Whether most blocks near one are entries of a list, or headings of chapters with no text.
template <class C>
bool Book<C>::is_among_entries(std::size_t i, const std::uint8_t* kinds) const {
    const std::size_t first = i - std::min(i, kAround);
    const std::size_t stop = std::min(blocks_.size(), i + kAround + 1);
    std::size_t entries = 0, headings = 0;
    for (std::size_t j = first; j < stop; ++j) {
        entries += kinds[j] == code_of(Kind::kList);
        headings += kinds[j] == code_of(Kind::kHeading);
    }
    if (entries + headings < kEntries) return false;
    for (std::size_t j = first; j < stop && entries < kEntries; ++j)
        entries += kinds[j] == code_of(Kind::kHeading) && is_chapter(blocks_[j]);
    return entries >= kEntries;
}

template <class C>
void Book<C>::settle(const Shape& shape, std::uint8_t* kinds) const {
    for (std::size_t i = 1; i + 1 < blocks_.size(); ++i) {
        if (blocks_[i].count > kFewLines) continue;
        std::uint8_t around = kinds[i - 1];
        if (is_among_entries(i, kinds)) around = code_of(Kind::kList);
        else if (around != kinds[i + 1]) continue;
        if (around != kinds[i])
            kinds[i] = code_of(settled(blocks_[i], shape, scores_[i], static_cast<Kind>(kinds[i]),
                                       static_cast<Kind>(around)));
    }
}

#define CORPUSKIT_SETTLE(C) \
    template void Book<C>::settle(const Shape&, std::uint8_t*) const;
CORPUSKIT_SETTLE(std::uint8_t)
CORPUSKIT_SETTLE(std::uint16_t)
CORPUSKIT_SETTLE(char32_t)

}  // namespace corpuskit::gutenberg
