// Paragraphs and lines of texts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace corpuskit {

enum class UnitKind { kParagraph, kLine };

/// One paragraph or line, without the white space at its ends: bytes of the text.
struct Unit {
    std::size_t begin, end;
};

/// The units of a text that are not blank, in order. Lines end at LF, CR, CR LF, U+0085, U+2028 and
/// U+2029; paragraphs at blank lines and at U+2029. Time is linear in the text.
std::vector<Unit> find_units(std::string_view text, UnitKind kind);

}  // namespace corpuskit
