// Upper and lower case of code points, as Unicode's simple mappings have them, without regard to any locale.
#pragma once

#include <string>
#include <string_view>

namespace corpuskit {

char32_t upper_case(char32_t c);
char32_t lower_case(char32_t c);

/// The code point at s[at], which moves behind it. A byte that is no UTF-8 is passed on as 0xDC00 + byte.
char32_t next_code_point(std::string_view s, std::size_t& at);
/// Appends a code point that next_code_point gave.
void put_code_point(std::string& out, char32_t c);
/// Number of code points.
std::size_t count_code_points(std::string_view s);

}  // namespace corpuskit
