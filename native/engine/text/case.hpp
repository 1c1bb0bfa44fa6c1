// Upper and lower case of code points, as Unicode's simple mappings have them, without regard to
// any locale.
#pragma once

namespace corpuskit {

char32_t upper_case(char32_t c);
char32_t lower_case(char32_t c);

}  // namespace corpuskit
