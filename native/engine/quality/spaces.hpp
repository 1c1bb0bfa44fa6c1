// Where the pieces of a text between white space begin and end.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/text/segment.hpp"

namespace corpuskit::quality {

/// Splits one text after the other; memory is used again.
class Spaces {
  public:
    /// Gives what Python's str.split does, in `begin` and `end` alone.
    void split(std::string_view text, Words& words);

  private:
    void mark(std::string_view text);
    void mark_wide(std::string_view text, std::size_t at);

    std::vector<std::uint64_t> bits_;  // whether each byte is white space; behind the text all are
};

}  // namespace corpuskit::quality
