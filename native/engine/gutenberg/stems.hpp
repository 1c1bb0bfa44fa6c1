// Lines of a book that hold one of some stems of words, in whatever case.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace corpuskit::gutenberg {

/// The small letter of one beyond ASCII, as the reader's Unicode has it.
using SmallLetter = char32_t (*)(char32_t);

/// Appends a text in small letters as UTF-8, each letter by itself; U+0130, which would be two, is
/// i.
template <class C>
void lower_utf8(const C* text, std::size_t size, SmallLetter small, std::string& out);

/// Stems in small letters, as UTF-8, and what finds them in one pass.
///
/// The pass looks at the low bytes of two characters and of the two behind them, at every second
/// place of the text. Such a place falls on the first or the second character of a stem's window of
/// five; a stem of one or two characters may begin behind it. Any two bytes have a bit for each
/// bucket of stems that they may be of.
class Stems {
  public:
    static constexpr std::size_t kLeast = 3;  // bytes of a stem

    /// Each is of kLeast bytes and more, without a line end. Letters beyond ASCII that are `small`
    /// ones of others are looked for as those, too.
    Stems(const std::vector<std::string>& stems, SmallLetter small);

    /// Offsets of the lines of a text in which one stands. Work is linear.
    template <class C>
    std::vector<std::int64_t> lines(const C* text, std::size_t size) const;

  private:
    static constexpr std::size_t kBuckets = 8;
    /// A stem, and how many of its characters are before the place; -1: it begins behind it.
    struct Place {
        std::size_t stem;
        std::ptrdiff_t before;
    };
    struct Filter {
        std::vector<std::uint8_t> first, second;  // buckets by two bytes, by the two behind them
        std::vector<std::uint8_t> four;  // by a hash of four bytes: whether a long stem has them
        std::array<std::vector<Place>, kBuckets> places;
    };
    using Forms = std::map<char32_t, std::vector<std::uint8_t>>;

    void fill(Filter& filter, bool narrow) const;
    void add(Filter& filter, const Forms& forms, std::size_t stem, Place place,
             std::size_t bucket) const;
    template <class C>
    bool stands_at(std::size_t i, unsigned buckets, const Filter& filter, const C* text,
                   std::size_t size) const;

    std::vector<std::u32string> stems_;
    SmallLetter small_;
    Filter narrow_, wide_;  // of the stems of Latin-1, and of all
};

}  // namespace corpuskit::gutenberg
