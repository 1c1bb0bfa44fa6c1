// How often a word stands in a book: `Hyphens` of corpuskit/sources/gutenberg/reflow.py.
#pragma once

#include "engine/gutenberg/lanes.hpp"
#include "engine/gutenberg/signs.hpp"

namespace corpuskit::gutenberg {

/// Where a word of at least one character stands first in a text; the text's end for nowhere.
template <class C>
const C* find_word(const C* at, const C* end, const C* word, std::size_t size) {
    using L = Lanes<C>;
    if (static_cast<std::size_t>(end - at) < size) return end;
    const C* const stop = end - size + 1;  // behind the last place where it fits
    const C first = word[0], last = word[size - 1];
    while (at < stop) {
        // Most places are passed over by its first and its last character.
        const auto more = static_cast<std::ptrdiff_t>(L::kCount);
        if (stop - at >= more &&
            !L::any((L::load(at) == first) & (L::load(at + size - 1) == last))) {
            at += more;
            continue;
        }
        const C* const next = at + std::min(more, stop - at);
        for (; at < next; ++at)
            if (*at == first && std::equal(word, word + size, at)) return at;
    }
    return end;
}

/// Occurrences of a word that are no part of a longer one, nor of one with a hyphen. Those that
/// overlap count once; at `most` the rest is not looked at.
template <class C>
std::size_t count_word(const C* text, std::size_t length, const C* word, std::size_t size,
                       std::size_t most, const Signs& signs) {
    const C* const end = text + length;
    // A place before the text wraps around, and is as far out of it as one behind.
    const auto is_word = [&](std::size_t i) {
        return i < length && (text[i] == '_' || signs.is(text[i], kAlnum));
    };
    const auto joins = [&](std::size_t hyphen, std::size_t letter) {
        return hyphen < length && text[hyphen] == '-' && is_word(letter);
    };
    std::size_t count = 0;
    for (const C* at = find_word(text, end, word, size); at != end && count < most;
         at = find_word(at + size, end, word, size)) {
        const auto first = static_cast<std::size_t>(at - text), behind = first + size;
        count += !is_word(first - 1) && !is_word(behind) && !joins(first - 1, first - 2) &&
                 !joins(behind, behind + 1);
    }
    return count;
}

}  // namespace corpuskit::gutenberg
