// What the patterns of corpuskit/sources/gutenberg/rules.py match, told without a pattern. They say
// the same as those in every text without the characters of `is_odd`: letters beyond ASCII that
// patterns take for letters of ASCII, and digits of other scripts.
#pragma once

#include <iterator>

#include "engine/gutenberg/lanes.hpp"
#include "engine/gutenberg/signs.hpp"

namespace corpuskit::gutenberg {

/// A letter beyond ASCII that patterns which do not look at case take for i, s or k.
inline bool is_like_ascii(char32_t c) {
    return c == 0x130 || c == 0x131 || c == 0x17F || c == 0x212A;
}

/// A character for which a form here may not say what its pattern does.
inline bool is_odd(char32_t c, const Signs& signs) {
    if (c < 0x130) return false;
    return is_like_ascii(c) || signs.is(c, kDecimal);
}

/// Whether one of them is in a text; 16 bytes without a character that may be are passed at once.
template <class C>
bool has_odd(const C* at, const C* end, const Signs& signs) {
    return any_place(
        at, end,
        [&](const C* some) {
            return Lanes<C>::has_from(some, 0x130) &&
                   std::any_of(some, some + Lanes<C>::kCount,
                               [&](char32_t c) { return is_odd(c, signs); });
        },
        [&](const C* some, const C* stop) {
            return std::any_of(some, stop, [&](char32_t c) { return is_odd(c, signs); });
        });
}

/// Forms in a line, or in lines joined by spaces, without white space at its beginning.
template <class C>
class Form {
  public:
    Form(const Line<C>& text, const Signs& signs) : text_(text), signs_(signs) {}

    /// _CAPTION: `[Illustration`, `[Map`.
    bool is_caption() const {
        std::size_t i = text_.at(0) == '[' ? 1 : 0;
        static constexpr std::u32string_view kWords[] = {
            U"picture", U"image", U"map", U"plate", U"headpiece", U"tailpiece"};
        if (i == 1 && begins_with_any(1, kWords) != 0) return true;
        while (is_in(text_.at(i), U"_* ")) ++i;
        return has_word(i, U"illustration");
    }
    /// _NOTE: `[12]`, `[*]`, `Footnote`.
    bool is_note() const {
        const std::size_t i = text_.at(0) == '[' ? 1 : 0;
        if (has_word(i, U"footnote")) return true;
        if (i == 0) return false;
        const auto run = [&](std::size_t most, auto test) {
            std::size_t k = 0;
            while (test(text_.at(1 + k))) ++k;
            return k > 0 && k <= most && text_.at(1 + k) == ']';
        };
        return run(4, is_digit) || run(2, is_letter) ||
               run(3, [](char32_t c) { return c == '*'; }) ||
               run(1, [](char32_t c) { return c == 0x2020 || c == 0x2021; });
    }
    /// _FOOTNOTE: `[a]`, `12.`, `*`, `Footnote`.
    bool is_footnote() const {
        if (text_.at(0) == '*') return true;
        const std::size_t open = text_.at(0) == '[' ? 1 : 0;
        if (begins_with(open, U"footnote")) return true;
        std::size_t i = open;
        if (open != 0) {
            while (is_word(i) || text_.at(i) == '*') ++i;
            return i > 1 && i <= 5 && text_.at(i) == ']';
        }
        while (is_digit(text_.at(i))) ++i;
        return i > 0 && i <= 3 && is_in(text_.at(i), U":.)");
    }
    /// _NOTE_LABEL needs it: `Footnote` behind signs.
    bool may_be_note_label() const {
        return begins_with(first_of(0, [&](std::size_t i) { return !is_word(i); }), U"footnote");
    }
    /// _IMPRINT: `Copyright`, `Printed by`.
    bool is_imprint() const {
        static constexpr std::u32string_view kWords[] = {
            U"copyright", U"all rights reserved", U"printed in", U"printed by", U"published in",
            U"published by", U"entered according", U"entered, according"};
        const std::size_t first = first_of(0, [&](std::size_t i) { return !is_word(i); });
        return begins_with_any(first, kWords) != 0;
    }
    /// _ROMAN_TITLE: `IV. The Return`.
    bool is_numbered_title() const {
        const std::size_t at = first_alnum();
        if (at > 4) return false;
        std::size_t i = at;
        while (is_in(lower(text_.at(i)), U"ivxlc") && !is_small(text_.at(i))) ++i;
        std::size_t most = 8;
        if (i == at) {
            while (is_digit(text_.at(i))) ++i;
            most = 3;
        }
        if (i == at || i - at > most || text_.at(i) != '.') return false;
        std::size_t between = 0;
        for (++i;; ++between) {
            if (is_space(i) || text_.at(i) == 0x2014) i += 1;
            else if (text_.at(i) == '-' && text_.at(i + 1) == '-') i += 2;
            else break;
        }
        // Something else follows; of several dashes the last may be it.
        return between > (i < text_.size ? 0U : 1U);
    }
    /// _YEAR, of the whole line.
    bool is_year() const {
        std::size_t i = first_of(0, [&](std::size_t k) { return !is_word(k); });
        const std::size_t at = i;
        if (text_.at(i) == '1') {
            while (is_digit(text_.at(i))) ++i;
            if (i - at != 4 || !is_in(text_.at(at + 1), U"456789")) return false;
        } else {
            if (text_.at(i) != 'M') return false;
            for (++i; is_in(text_.at(i), U"DCLXVI");) ++i;
            if (i - at < 4) return false;
        }
        return first_of(i, [&](std::size_t k) { return !is_word(k); }) == text_.size;
    }
    /// _ITEM: `1. x`, `IV) x`, `(a) x`, `* x`.
    bool is_item() const {
        std::size_t i = 0;
        if (text_.at(0) == '(') {
            for (i = 1; is_digit(text_.at(i)) || is_small(text_.at(i));) ++i;
            if (i == 1 || i > 4 || text_.at(i) != ')') return false;
        } else if (!is_in(text_.at(0), U"*\u2022-")) {
            while (is_digit(text_.at(i))) ++i;
            const bool digits = i > 0;
            if (!digits)
                while (is_in(text_.at(i), U"IVXLC")) ++i;
            if (i == 0 || i > (digits ? 3 : 7) || !is_in(text_.at(i), U".)")) return false;
        }
        return is_space(i + 1) &&
               first_of(i + 1, [&](std::size_t k) { return is_space(k); }) < text_.size;
    }
    /// _ITEM_NUMBER; -1 for none.
    int item_number() const {
        std::size_t i = text_.at(0) == '(' ? 1 : 0;
        const std::size_t at = i;
        int number = 0;
        for (; i < at + 3 && is_digit(text_.at(i)); ++i)
            number = number * 10 + static_cast<int>(text_[i] - '0');
        if (i == at || !is_in(text_.at(i), U".)")) return -1;
        return at == 0 || (text_.at(i) == ')' && text_.at(i + 1) == '.') ? number : -1;
    }
    /// _SIGNED_FIRST: closing words of a letter.
    bool begins_as_closing() const {
        return std::any_of(std::begin(kClosings), std::end(kClosings) - 1,
                           [&](auto word) { return closes_with(word) != 0; });
    }
    /// _SIGNED: closing words and who writes.
    bool is_signed() const {
        std::size_t stop = text_.size;
        while (stop > 0 && is_in(text_[stop - 1], U".,;:")) --stop;
        for (const auto& word : kClosings) {
            const std::size_t from = closes_with(word);
            if (from == 0) continue;
            for (const auto& name : kWriters) {
                if (name.size() > stop || stop - name.size() < from) continue;
                const std::size_t at = stop - name.size();
                if (at - from > 70 || !begins_with(at, name)) continue;
                // Before the sign & a word, before a letter none.
                if (is_word(at - 1) != (name[0] == '&')) continue;
                if (none_of(from, at, U".!?")) return true;
            }
        }
        return false;
    }
    /// _SALUTED or _INITIALS: `My dear Sir,`, `J. A.`
    bool is_salutation() const { return is_saluted() || is_initials(); }
    /// _DATED: a day, a month, a number.
    bool is_dated() const {
        for (std::size_t at = 0; at <= 50 && at < text_.size; ++at) {
            if (at > 0 && is_in(text_[at - 1], U".!?;")) return false;
            const std::size_t stop = is_word(at) && (at == 0 || !is_word(at - 1)) ? day_at(at) : 0;
            for (std::size_t i = stop; stop != 0 && i <= stop + 12 && i < text_.size; ++i) {
                if (is_digit(text_[i]) && text_.size - i <= 25 && none_of(i, text_.size, U"!?"))
                    return true;
                if (is_letter(text_[i])) break;
            }
        }
        return false;
    }
    /// Whether a word is the name of a month or a day.
    bool names_a_day() const {
        for (std::size_t i = 0; i < text_.size; ++i)
            if (is_letter(text_[i]) && (i == 0 || !is_word(i - 1)) && day_at(i) != 0) return true;
        return false;
    }
    /// _NUMBER_AT_END: `  12`, `, 12-15.`, `Home. 7`.
    bool ends_in_number() const {
        std::size_t stop = text_.size;
        while (stop > 0 && is_in(text_[stop - 1], U".;,_=")) --stop;
        std::size_t first = stop;
        while (first > 0 && is_in(text_[first - 1], U"ivxlc")) --first;
        if (first < stop && may_begin_number(first)) return true;
        bool in_number = false;  // what may be behind a number and in it: the last is behind it
        for (std::size_t i = text_.size; i-- > 0;) {
            const char32_t c = text_[i];
            if (is_digit(c) && may_begin_number(i)) return true;
            in_number = in_number || !is_in(c, U".;,_=");
            if (in_number && !is_digit(c) && !is_in(c, U"-\u2013,_= ")) return false;
        }
        return false;
    }
    std::size_t words() const {
        std::size_t count = 0;
        for (std::size_t i = 0; i < text_.size; ++i)
            count += !is_space(i) && (i == 0 || is_space(i - 1));
        return count;
    }

  private:
    static constexpr std::u32string_view kClosings[] = {
        U"i am", U"i remain", U"i have the honor", U"i have the honour", U"believe me", U"ever",
        U"your", U"yours", U"your own", U"most", U"with", U"very"};
    static constexpr std::u32string_view kWriters[] = {
        U"your", U"yours", U"ever", U"servant", U"friend", U"sister", U"brother", U"son",
        U"daughter", U"mother", U"father", U"wife", U"husband", U"affectionate", U"affectionately",
        U"truly", U"sincerely", U"faithfully", U"respectfully", U"obligation", U"obliged",
        U"attached", U"&c", U"etc"};

    static bool is_small(char32_t c) { return c >= 'a' && c <= 'z'; }
    static bool is_letter(char32_t c) { return is_small(lower(c)); }
    bool is_space(std::size_t i) const { return i < text_.size && signs_.is(text_[i], kSpace); }
    bool is_word(std::size_t i) const {
        return i < text_.size && (text_[i] == '_' || signs_.is(text_[i], kAlnum));
    }
    std::size_t first_of(std::size_t i, auto passes) const {
        while (i < text_.size && passes(i)) ++i;
        return i;
    }
    std::size_t first_alnum() const {
        return first_of(0, [&](std::size_t i) { return !signs_.is(text_[i], kAlnum); });
    }
    bool none_of(std::size_t i, std::size_t stop, std::u32string_view set) const {
        while (i < stop && !is_in(text_[i], set)) ++i;
        return i >= stop;
    }
    /// In whatever case.
    bool begins_with(std::size_t at, std::u32string_view word) const {
        if (at > text_.size || text_.size - at < word.size()) return false;
        std::size_t same = 0;
        while (same < word.size() && lower(text_[at + same]) == word[same]) ++same;
        return same == word.size();
    }
    bool has_word(std::size_t at, std::u32string_view word) const {
        return begins_with(at, word) && !is_word(at + word.size());
    }
    /// Where the first of some words ends that stands there; 0 where none does.
    std::size_t begins_with_any(std::size_t at, const auto& words) const {
        for (const auto& word : words)
            if (has_word(at, word)) return at + word.size();
        return 0;
    }
    /// Where a closing word ends that the text begins with, behind up to three signs; 0 for none.
    std::size_t closes_with(std::u32string_view word) const {
        const std::size_t at = first_alnum();
        return at <= 3 && has_word(at, word) ? at + word.size() : 0;
    }
    bool is_saluted() const {
        static constexpr std::u32string_view kWords[] = {
            U"dear", U"dearest", U"beloved", U"honored", U"honoured", U"sir", U"madam",
            U"gentlemen"};
        std::size_t at = first_alnum();
        if (at > 3) return false;
        at += begins_with(at, U"my ") ? 3 : begins_with(at, U"o ") ? 2 : 0;
        const std::size_t from = begins_with_any(at, kWords);
        std::size_t stop = text_.size;
        while (stop > 0 && is_in(text_[stop - 1], U",:\u2014-")) --stop;
        return from != 0 && stop < text_.size && (stop <= from || stop - from <= 40);
    }
    bool is_initials() const {
        std::size_t i = text_.at(0) == '_' ? 1 : 0, count = 0;
        const std::size_t numeral =
            first_of(i, [&](std::size_t k) { return is_in(text_[k], U"IVXLC"); });
        if (numeral > i && text_.at(numeral) == '.') return false;
        while (count < 4 && is_capital(text_.at(i)) && text_.at(i + 1) == '.') {
            i += text_.at(i + 2) == ' ' ? 3 : 2;
            ++count;
        }
        i += text_.at(i) == '_';
        return count > 0 && i == text_.size;
    }
    /// Whether what stands before a number lets it be the end of an entry.
    bool may_begin_number(std::size_t at) const {
        if (at < 2) return false;
        if (is_space(at - 1) && is_space(at - 2)) return true;
        const auto is_name = [&](std::size_t i) {
            return signs_.is(text_[i], kAlnum) && !signs_.is(text_[i], kDecimal);
        };
        if (at >= 6 && text_[at - 1] == ' ' && text_[at - 2] == '.' && is_name(at - 3) &&
            is_name(at - 4) && is_name(at - 5) && is_name(at - 6))
            return true;
        at -= text_[at - 1] == '=';
        at -= at > 0 && text_[at - 1] == '_';
        return at >= 2 && text_[at - 1] == ' ' && is_in(text_[at - 2], U",;");
    }
    /// Where the name of a month or a day ends that stands there; 0 for none.
    std::size_t day_at(std::size_t at) const {
        static constexpr std::u32string_view kNames[] = {
            U"jan", U"january", U"feb", U"february", U"mar", U"march", U"apr", U"april", U"may",
            U"jun", U"june", U"jul", U"july", U"aug", U"august", U"sep", U"sept", U"september",
            U"oct", U"october", U"nov", U"november", U"dec", U"december", U"monday", U"tuesday",
            U"wednesday", U"thursday", U"friday", U"saturday", U"sunday"};
        return begins_with_any(at, kNames);
    }

    Line<C> text_;
    const Signs& signs_;
};

}  // namespace corpuskit::gutenberg
