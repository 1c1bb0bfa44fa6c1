// Texts in which something may be hidden; corpuskit/stages/normalize/hidden.py says what is.
#pragma once

#include <string_view>

namespace corpuskit {

/// Whether a character that no reader sees stands in a text, or what may begin a special token.
bool may_hide(std::string_view text);

}  // namespace corpuskit
