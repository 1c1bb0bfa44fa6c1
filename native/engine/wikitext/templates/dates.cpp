// Dates that no format can write: those of the French wikis, whose arguments come in many shapes.
#include <algorithm>
#include <array>

#include "engine/wikitext/marks.hpp"
#include "engine/wikitext/templates/templates.hpp"

namespace corpuskit {

/// Day, month, year, or all in one: {{date|1|6|2019}}, {{date|1/6/2019}}, {{date|1 juin- 2019-}} ->
/// 1er juin 2019.
void render_date_french(const TemplateCall& call, std::string& out) {
    static constexpr std::array<std::string_view, 12> kFrench = {
        "janvier", "f\u00E9vrier", "mars", "avril", "mai", "juin",
        "juillet", "ao\u00FBt", "septembre", "octobre", "novembre", "d\u00E9cembre"};
    std::string words;
    for (std::uint32_t i = 1; i <= 3; ++i) words.append(plain(call.at(i))).push_back(' ');
    const bool slashes = words.find('/') != kNone;
    if (slashes) std::replace(words.begin(), words.end(), '/', ' ');
    std::size_t count = 0;
    for (std::size_t at = 0; at < words.size();) {
        const std::size_t end = find_or_end(words, ' ', at);
        std::string word = words.substr(at, end - at);
        at = end + 1;
        while (word.size() > 1 && word.back() == '-') word.pop_back();  // "2019-": without a link
        if (word.empty()) continue;
        const bool digits = word.size() <= 2 && std::all_of(word.begin(), word.end(), is_digit);
        const std::size_t number = digits ? static_cast<std::size_t>(std::stoi(word)) : 0;
        if (count == 0 && number == 1 && words.find_first_not_of(" 1") != kNone) word = "1er";
        else if (count == 0 && number > 1) word = std::to_string(number);  // "04"
        else if (count == 1 && number >= 1 && number <= 12) word = kFrench[number - 1];
        else if (word.size() > 1 && word.front() == '-' && is_digit(word[1]))
            word = word.substr(1) + " av. J.-C.";
        if (count > 0) out.push_back(' ');
        out.append(word);
        ++count;
    }
}

}  // namespace corpuskit
