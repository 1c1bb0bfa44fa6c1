// What the loss meter looks for in a text that was extracted: its words, sentences, holes and
// leftovers.
#include <algorithm>
#include <array>
#include <iterator>
#include <string>
#include <unordered_map>

#include "engine/text/ascii.hpp"
#include "engine/text/utf8.hpp"
#include "engine/text/words.hpp"
#include "engine/wikitext/audit/loss_text.hpp"
#include "engine/wikitext/parse/names.hpp"

namespace corpuskit {

namespace {

using Bytes = std::array<bool, 256>;
constexpr Bytes bytes_of(std::string_view list) {
    Bytes table{};
    for (char c : list) table[static_cast<unsigned char>(c)] = true;
    return table;
}
constexpr Bytes kMarkBytes = bytes_of("[]{}|s<'=");
// Full stops: in ASCII, and the first bytes of U+3002, U+FF01, U+FF1F.
constexpr Bytes kStopBytes = bytes_of(".!?\xE3\xEF");

std::size_t next_of(const Bytes& bytes, std::string_view text, std::size_t at) {
    while (at < text.size() && !bytes[static_cast<unsigned char>(text[at])]) ++at;
    return at;
}

// Words that want a noun after them, so that a comma, full stop or bracket behind them is a hole.
struct Openers {
    std::string_view language;
    std::string_view words;  // between blanks
    std::string_view pairs;  // two words that cannot meet, joined by '+'
};
constexpr Openers kOpeners[] = {
    {"en", "the an approximately roughly of between",
     "of+and of+or of+in at+and at+in from+and from+to with+and between+and by+and about+and "
     "approximately+and "
     "the+of the+and a+of of+the+of is+and"},
    {"de", "der des dem den von vom zum zur etwa",
     "von+und zwischen+und von+bis mit+und etwa+und der+und"},
    {"fr", "les des du au aux une environ", "de+et entre+et du+et des+et environ+et le+et"},
    {"es", "los las del al una aproximadamente", "de+y entre+y del+y en+y con+y"},
    {"it", "gli i del della dei delle al alla dal dalla", "di+e tra+e del+e della+e con+e"},
    {"vi", "của khoảng tại bằng với", "của+và khoảng+và từ+đến giữa+và"},
};

/// The words and pairs of a language, looked up by the first letter and the length before anything
/// else.
class OpenerWords {
  public:
    explicit OpenerWords(const Openers& openers) {
        if (openers.words.empty()) return;
        each_part(openers.words, ' ',
                  [&](std::string_view word) { note(word), words_.insert(std::string(word)); });
        each_part(openers.pairs, ' ', [&](std::string_view pair) {
            each_part(pair, '+', [&](std::string_view word) { note(word); });
            pairs_.insert(std::string(pair));
        });
    }
    bool may_know(std::string_view word) const {
        return word.size() < 32 &&
               (lengths_[static_cast<unsigned char>(lower(word[0]))] >> word.size() & 1) != 0;
    }
    bool opens(const std::string& word) const { return words_.contains(word); }
    bool cannot_meet(const std::string& a, const std::string& b) const {
        return pairs_.contains(a + "+" + b);
    }

  private:
    void note(std::string_view word) {
        lengths_[static_cast<unsigned char>(word[0])] |= 1U << word.size();
    }

    std::array<std::uint32_t, 256> lengths_{};
    NameSet words_, pairs_;
};

const OpenerWords& openers_of(std::string_view language) {
    static const OpenerWords kNoWords(Openers{});
    static const std::unordered_map<std::string_view, OpenerWords> kWords = [] {
        std::unordered_map<std::string_view, OpenerWords> words;
        for (const Openers& openers : kOpeners)
            words.emplace(openers.language, OpenerWords(openers));
        return words;
    }();
    const std::string_view base = language.substr(0, language.find('-'));
    const auto found = kWords.find(base == "simple" ? "en" : base);
    return found == kWords.end() ? kNoWords : found->second;
}

std::size_t skip_blanks(std::string_view text, std::size_t at) {
    while (at < text.size() && text[at] == ' ') ++at;
    return at;
}

/// "(" and what begins at `at` behind it: an empty bracket, or one that begins with a separator.
bool opens_hole(std::string_view text, std::size_t at) {
    at = skip_blanks(text, at);
    if (at >= text.size()) return false;
    if (is_any(text[at], ")],;")) return true;
    const std::string_view rest = text.substr(at);
    return rest.starts_with("\uFF09") || rest.starts_with("\u3001") || rest.starts_with("\uFF0C") ||
           rest.starts_with("\uFF1B");
}

}  // namespace

void count_words(std::string_view text, WordCounts& counts) {
    WordHash word;
    bool digit = false;
    for (std::size_t at = 0; at < text.size();) {
        const char32_t c = next_code_point(text, at);
        const WordPart part = word_part(c);
        if (part == WordPart::kLetter) {
            word.add(c);
            digit = c < 0x80 && is_digit(static_cast<char>(c));
            continue;
        }
        if (digit && joins_digits(c) && at < text.size() && is_digit(text[at])) continue;
        if (!word.empty()) counts.add(word.value());
        word.clear();
        digit = false;
        if (part == WordPart::kNone) continue;
        word.add(c);
        counts.add(word.value());
        word.clear();
    }
    if (!word.empty()) counts.add(word.value());
}

std::int64_t count_sentences(std::string_view text) {
    std::int64_t sentences = 0;
    for (std::size_t at = next_of(kStopBytes, text, 0); at < text.size();
         at = next_of(kStopBytes, text, at + 1)) {
        const std::string_view rest = text.substr(at);
        if (static_cast<unsigned char>(rest[0]) < 0x80)
            sentences += rest.size() == 1 || is_space(rest[1]);
        else
            sentences += rest.starts_with("\u3002") || rest.starts_with("\uFF01") ||
                         rest.starts_with("\uFF1F");
    }
    return sentences;
}

/// Adds to `holes`: empty brackets; doubled separators; a blank before a comma or full stop; a word
/// that wants a noun and has a sign behind it; two words that cannot meet.
void count_holes(std::string_view text, std::string_view language, std::int64_t* holes) {
    const OpenerWords& openers = openers_of(language);
    std::string last, word;   // last: the word before, in lower case, behind one blank
    for (std::size_t at = 0; at < text.size();) {
        const char c = text[at];
        if (c == '(' || (c == '\xEF' && text.substr(at).starts_with("\uFF08")))
            holes[0] += opens_hole(text, at + (c == '(' ? 1 : 3));
        if (c == ',') {
            const std::size_t next = skip_blanks(text, at + 1);
            holes[1] += next < text.size() &&
                        (text[next] == ',' || (text[next] == '.' && text.substr(next, 2) != ".."));
        }
        const bool separator = (c == ',' || c == '.') &&
                               (at + 1 == text.size() || is_space(text[at + 1]));
        if (separator && at > 0 && text[at - 1] == ' ') ++holes[2];
        if (!is_word(c)) {
            if (c != ' ' || (at > 0 && text[at - 1] == ' ')) {
                if (!last.empty()) {
                    const bool closes = is_any(c, ",.;)") && text.substr(at, 2) != "..";
                    if (closes && openers.opens(last)) ++holes[3];
                    last.clear();
                }
            }
            ++at;
            continue;
        }
        const std::size_t begin = at;
        while (at < text.size() && is_word(text[at])) ++at;
        if (!openers.may_know(text.substr(begin, at - begin))) {
            last.clear();
            continue;
        }
        word.assign(text.substr(begin, at - begin));
        std::transform(word.begin(), word.end(), word.begin(), lower);
        if (!last.empty() && openers.cannot_meet(last, word)) ++holes[4];
        last.swap(word);
    }
}

/// Adds to `leftovers`: [[ ]] {{ }} {| |- style= <tag> and '' or == at the start of a line.
void count_leftovers(std::string_view text, std::int64_t* leftovers) {
    std::size_t close = 0;  // the first '>' or end of a line behind the tag looked at last
    for (std::size_t at = next_of(kMarkBytes, text, 0); at < text.size();
         at = next_of(kMarkBytes, text, at)) {
        const std::string_view rest = text.substr(at);
        const bool line_start = at == 0 || text[at - 1] == '\n';
        std::size_t length = 2;
        if (rest.starts_with("[[")) ++leftovers[0];
        else if (rest.starts_with("]]")) ++leftovers[1];
        else if (rest.starts_with("{{")) ++leftovers[2];
        else if (rest.starts_with("}}")) ++leftovers[3];
        else if (rest.starts_with("{|")) ++leftovers[4];
        else if (line_start && rest.starts_with("|-")) ++leftovers[5];
        else if (rest.starts_with("style=")) ++leftovers[6];
        else if (rest[0] == '<' && rest.size() > 2 &&
                 (is_alpha(rest[1]) || (rest[1] == '/' && is_alpha(rest[2])))) {
            if (close < at) close = at;
            while (close < text.size() && text[close] != '>' && text[close] != '\n') ++close;
            if (close < text.size() && close - at < 120 && text[close] == '>') ++leftovers[7];
        } else if (rest.starts_with("''") || (line_start && rest.starts_with("=="))) ++leftovers[8];
        else length = 1;
        at += length;
    }
}

}  // namespace corpuskit
