// Words and numbers of chapters at the beginning of a line: CHAPTER of shape.py.
#include <string>

#include "engine/gutenberg/book.hpp"

namespace corpuskit::gutenberg {

namespace {

constexpr std::u32string_view kWords[] = {
    U"chapter", U"chap.", U"book", U"part", U"volume", U"vol.", U"letter", U"act", U"scene",
    U"canto", U"section", U"sect.", U"stave", U"epilogue", U"prologue", U"preface",
    U"introduction", U"contents", U"index", U"appendix", U"footnote", U"footnotes", U"notes",
    U"glossary", U"dedication", U"foreword", U"postscript", U"finis", U"the end", U"end of",
    U"first", U"second", U"third", U"fourth", U"fifth", U"kapitel", U"buch", U"teil", U"akt",
    U"szene", U"auftritt", U"vorwort", U"inhalt", U"chapitre", U"livre", U"tome", U"partie",
    U"acte", U"sc\u00e8ne", U"table des", U"pr\u00e9face", U"cap\u00edtulo", U"capitulo", U"libro",
    U"parte", U"cap.", U"tomo", U"pr\u00f3logo", U"capitolo", U"atto", U"scena", U"hoofdstuk",
    U"deel", U"inhoud", U"luku", U"runo", U"fejezet", U"rozdzia\u0142", U"ksi\u0119ga",
    U"\u0109apitro", U"fin", U"fine", U"ende",
};
constexpr std::size_t kLongestWord = 12;
constexpr std::size_t kSkipped = 4;  // signs before the word

}  // namespace

template <class C>
Answer Book<C>::chapter(const Line<C>& line) const {
    std::size_t at = 0;
    while (at < line.size && at < kSkipped && !signs_.is(line[at], kAlnum)) ++at;
    if (at == line.size || !signs_.is(line[at], kAlnum)) return Answer::kNo;
    if (line[at] >= 0x80) return Answer::kAsk;
    const auto blank_from = [&](std::size_t i) {
        while (i < line.size && signs_.is(line[i], kSpace)) ++i;
        return i == line.size ? Answer::kYes : line[i] < 0x80 ? Answer::kNo : Answer::kAsk;
    };
    std::size_t i = at;
    if (is_digit(line[at])) {
        while (i < line.size && i < at + 3 && is_digit(line[i])) ++i;
        if (line.at(i) == '.' || line.at(i) == ')') ++i;
        return blank_from(i);
    }
    while (i < line.size && i < at + 8 && is_in(lower(line[i]), U"ivxlc")) ++i;
    if (i > at) {
        if (line.at(i) == '.') ++i;
        if (const Answer numeral = blank_from(i); numeral != Answer::kNo) return numeral;
    }
    char32_t word[kLongestWord];
    std::size_t known = 0;
    while (known < kLongestWord && at + known < line.size && line[at + known] < 0x80) {
        word[known] = lower(line[at + known]);
        ++known;
    }
    const bool cut = at + known < line.size && known < kLongestWord;  // at a letter beyond ASCII
    for (const auto& name : kWords) {
        if (name[0] != word[0]) continue;
        const std::size_t same = std::min(known, name.size());
        if (!std::equal(word, word + same, name.begin())) continue;
        if (name.size() > known) {
            if (cut) return Answer::kAsk;
            continue;
        }
        const char32_t next = line.at(at + name.size());
        if (next != '_' && !signs_.is(next, kAlnum)) return Answer::kYes;
    }
    return Answer::kNo;
}

template <class C>
bool Book<C>::has_chapter(const Line<C>& line) const {
    const Answer answer = chapter(line);
    return answer == Answer::kAsk ? ask_(line.text, line.size) : answer == Answer::kYes;
}

template Answer Book<std::uint8_t>::chapter(const Line<std::uint8_t>&) const;
template Answer Book<std::uint16_t>::chapter(const Line<std::uint16_t>&) const;
template Answer Book<char32_t>::chapter(const Line<char32_t>&) const;
template bool Book<std::uint8_t>::has_chapter(const Line<std::uint8_t>&) const;
template bool Book<std::uint16_t>::has_chapter(const Line<std::uint16_t>&) const;
template bool Book<char32_t>::has_chapter(const Line<char32_t>&) const;

}  // namespace corpuskit::gutenberg
