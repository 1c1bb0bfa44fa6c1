// Whether a text is in NFC, by a quick look.
#pragma once

#include <string_view>

namespace corpuskit {

/// Whether a text is in NFC for certain: each of its code points stands for itself and joins no
/// other. False says nothing.
bool surely_nfc(std::string_view text);

}  // namespace corpuskit
