// Texts in characters of equal width, as an interpreter holds them, and the same in UTF-8.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

namespace corpuskit {

/// Somebody else's code points, of 1, 2 or 4 bytes each.
struct WideText {
    const void* points;
    std::size_t size;
    int width;
};

/// Writes one text after the other in UTF-8.
class Utf8Writer {
  public:
    /// What it wrote stands until the next call. Throws std::invalid_argument for half of a
    /// surrogate pair, which UTF-8 has no bytes for, and for another width.
    std::string_view write(const WideText& text);

  private:
    std::unique_ptr<char[]> room_;
    std::size_t size_ = 0;
};

}  // namespace corpuskit
