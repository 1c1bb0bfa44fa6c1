#include "engine/gutenberg/book.hpp"
#include "engine/gutenberg/forms.hpp"
#include "engine/gutenberg/lanes.hpp"
#include "engine/gutenberg/speech.hpp"

namespace corpuskit::gutenberg {

namespace {

constexpr std::size_t kTab = 8;
constexpr std::size_t kOutside = 9;  // blank lines above the first block and below the last
constexpr std::size_t kNoColumn = static_cast<std::size_t>(-1);
constexpr std::size_t kLongestFileName = 300;
/// "original size", the label of a link to a picture, has 12.
constexpr std::size_t kLettersOfLabel = 14;

/// Whether a word for page, in one of the languages of marks.py, may begin with a letter; true for
/// what is not known.
bool may_begin_page(char32_t c, const Signs& signs) {
    return is_in(lower(c), U"psbolt") || (c >= 0x80 && signs.is(c, kAlpha));
}

/// Whether one of some words may stand at a place, in whatever case.
template <class C>
bool may_begin_with(const C* at, const C* end, std::initializer_list<std::u32string_view> words) {
    return std::any_of(words.begin(), words.end(), [&](std::u32string_view word) {
        std::size_t same = 0;
        while (same < word.size() && at + same < end && lower(at[same]) == word[same]) ++same;
        return same == word.size() || (at + same < end && is_like_ascii(at[same]));
    });
}

constexpr CharSet kMarkSigns(U"_=~+[{<|(");

}  // namespace

template <class C>
Book<C>::Book(const C* text, std::size_t size, const std::uint8_t* signs, AskChapter ask)
    : text_(text), size_(size), signs_(signs), ask_(std::move(ask)) {
    find_blocks();
    if constexpr (sizeof(C) > 1) exact_ = !has_odd(text, text + size, signs_);
    const bool tabs = find(text_, text_ + size_, '\t') != text_ + size_;
    for (auto& block : blocks_) {
        if (tabs) expand_tabs(block);
        measure(block);
        look_for_marks(block);
        look_for_speakers(block);
    }
}

template <class C>
void Book<C>::find_blocks() {
    const C* const end = text_ + size_;
    const auto offset = [this](const C* p) { return static_cast<std::size_t>(p - text_); };
    std::size_t number = 0;
    bool open = false;
    for (const C* at = text_;; ++number) {
        const C* const stop = find(at, end, '\n');
        const C *first = at, *last = stop;
        while (first < stop && signs_.is(*first, kSpace)) ++first;
        if (first == stop) {
            open = false;
        } else {
            while (signs_.is(last[-1], kSpace)) --last;
            const Line<C> line{at, static_cast<std::size_t>(last - at),
                               static_cast<std::size_t>(first - at)};
            if (!open) {
                blocks_.push_back({});
                blocks_.back().first = number;
                blocks_.back().begin = offset(at);
                blocks_.back().line = lines_.size();
                open = true;
            } else if (const Line<C>& above = lines_.back();
                       above.back() == '-' && signs_.is(*first, kAlnum) && above.size > 1 &&
                       signs_.is(above[above.size - 2], kAlnum)) {
                blocks_.back().joins = true;
            }
            lines_.push_back(line);
            ++blocks_.back().count;
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
bool Book<C>::is_exact(const Block& block) const {
    return exact_ || std::none_of(text_ + block.begin, text_ + block.end,
                                  [this](char32_t c) { return is_odd(c, signs_); });
}

template <class C>
std::span<const Line<C>> Book<C>::raw_lines_of(const Block& block) const {
    if (!block.tabs) return lines_of(block);
    raw_.clear();
    const C* const end = text_ + block.end;
    for (const C* at = text_ + block.begin;;) {
        const C* const stop = find(at, end, '\n');
        const C *first = at, *last = stop;
        while (signs_.is(last[-1], kSpace)) --last;
        while (signs_.is(*first, kSpace)) ++first;
        raw_.push_back({at, static_cast<std::size_t>(last - at),
                        static_cast<std::size_t>(first - at)});
        if (stop == end) break;
        at = stop + 1;
    }
    return raw_;
}

template <class C>
void Book<C>::expand_tabs(Block& block) {
    const auto lines = std::span(lines_).subspan(block.line, static_cast<std::size_t>(block.count));
    block.tabs = std::any_of(lines.begin(), lines.end(), [](const Line<C>& line) {
        const C* const end = line.text + line.size;
        return find(line.text, end, '\t') != end;
    });
    if (!block.tabs) return;
    std::vector<C>& expanded = expanded_.emplace_back();
    std::vector<std::size_t> sizes;
    for (const auto& line : lines) {
        const std::size_t begin = expanded.size();
        std::size_t column = 0;
        for (std::size_t i = 0; i < line.size; ++i) {
            if (line[i] == '\t') {
                const std::size_t wide = kTab - column % kTab;
                expanded.insert(expanded.end(), wide, static_cast<C>(' '));
                column += wide;
            } else {
                expanded.push_back(line.text[i]);
                column = line[i] == '\r' ? 0 : column + 1;
            }
        }
        sizes.push_back(expanded.size() - begin);
    }
    const C* at = expanded.data();
    for (std::size_t i = 0; i < lines.size(); at += sizes[i], ++i) {
        std::size_t indent = 0;
        while (indent < sizes[i] && signs_.is(at[indent], kSpace)) ++indent;
        lines[i] = {at, sizes[i], indent};
    }
}

template <class C>
void Book<C>::measure(Block& block) {
    const auto lines = lines_of(block);
    block.sign = lines[0][lines[0].indent];
    block.inset = block.indent = lines[0].indent;
    block.right = lines[0].size;
    block.hanging = kNoColumn;
    block.second = lines.size() > 1 ? lines[1].indent : 0;
    for (std::size_t i = 1; i < lines.size(); ++i) {
        const Line<C>&above = lines[i - 1], &line = lines[i];
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
    using L = Lanes<C>;
    unsigned found = 0;
    std::size_t counts[4] = {};
    const auto next_of = [&](std::size_t i) {
        return i + 1 < block.end ? static_cast<char32_t>(text_[i + 1]) : 0;
    };
    for (std::size_t i = block.begin; i < block.end; ++i) {
        while (i + L::kCount <= block.end && !L::may_be_mark(text_ + i)) i += L::kCount;
        const std::size_t stop = std::min(i + L::kCount, block.end);
        for (; i < stop; ++i) {
            const char32_t c = text_[i];
            if (c >= 0x80 || !kMarkSigns.has(c)) continue;
            const char32_t next = next_of(i);
            unsigned opened = 0;
            switch (c) {
                case '_': ++counts[0]; continue;
                case '=': ++counts[1]; continue;
                case '~': ++counts[2]; continue;
                case '+': ++counts[3]; continue;
                case '(':
                    found |= kRound | (lower(next) == 'p' ? kMayBePage : 0);
                    if (signs_.is(next, kDecimal) || may_begin_page(next, signs_))
                        found |= kNumbered << 2;
                    continue;
                case '[': opened = 0, found |= next == 'I' ? kPicture : 0; break;
                case '{': opened = 1; break;
                case '<': opened = 3; break;
                default: opened = 4;
            }
            found |= kSquare << opened;
            if (may_begin_page(next, signs_)) found |= kMayBePage;
            if (signs_.is(next, kDecimal)) found |= kNumbered << opened;
        }
        --i;
    }
    if (*std::max_element(counts, counts + 4) > 1) found |= kEmphasis;
    if (may_name_file(block) || may_be_label(block)) found |= kMayBeFile;
    const auto lone = [](char32_t c, std::u32string_view set) {
        return c >= 0x80 || is_digit(c) || is_in(c, set);
    };
    if (block.count == 1 && lone(lower(text_[block.begin]), U"[{(|~ -p") &&
        lone(text_[block.end - 1], U"]})|~ .-"))
        found |= kMayBeLone;
    if (block.joins) found |= kHyphenJoin;
    marks_.push_back(static_cast<std::uint16_t>(found));
}

/// Whether the name of a file of a picture may stand in a block: a full stop before its ending.
template <class C>
bool Book<C>::may_name_file(const Block& block) const {
    // Of a longer block the first lines are looked at, too.
    if (block.end - block.begin > kLongestFileName &&
        static_cast<std::size_t>(block.count) <= kJoined)
        return false;
    const C* const end = text_ + block.end;
    for (const C* at = find(text_ + block.begin, end, '.'); at != end; at = find(at + 1, end, '.'))
        if (may_begin_with(at + 1, end, {U"jpg", U"jpeg", U"png", U"gif"})) return true;
    return false;
}

/// Whether a block may be "Full size", "Enlarge" or "Original size".
template <class C>
bool Book<C>::may_be_label(const Block& block) const {
    const C *at = text_ + block.begin, *const end = text_ + block.end;
    while (at < end && !signs_.is(*at, kAlnum)) ++at;
    std::size_t letters = 0;
    if (!may_begin_with(at, end, {U"full", U"enlarge", U"original"})) return false;
    for (; at < end && letters < kLettersOfLabel; ++at) letters += signs_.is(*at, kAlnum);
    return letters < kLettersOfLabel;
}

template <class C>
void Book<C>::look_for_speakers(const Block& block) {
    const auto lines = lines_of(block);
    for (const auto& line : lines.first(lines.size() < 3 ? 1 : lines.size()))
        if (is_like_speech(line, signs_))
            may_be_speech.emplace_back(line.text, line.text + line.size);
    if (block.above < 2 && is_like_speaker(lines[0], signs_))
        may_be_speaker.emplace_back(lines[0].text, lines[0].text + lines[0].size);
}

template <class C>
std::u32string Book<C>::speaker(const Line<C>& line) const {
    auto name = lone_speaker(line, signs_);
    return name.empty() || has_chapter(line) ? std::u32string() : name;
}

template <class C>
std::vector<std::u32string> Book<C>::lone_speakers() const {
    std::vector<std::u32string> names;
    for (const auto& text : may_be_speaker)
        if (auto name = speaker({text.data(), text.size(), 0}); !name.empty())
            names.push_back(std::move(name));
    return names;
}

template <class C>
bool Book<C>::is_speaker(const Line<C>& line) const {
    return is_like_speaker(line, signs_) && speakers_.contains(speaker(line));
}

/// Whether a line begins with a name that speaks, as a speech does.
template <class C>
bool Book<C>::may_be_speech_of_play(const Line<C>& line) const {
    if (!is_like_speech(line, signs_)) return false;
    std::size_t at = 0;
    while (is_in(line.at(at), U" \t_")) ++at;
    return std::any_of(speakers_.begin(), speakers_.end(), [&](const std::u32string& name) {
        return line.size - at >= name.size() &&
               std::equal(name.begin(), name.end(), line.text + at);
    });
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
