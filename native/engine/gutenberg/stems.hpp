// Lines of a book that hold one of some stems of words, in whatever case.
#pragma once

#include <cstddef>
#include <cstdint>
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
class Stems {
  public:
    static constexpr std::size_t kLeast = 3;  // bytes of a stem

    /// Each is of kLeast bytes and more, without a line end.
    explicit Stems(std::vector<std::string> stems);

    /// Offsets of the lines of a text in which one stands. Work is linear.
    template <class C>
    std::vector<std::int64_t> lines(const C* text, std::size_t size, SmallLetter small) const;

  private:
    template <class C>
    bool stands_at(std::size_t i, std::uint32_t last, const C* text, std::size_t size,
                   SmallLetter small) const;

    struct Piece {
        std::uint32_t bytes, mask;
        std::string stem;
    };
    std::vector<Piece> pieces_;
    std::vector<std::uint8_t> known_;  // by a hash of the last 4 bytes
    std::size_t longest_ = 0;
};

}  // namespace corpuskit::gutenberg
