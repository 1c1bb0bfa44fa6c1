// White space of texts; corpuskit/stages/normalize/whitespace.py says what becomes of it.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/text/column.hpp"

namespace corpuskit {

enum class TidyStatus : std::uint8_t { kGood, kNotUtf8, kHalfPair };

struct TidyBatch {
    std::vector<TidyStatus> status;  // of each text; one that is not good stays as it is
    bool changed = false;
    Strings texts;  // if anything changed
};

/// Whether a script is written without blanks between its words, so that U+200B parts them.
inline bool parts_words_by_zero_width(char32_t c) {
    return (c >= 0x0E00 && c <= 0x0EFF) ||  // Thai, Lao
           (c >= 0x1000 && c <= 0x109F) || (c >= 0xA9E0 && c <= 0xA9FF) ||  // Burmese
           (c >= 0xAA60 && c <= 0xAA7F) || (c >= 0x1780 && c <= 0x17FF) ||  // Khmer
           (c >= 0x1980 && c <= 0x1AAF);  // New Tai Lue, Khmer signs, Tai Tham
}

/// Tidies the white space of n texts, in time linear in them.
TidyBatch tidy_whitespace(const Column& texts);

}  // namespace corpuskit
