// Character references.
#pragma once

#include <string>
#include <string_view>

namespace corpuskit {

/// The character reference at s[0] == '&'. Sets `length` to its bytes and returns the code point,
/// or 0 if there is none that HTML 4 and XML know or if it names a code point that may not stand in
/// a page.
char32_t parse_entity(std::string_view s, std::size_t& length);
/// Appends a decoded character so that the second pass takes it for text.
void put_entity(std::string& out, char32_t c);

}  // namespace corpuskit
