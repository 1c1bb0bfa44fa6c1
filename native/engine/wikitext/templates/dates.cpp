// Dates that no format can write: those of the French wikis, whose arguments come in many shapes.
#include <algorithm>
#include <array>

#include "engine/wikitext/marks.hpp"
#include "engine/wikitext/templates/templates.hpp"

namespace corpuskit {

namespace {

/// Cuts "av. J.-C." off the end of a year and returns it as it is shown; empty when there is none.
std::string_view take_era(std::string& part) {
    struct Era {
        std::string_view written, shown;
    };
    static constexpr std::string_view kBefore = " av. J.-C.", kAfter = " apr. J.-C.";
    static constexpr Era kEras[] = {
        {"av. j.-c.", kBefore}, {"av. j-c", kBefore}, {"av j.-c.", kBefore},
        {"av jc", kBefore}, {"avjc", kBefore}, {"avant j.-c.", kBefore},
        {"avant jésus-christ", kBefore}, {"ap. j.-c.", kAfter}, {"apr. j.-c.", kAfter},
        {"ap jc", kAfter}, {"après j.-c.", kAfter}};
    for (std::size_t at = part.find("\u00A0"); at != kNone; at = part.find("\u00A0", at))
        part.replace(at, 2, " ");
    const std::string folded = fold_name(part);
    if (folded.size() != part.size()) return {};
    for (const Era& era : kEras)
        if (folded.ends_with(era.written)) {
            part.resize(part.size() - era.written.size());
            part = trim(part);
            return era.shown;
        }
    return {};
}

}  // namespace

/// Day, month, year, or all in one, perhaps behind the day of the week, which is shown where it is
/// an argument of its own: {{date|1|6|2019}}, {{date|1/6/2019}}, {{date|1 juin 2019}} -> 1er juin
/// 2019. A month or year with "-" behind it is not shown: {{date|14 mars 2018-}} -> 14 mars.
void render_date_french(const TemplateCall& call, std::string& out) {
    static constexpr std::array<std::string_view, 12> kFrench = {
        "janvier", "f\u00E9vrier", "mars", "avril", "mai", "juin",
        "juillet", "ao\u00FBt", "septembre", "octobre", "novembre", "d\u00E9cembre"};
    static constexpr std::array<std::string_view, 7> kDays = {
        "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"};
    const auto is_day = [](std::string_view word) { return contains_folded(kDays, word); };
    std::string words;
    std::string_view era;
    const std::uint32_t parts = is_day(plain(call.at(1))) ? 4 : 3;
    for (std::uint32_t i = 1; i <= parts + 1; ++i) {
        std::string part = plain(call.at(i));
        const std::string_view found = take_era(part);
        if (!found.empty()) era = found;
        if (i > parts) break;
        // {{date|1982|en musique}}: what the link leads to.
        if (i == 1 || part.find(' ') == kNone) words.append(part).push_back(' ');
    }
    const bool slashes = words.find('/') != kNone;
    if (slashes) std::replace(words.begin(), words.end(), '/', ' ');
    std::size_t count = 0, shown = 0;
    for (std::size_t at = 0; at < words.size() && count < 4;) {
        const std::size_t end = find_or_end(words, ' ', at);
        std::string word = words.substr(at, end - at);
        at = end + 1;
        if (word.empty()) continue;
        if (count > 0 && word.size() > 1 && word.back() == '-') {
            ++count;
            continue;
        }
        if (count == 0 && is_day(word)) {
            if (parts == 4) out.append(word), ++shown;
            continue;
        }
        const bool digits = word.size() <= 2 && std::all_of(word.begin(), word.end(), is_digit);
        const std::size_t number = digits ? static_cast<std::size_t>(std::stoi(word)) : 0;
        if (count == 0 && number == 1 && words.find_first_not_of(" 1") != kNone) word = "1er";
        else if (count == 0 && number > 1) word = std::to_string(number);  // "04"
        else if (count == 1 && number >= 1 && number <= 12) word = kFrench[number - 1];
        else if (word.size() > 1 && word.front() == '-' && is_digit(word[1]))
            word = word.substr(1) + " av. J.-C.";
        if (shown > 0) out.push_back(' ');
        out.append(word);
        ++count;
        ++shown;
    }
    if (shown > 0) out.append(era);
}

}  // namespace corpuskit
