// Characters and lines as corpuskit/sources/gutenberg tells blocks by. Texts are code points in
// arrays of 1, 2 or 4 bytes each, as Python holds them, so that columns count characters.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace corpuskit::gutenberg {

/// What Python's str methods say of a code point: one byte for each of kCodePoints.
enum Sign : std::uint8_t {
    kSpace = 1,
    kAlpha = 2,
    kAlnum = 4,
    kUpper = 8,
    kLower = 16,
    kTitle = 32,
    kDecimal = 64,
};
inline constexpr std::size_t kCodePoints = 0x110000;

/// Some characters: those of ASCII as bits.
class CharSet {
  public:
    explicit constexpr CharSet(std::u32string_view all) : all_(all) {
        for (const char32_t c : all)
            if (c < 0x80) ascii_[c >> 6] |= std::uint64_t{1} << (c & 63);
    }
    constexpr bool has(char32_t c) const {
        if (c < 0x80) return (ascii_[c >> 6] >> (c & 63) & 1) != 0;
        return all_.find(c) != all_.npos;
    }

  private:
    std::u32string_view all_;
    std::uint64_t ascii_[2] = {};
};

/// Signs and ends that shape.py calls so.
inline constexpr CharSet kOpening(
    U" \t\u3000_\"'\u201c\u201d\u2018\u2019\u00ab\u00bb\u201e\u201a([{*=~+-\u2014\u2013\u2020|");
inline constexpr CharSet kClosing(U" _\"'\u201d\u2019\u00bb\u201c)]}=~+*");
inline constexpr CharSet kEnds(U",.;:!?\u2014-");
inline constexpr CharSet kSentenceEnds(U".!?:");
inline constexpr CharSet kQuotes(U"\"\u201c\u00ab\u201e\u2018'");

inline bool is_in(char32_t c, const CharSet& set) { return set.has(c); }
inline bool is_in(char32_t c, std::u32string_view set) { return set.find(c) != set.npos; }
inline bool is_digit(char32_t c) { return c >= '0' && c <= '9'; }
inline bool is_capital(char32_t c) { return c >= 'A' && c <= 'Z'; }
inline char32_t lower(char32_t c) { return is_capital(c) ? c + 32 : c; }

/// A line without white space at its end, tabs expanded where the block is measured.
template <class C>
struct Line {
    const C* text;
    std::size_t size;
    std::size_t indent;  // first column that is no white space

    char32_t operator[](std::size_t i) const { return text[i]; }
    char32_t at(std::size_t i) const { return i < size ? text[i] : 0; }
    char32_t back() const { return size > 0 ? text[size - 1] : 0; }
    std::size_t length() const { return size - indent; }
    Line stripped() const { return {text + indent, size - indent, 0}; }
};

/// Classes of characters by a table of Sign.
class Signs {
  public:
    explicit Signs(const std::uint8_t* table) : table_(table) {}
    std::uint8_t operator()(char32_t c) const { return table_[c]; }
    bool is(char32_t c, std::uint8_t sign) const { return (table_[c] & sign) != 0; }
    /// A digit, or a number of another kind: what may be one of Python's.
    bool numeric(char32_t c) const { return (table_[c] & (kAlnum | kAlpha)) == kAlnum; }

    /// The last character that is not of kClosing; 0 where all are.
    template <class C>
    char32_t last_bare(const Line<C>& line) const {
        std::size_t i = line.size;
        while (i > 0 && is_in(line[i - 1], kClosing)) --i;
        return i > 0 ? line[i - 1] : 0;
    }
    /// The first character that is not of kOpening; 0 where all are.
    template <class C>
    char32_t first_bare(const Line<C>& line) const {
        std::size_t i = 0;
        while (i < line.size && is_in(line[i], kOpening)) ++i;
        return line.at(i);
    }

  private:
    const std::uint8_t* table_;
};

}  // namespace corpuskit::gutenberg
