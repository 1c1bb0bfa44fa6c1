// Sentences of a paragraph; corpuskit/stages/quality/sentences.py says what one is.
#pragma once

#include <cstddef>
#include <string_view>

namespace corpuskit::quality {

std::size_t count_sentences(std::string_view paragraph);

}  // namespace corpuskit::quality
