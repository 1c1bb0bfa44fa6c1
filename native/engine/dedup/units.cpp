#include "engine/dedup/units.hpp"

#include "engine/text/utf8.hpp"

namespace corpuskit {

namespace {

constexpr char32_t kParagraphSeparator = 0x2029;

bool ends_line(char32_t c) {
    return c == '\n' || c == '\r' || c == 0x85 || c == 0x2028 || c == kParagraphSeparator;
}
/// White space of Unicode, as Python's `str.strip` takes it.
bool is_space(char32_t c) {
    if (c < 0x80) return c == ' ' || (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x1f);
    return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
           c == kParagraphSeparator || c == 0x202f || c == 0x205f || c == 0x3000;
}

}  // namespace

std::vector<Unit> find_units(std::string_view text, UnitKind kind) {
    std::vector<Unit> units;
    bool open = false, blank = true;  // whether a unit goes on; whether this line is blank so far
    std::size_t at = 0;
    while (at < text.size()) {
        const std::size_t begin = at;
        const char32_t c = next_code_point(text, at);
        if (ends_line(c)) {
            if (c == '\r' && at < text.size() && text[at] == '\n') ++at;
            if (kind == UnitKind::kLine || blank || c == kParagraphSeparator) open = false;
            blank = true;
        } else if (!is_space(c)) {
            if (!open) units.push_back({begin, at});
            units.back().end = at;
            open = true, blank = false;
        }
    }
    return units;
}

}  // namespace corpuskit
