#include "engine/gutenberg/stems.hpp"

#include <algorithm>
#include <numeric>

#include "engine/gutenberg/signs.hpp"
#include "engine/text/utf8.hpp"

namespace corpuskit::gutenberg {

namespace {

constexpr std::size_t kWindow = 5;
constexpr std::size_t kLongBuckets = 6;  // those of stems as long as a window; shorter ones behind
constexpr unsigned kShort = 1U << kLongBuckets;
constexpr char32_t kCased = 0x20000;     // no letter from here on has another case
constexpr char32_t kDottedI = 0x130;
constexpr std::size_t kPairs = std::size_t{1} << 16;
constexpr std::u32string_view kCommon = U"etaoinsrhldcumpg    ";

/// Where the window of a stem begins that has the fewest common letters.
std::size_t rarest(std::u32string_view stem) {
    const auto common = [stem](std::size_t at) {
        const auto window = stem.substr(at, kWindow);
        return std::count_if(window.begin(), window.end(),
                             [](char32_t c) { return is_in(c, kCommon); });
    };
    std::size_t best = 0;
    for (std::size_t at = 1; at + kWindow <= stem.size(); ++at)
        if (common(at) < common(best)) best = at;
    return best;
}

char32_t small_of(char32_t c, SmallLetter small) {
    return c < 0x80 ? lower(c) : c == kDottedI ? U'i' : small(c);
}

/// A place in a table for four bytes, the bit left out by which letters of ASCII differ in case.
std::size_t hash_of(std::uint32_t four) { return (four | 0x20202020U) * 2654435769U >> 16; }

}  // namespace

template <class C>
void lower_utf8(const C* text, std::size_t size, SmallLetter small, std::string& out) {
    char bytes[4];
    for (std::size_t i = 0; i < size; ++i)
        out.append(bytes, put_code_point(bytes, small_of(text[i], small)));
}

Stems::Stems(const std::vector<std::string>& stems, SmallLetter small) : small_(small) {
    for (const auto& stem : stems) {
        stems_.emplace_back();
        for (std::size_t at = 0; at < stem.size();)
            stems_.back().push_back(next_code_point(stem, at));
    }
    fill(narrow_, true);
    fill(wide_, false);
}

void Stems::fill(Filter& filter, bool narrow) const {
    const char32_t limit = narrow ? 0x100 : kCased;
    const auto fits = [&](const std::u32string& stem) {
        return !narrow ||
               std::all_of(stem.begin(), stem.end(), [](char32_t c) { return c < 0x100; });
    };
    Forms forms;
    for (const auto& stem : stems_)
        for (const char32_t c : stem) forms[c] = {static_cast<std::uint8_t>(c)};
    for (char32_t c = 0; c < limit; ++c) {
        const char32_t letter = small_of(c, small_);
        if (letter == c) continue;
        if (const auto found = forms.find(letter); found != forms.end())
            found->second.push_back(static_cast<std::uint8_t>(c));
    }
    filter.first.assign(kPairs, 0);
    filter.second.assign(kPairs, 0);
    filter.four.assign(kPairs, 0);
    // Windows that are alike share a bucket.
    std::vector<std::size_t> order(stems_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    const auto window = [this](std::size_t i) {
        return std::u32string_view(stems_[i]).substr(rarest(stems_[i]), kWindow);
    };
    std::sort(order.begin(), order.end(),
              [&](std::size_t a, std::size_t b) { return window(a) < window(b); });
    for (std::size_t rank = 0; rank < order.size(); ++rank) {
        const std::size_t i = order[rank];
        if (!fits(stems_[i])) continue;
        const bool is_short = stems_[i].size() < kWindow, is_tiny = stems_[i].size() < 3;
        const auto at = static_cast<std::ptrdiff_t>(is_short ? 0 : rarest(stems_[i]));
        const std::size_t bucket = is_short ? kLongBuckets : rank * kLongBuckets / order.size();
        add(filter, forms, i, {i, at}, bucket);
        add(filter, forms, i, {i, is_tiny ? at - 1 : at + 1}, bucket + is_tiny);
    }
}

void Stems::add(Filter& filter, const Forms& forms, std::size_t stem, Place place,
                std::size_t bucket) const {
    static const std::vector<std::uint8_t> any = [] {
        std::vector<std::uint8_t> bytes(256);
        std::iota(bytes.begin(), bytes.end(), std::uint8_t{0});
        return bytes;
    }();
    const auto at = [&](std::ptrdiff_t k) -> const std::vector<std::uint8_t>& {
        const auto index = static_cast<std::size_t>(place.before + k);
        return index < stems_[stem].size() ? forms.at(stems_[stem][index]) : any;
    };
    const auto set = [&](std::vector<std::uint8_t>& table, std::ptrdiff_t k) {
        for (const unsigned low : at(k))
            for (const unsigned high : at(k + 1))
                table[low | high << 8] |= static_cast<std::uint8_t>(1U << bucket);
    };
    set(filter.first, 0);
    set(filter.second, 2);
    if (bucket < kLongBuckets)
        for (const std::uint32_t a : at(0))
            for (const std::uint32_t b : at(1))
                for (const std::uint32_t c : at(2))
                    for (const std::uint32_t d : at(3))
                        filter.four[hash_of(a | b << 8 | c << 16 | d << 24)] = 1;
    filter.places[bucket].push_back(place);
}

/// Whether a stem of one of the buckets stands around the character i.
template <class C>
bool Stems::stands_at(std::size_t i, unsigned buckets, const Filter& filter, const C* text,
                      std::size_t size) const {
    for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
        if ((buckets >> bucket & 1) == 0) continue;
        for (const auto& [stem, before] : filter.places[bucket]) {
            const std::u32string& word = stems_[stem];
            // Below zero this is too large for any text.
            const std::size_t begin = i - static_cast<std::size_t>(before);
            if (begin > size || size - begin < word.size()) continue;
            std::size_t same = 0;
            while (same < word.size() && small_of(text[begin + same], small_) == word[same]) ++same;
            if (same == word.size()) return true;
        }
    }
    return false;
}

template <class C>
std::vector<std::int64_t> Stems::lines(const C* text, std::size_t size) const {
    const Filter& filter = sizeof(C) == 1 ? narrow_ : wide_;
    const std::uint8_t *const first = filter.first.data(), *const second = filter.second.data();
    const auto low = [text](std::size_t i) {
        return static_cast<std::uint32_t>(static_cast<std::uint8_t>(text[i]));
    };
    const auto pair = [&](std::size_t i) {
        if (i + 2 <= size) return low(i) | low(i + 1) << 8;
        return i < size ? low(i) : 0;
    };
    std::vector<std::int64_t> found;
    std::uint32_t here = pair(0);
    for (std::size_t i = 0; i < size;) {
        std::uint32_t before = here, next = pair(i + 2);
        // Most of the text goes by here.
        while ((first[before] & second[next]) == 0 && i + 6 <= size) {
            before = next;
            i += 2;
            next = low(i + 2) | low(i + 3) << 8;
        }
        const unsigned buckets = first[before] & second[next];
        const std::uint32_t four = before | next << 16;
        here = next;
        i += 2;
        if (buckets == 0 || (buckets < kShort && filter.four[hash_of(four)] == 0)) continue;
        if (!stands_at(i - 2, buckets, filter, text, size)) continue;
        std::size_t line = i - 2;
        if (text[line] == '\n') ++line;  // the stem begins behind it
        while (line > 0 && text[line - 1] != '\n') --line;
        found.push_back(static_cast<std::int64_t>(line));
        i = line;
        while (i < size && text[i] != '\n') ++i;  // a line counts once
        here = pair(i);
    }
    return found;
}

#define CORPUSKIT_STEMS(C)                                                      \
    template void lower_utf8(const C*, std::size_t, SmallLetter, std::string&); \
    template std::vector<std::int64_t> Stems::lines(const C*, std::size_t) const;
CORPUSKIT_STEMS(std::uint8_t)
CORPUSKIT_STEMS(std::uint16_t)
CORPUSKIT_STEMS(char32_t)

}  // namespace corpuskit::gutenberg
