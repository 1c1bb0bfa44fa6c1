// Numbers in English words: 21 -> twenty-one.
#pragma once

#include <string>
#include <string_view>

namespace corpuskit {

/// Words for a number as `Measure::digits` has it ("21", "9.8", "1/2", "2+1/2"); empty if it has
/// none here. `american`: without "and" behind hundreds, and fourths for quarters.
std::string spell_number(std::string_view digits, bool negative, bool american);

/// The same with its first letter as a capital.
std::string upper_first(std::string words);

}  // namespace corpuskit
