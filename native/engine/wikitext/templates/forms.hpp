// What an argument of a template is, told by its form alone: text, a number, a code, an option.
#pragma once

#include <string>
#include <string_view>

namespace corpuskit {

/// Digits with the signs that stand in numbers, dates and shares.
bool is_number(std::string_view s);

/// Text that a reader would see: no number, file, address, colour, rule of CSS, key, option of a
/// template in one of the large languages, page of another namespace or date of maintenance.
/// `value` may hold marks.
bool is_text(std::string_view value);

/// "fr", "zh-hant", "GER", "DE-NHN": rather the code of something than a word. Roman numbers of
/// two and more signs are none.
bool is_short_code(std::string_view s);

/// Whether two values have the same letters: "Curie, Marie" sorts what "Marie Curie" shows.
bool same_letters(std::string_view a, std::string_view b);

/// Whether the character that ends `s` is a letter or digit of a script that sets words apart by
/// blanks.
bool ends_with_letter(std::string_view s);
/// The same for the character that begins it.
bool begins_with_letter(std::string_view s);
/// Whether `s` ends with a word of one or two letters of Arabic or Hebrew, as "and" and "the" are,
/// which stand before their word without a blank.
bool ends_with_prefix(std::string_view s);

}  // namespace corpuskit
