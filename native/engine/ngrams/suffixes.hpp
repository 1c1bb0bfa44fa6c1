// The order of a text's suffixes, in linear time whatever the text.
#pragma once

#include <cstdint>

namespace corpuskit {

/// Sorts the suffixes of a text of `size` symbols, each at least 0 and below `alphabet`: where one
/// is the beginning of another it comes first. Writes the places where they begin into `order`.
///
/// By induced sorting, SA-IS: Nong, Zhang and Chan, "Linear Suffix Array Construction by Almost
/// Pure Induced-Sorting", DCC 2009. Needs, beside text and order, 8 bytes for each symbol of
/// the alphabet or, where that is more, up to 4 for each of the text.
void sort_suffixes(const std::int32_t* text, std::int32_t size, std::int32_t alphabet,
                   std::int32_t* order);

}  // namespace corpuskit
