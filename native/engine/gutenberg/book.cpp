#include "engine/gutenberg/book.hpp"
#include "engine/gutenberg/speech.hpp"

#include <array>

namespace corpuskit::gutenberg {

namespace {

constexpr std::size_t kTab = 8;
constexpr std::size_t kOutside = 9;  // blank lines above the first block and below the last
constexpr std::size_t kNoColumn = static_cast<std::size_t>(-1);
/// "original size", the label of a link to a picture, has 12.
constexpr std::size_t kLettersOfLabel = 14;

/// Characters that look_for_marks looks at: those of Mark, and full stops.
constexpr auto kMarkSigns = [] {
    std::array<bool, 128> signs{};
    for (const char c : std::string_view("_=~+[{<|(.")) signs[static_cast<std::size_t>(c)] = true;
    return signs;
}();

template <class C>
const C* find_line_end(const C* at, const C* end) {
    return std::find(at, end, static_cast<C>('\n'));
}
template <>
const std::uint8_t* find_line_end(const std::uint8_t* at, const std::uint8_t* end) {
    const auto size = static_cast<std::size_t>(end - at);
    const auto found = std::string_view(reinterpret_cast<const char*>(at), size).find('\n');
    return found == std::string_view::npos ? end : at + found;
}

}  // namespace

template <class C>
Book<C>::Book(const C* text, std::size_t size, const std::uint8_t* signs, AskChapter ask)
    : text_(text), size_(size), signs_(signs), ask_(std::move(ask)) {
    find_blocks();
    for (auto& block : blocks_) {
        measure(block);
        look_for_marks(block);
        look_for_speakers(block);
    }
}

template <class C>
void Book<C>::find_blocks() {
    const C* const end = text_ + size_;
    std::size_t number = 0;
    bool open = false;
    for (const C* at = text_;; ++number) {
        const C* const stop = find_line_end(at, end);
        const C* first = at;
        while (first < stop && signs_.is(*first, kSpace)) ++first;
        const auto offset = [this](const C* p) { return static_cast<std::size_t>(p - text_); };
        if (first == stop) {
            open = false;
        } else {
            if (!open) {
                blocks_.push_back({});
                blocks_.back().first = number;
                blocks_.back().begin = offset(at);
                open = true;
            }
            blocks_.back().stop = number + 1;
            blocks_.back().end = offset(stop);
        }
        if (stop == end) break;
        at = stop + 1;
    }
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
        auto& block = blocks_[i];
        block.above = i > 0 ? block.first - blocks_[i - 1].stop : kOutside;
        block.below = i + 1 < blocks_.size() ? blocks_[i + 1].first - block.stop : kOutside;
    }
}

template <class C>
void Book<C>::split(const Block& block, bool expanded) const {
    lines_.clear();
    const C* const end = text_ + block.end;
    for (const C* at = text_ + block.begin;;) {
        const C* const stop = find_line_end(at, end);
        const C* last = stop;
        while (last > at && signs_.is(last[-1], kSpace)) --last;
        const C* first = at;
        while (first < last && signs_.is(*first, kSpace)) ++first;
        lines_.push_back({at, static_cast<std::size_t>(last - at),
                          static_cast<std::size_t>(first - at)});
        if (stop == end) break;
        at = stop + 1;
    }
    if (!expanded || !block.tabs) return;
    std::vector<std::size_t> sizes;
    expanded_.clear();
    for (auto& line : lines_) {
        const std::size_t begin = expanded_.size();
        std::size_t column = 0;
        for (std::size_t i = 0; i < line.size; ++i) {
            if (line[i] == '\t') {
                const std::size_t wide = kTab - column % kTab;
                expanded_.insert(expanded_.end(), wide, static_cast<C>(' '));
                column += wide;
            } else {
                expanded_.push_back(line.text[i]);
                column = line[i] == '\r' ? 0 : column + 1;
            }
        }
        sizes.push_back(expanded_.size() - begin);
    }
    const C* at = expanded_.data();
    for (std::size_t i = 0; i < lines_.size(); at += sizes[i], ++i) {
        std::size_t indent = 0;
        while (indent < sizes[i] && signs_.is(at[indent], kSpace)) ++indent;
        lines_[i] = {at, sizes[i], indent};
    }
}

template <class C>
void Book<C>::measure(Block& block) {
    split(block, false);
    block.tabs = std::any_of(lines_.begin(), lines_.end(), [](const Line<C>& line) {
        return std::find(line.text, line.text + line.size, static_cast<C>('\t')) !=
               line.text + line.size;
    });
    if (block.tabs) split(block, true);
    block.count = static_cast<std::int32_t>(lines_.size());
    block.sign = lines_[0][lines_[0].indent];
    block.inset = block.indent = lines_[0].indent;
    block.right = lines_[0].size;
    block.hanging = kNoColumn;
    block.second = lines_.size() > 1 ? lines_[1].indent : 0;
    for (std::size_t i = 1; i < lines_.size(); ++i) {
        const Line<C>&above = lines_[i - 1], &line = lines_[i];
        block.hanging = std::min(block.hanging, line.indent);
        block.right = std::max(block.right, line.size);
        char32_t end = above.back();
        if (!signs_.is(end, kAlnum)) {
            end = signs_.last_bare(above);
            block.ended += is_in(end, kEnds);
        }
        if (is_in(end, kSentenceEnds)) continue;
        char32_t letter = line[0];
        if (!signs_.is(letter, kAlpha)) letter = signs_.first_bare(line);
        if (signs_.is(letter, kUpper)) ++block.upper;
        else if (signs_.is(letter, kAlpha)) ++block.lower;
    }
    block.inset = std::min(block.indent, block.hanging);
}

template <class C>
void Book<C>::look_for_marks(const Block& block) {
    unsigned found = 0;
    std::size_t counts[4] = {};
    for (std::size_t i = block.begin; i < block.end; ++i) {
        const char32_t c = text_[i];
        if (c >= 0x80 || !kMarkSigns[c]) continue;
        const char32_t next = i + 1 < block.end ? static_cast<char32_t>(text_[i + 1]) : 0;
        switch (c) {
            case '_': ++counts[0]; continue;
            case '=': ++counts[1]; continue;
            case '~': ++counts[2]; continue;
            case '+': ++counts[3]; continue;
            case '.': found |= is_in(lower(next), U"jpg") ? kMayBeFile : 0; continue;
            case '(': found |= kRound | (lower(next) == 'p' ? kMayBePage : 0); continue;
            case '[': found |= kSquare | (next == 'I' ? kPicture : 0); break;
            case '{': found |= kCurly; break;
            case '<': found |= kAngle; break;
            default: found |= kBar;
        }
        if (signs_.is(next, kAlpha)) found |= kMayBePage;
    }
    if (*std::max_element(counts, counts + 4) > 1) found |= kEmphasis;
    if (may_be_label(block)) found |= kMayBeFile;
    const auto lone = [](char32_t c, std::u32string_view set) {
        return c >= 0x80 || is_digit(c) || is_in(c, set);
    };
    if (block.count == 1 && lone(lower(text_[block.begin]), U"[{(|~ -p") &&
        lone(text_[block.end - 1], U"]})|~ .-"))
        found |= kMayBeLone;
    if (block.count > 1 && has_hyphen_join(block)) found |= kHyphenJoin;
    marks_.push_back(static_cast<std::uint16_t>(found));
}

/// Whether a block may be "Full size", "Enlarge" or "Original size".
template <class C>
bool Book<C>::may_be_label(const Block& block) const {
    std::size_t i = block.begin, letters = 0;
    while (i < block.end && !signs_.is(text_[i], kAlnum)) ++i;
    if (i == block.end || (text_[i] < 0x80 && !is_in(lower(text_[i]), U"feo"))) return false;
    for (; i < block.end && letters < kLettersOfLabel; ++i) letters += signs_.is(text_[i], kAlnum);
    return letters < kLettersOfLabel;
}

template <class C>
bool Book<C>::has_hyphen_join(const Block& block) const {
    const C *const begin = text_ + block.begin, *const end = text_ + block.end;
    for (const C* stop = find_line_end(begin, end); stop != end;
         stop = find_line_end(stop + 1, end)) {
        const C *last = stop, *next = stop + 1;
        while (last > begin && signs_.is(last[-1], kSpace)) --last;
        if (last < begin + 2 || last[-1] != '-' || !signs_.is(last[-2], kAlnum)) continue;
        while (next < end && signs_.is(*next, kSpace)) ++next;
        if (next < end && signs_.is(*next, kAlnum)) return true;
    }
    return false;
}

template <class C>
void Book<C>::look_for_speakers(const Block& block) {
    const std::size_t looked_at = lines_.size() < 3 ? 1 : lines_.size();
    for (std::size_t i = 0; i < looked_at; ++i)
        if (is_like_speech(lines_[i], signs_))
            may_be_speech.emplace_back(lines_[i].text, lines_[i].text + lines_[i].size);
    if (block.above < 2 && is_like_speaker(lines_[0], signs_))
        may_be_speaker.emplace_back(lines_[0].text, lines_[0].text + lines_[0].size);
}

namespace {

bool looks_like_prose(const Block& block) {
    const int known = block.upper + block.lower;
    return block.count >= 3 && (known ? static_cast<double>(block.upper) / known : 0.5) < 0.6;
}

}  // namespace

template <class C>
Counts Book<C>::margins() const {
    Counts counts;
    for (const auto& block : blocks_)
        if (looks_like_prose(block)) counts[block.hanging] += static_cast<std::size_t>(block.count);
    return counts;
}

template <class C>
Counts Book<C>::widths(std::size_t margin) const {
    Counts counts;
    for (const auto& block : blocks_)
        if (looks_like_prose(block) && block.hanging <= margin + 1)
            counts[block.right] += static_cast<std::size_t>(block.count);
    return counts;
}

template <class C>
Counts Book<C>::indents(std::size_t margin) const {
    Counts counts;
    for (const auto& block : blocks_)
        if (block.count >= 2 && block.second == margin) ++counts[block.indent];
    return counts;
}

template class Book<std::uint8_t>;
template class Book<std::uint16_t>;
template class Book<char32_t>;

}  // namespace corpuskit::gutenberg
