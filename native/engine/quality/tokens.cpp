#include "engine/quality/tokens.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <iterator>

#include "engine/quality/characters.hpp"
#include "engine/text/ascii.hpp"

namespace corpuskit::quality {

namespace {

constexpr std::string_view kStopWords[] = {"the", "be", "to", "of", "and", "that", "have", "with"};
/// Bytes with which white space may begin: those of ASCII, and what leads U+0085 and U+00A0,
/// U+1680, U+2000 to U+205F, U+3000 in UTF-8.
constexpr std::array<bool, 256> kMayBeSpace = [] {
    std::array<bool, 256> may{};
    for (std::size_t byte = 0; byte <= ' '; ++byte) may[byte] = true;
    for (const std::size_t lead : {0xC2, 0xE1, 0xE2, 0xE3}) may[lead] = true;
    return may;
}();
/// Lengths below this are counted, longer ones sorted.
constexpr std::size_t kCounted = 64;

bool has_letter(std::string_view token) {
    if (is_alpha(token[0])) return true;
    for (std::size_t at = 0; at < token.size();)
        if ((characters().flags(next_code_point(token, at)) & kLetter) != 0) return true;
    return false;
}

bool is_marks_only(std::string_view token) {
    for (std::size_t at = 0; at < token.size();)
        if ((characters().flags(next_code_point(token, at)) & kMarksOnly) == 0) return false;
    return true;
}

/// What stands between two words that are one compound.
bool is_hyphen(std::string_view between) {
    return between == "-" || between == "\u2010" || between == "\u2011";
}

}  // namespace

void Tokens::read(std::string_view text, std::int64_t characters, Splitter splitter,
                  bool as_written) {
    text_ = text;
    ascii_ = static_cast<std::size_t>(characters) == text.size();
    figures_ = TokenFigures();
    if (splitter == Splitter::kUnicode) find_words(text, words_);
    else split_white_space();
    measure(splitter);
    const auto as_it_is = [this](std::size_t i) { return written(i); };
    if (splitter == Splitter::kWhiteSpace) {
        number(as_it_is);
        count_keys(as_it_is);
    } else {
        const auto folded = [this](std::size_t i) { return words_.word(i); };
        number(folded);
        count_keys(folded);
        if (as_written) number(as_it_is);
    }
}

void Tokens::split_white_space() {
    words_.clear();
    const Characters& known = characters();
    bool within = false;
    std::size_t at = 0;
    while (at < text_.size()) {
        const std::size_t before = at;
        while (at < text_.size() && !kMayBeSpace[static_cast<unsigned char>(text_[at])]) ++at;
        const bool space =
            at == before && (known.flags(next_code_point(text_, at)) & kPythonSpace) != 0;
        if (space == within) {
            (within ? words_.end : words_.begin).push_back(before);
            within = !within;
        }
    }
    if (within) words_.end.push_back(text_.size());
}

/// Characters of a token: without branches where the text goes on for eight bytes.
std::uint32_t Tokens::characters_of(std::size_t i) const {
    const std::size_t at = begin(i), size = end(i) - at;
    if (ascii_) return static_cast<std::uint32_t>(size);
    if (size > 8 || at + 8 > text_.size())
        return static_cast<std::uint32_t>(count_characters(text_.substr(at, size)));
    std::uint64_t bytes;
    std::memcpy(&bytes, text_.data() + at, 8);
    const std::size_t others = 8 * (8 - size);
    bytes = std::endian::native == std::endian::little ? bytes << others : bytes >> others;
    return static_cast<std::uint32_t>(size - continuation_bytes(bytes));
}

void Tokens::measure(Splitter splitter) {
    const std::size_t n = words_.begin.size();
    lengths.resize(n);
    by_length_.assign(kCounted, 0);
    long_.clear();
    figures_.tokens = static_cast<std::int64_t>(n);
    std::uint32_t longest = 0;
    bool lettered = false;  // whether the compound so far has a letter
    for (std::size_t i = 0; i < n; ++i) {
        const std::string_view token = written(i);
        const std::uint32_t length = characters_of(i);
        lengths[i] = length;
        longest = std::max(longest, length);
        const bool joined = splitter == Splitter::kUnicode && i > 0 &&
                            is_hyphen(text_.substr(end(i - 1), begin(i) - end(i - 1)));
        if (!joined) ++figures_.compounds, lettered = false;
        if (!lettered && has_letter(token)) ++figures_.alpha, lettered = true;
        if (splitter == Splitter::kWhiteSpace && is_marks_only(token)) continue;
        ++figures_.words;
        figures_.word_chars += length;
        if (length < kCounted) ++by_length_[length];
        else long_.push_back(length);
    }
    figures_.longest = longest;
    std::sort(long_.begin(), long_.end());
    const auto nth = [this](std::int64_t rank) -> std::int64_t {
        for (std::size_t length = 0; length < kCounted; ++length) {
            if (rank < by_length_[length]) return static_cast<std::int64_t>(length);
            rank -= by_length_[length];
        }
        return long_[static_cast<std::size_t>(rank)];
    };
    const std::int64_t words = figures_.words;
    if (words > 0) figures_.median_length_2 = nth((words - 1) / 2) + nth(words / 2);
}

template <typename Key>
void Tokens::number(Key key) {
    const std::size_t n = words_.begin.size();
    numbering_.reset(n);
    ids.resize(n);
    first_.clear();
    counts.clear();
    for (std::size_t i = 0; i < n; ++i) {
        const std::string_view token = key(i);
        const std::uint32_t id = numbering_.number(
            hash_bytes(token), [&](std::uint32_t other) { return key(first_[other]) == token; });
        ids[i] = id;
        if (id < first_.size()) {
            ++counts[id];
        } else {
            first_.push_back(static_cast<std::uint32_t>(i));
            counts.push_back(1);
        }
    }
}

template <typename Key>
void Tokens::count_keys(Key key) {
    for (std::size_t id = 0; id < counts.size(); ++id) {
        const std::string_view token = key(first_[id]);
        if (std::find(std::begin(kStopWords), std::end(kStopWords), token) == std::end(kStopWords))
            continue;
        ++figures_.stop_words;
        figures_.stop_word_occurrences += counts[id];
    }
    figures_.distinct = static_cast<std::int64_t>(counts.size());
    figures_.entropy_millibits = quality::entropy_millibits(counts, ids.size());
}

std::int64_t entropy_millibits(const std::vector<std::uint32_t>& counts, std::size_t total) {
    if (total == 0) return 0;
    std::array<std::uint64_t, 64> alike{};  // how many are 0, 1, 2...
    std::vector<std::uint32_t> great;
    for (const std::uint32_t count : counts)
        if (count < alike.size()) ++alike[count];
        else great.push_back(count);
    std::sort(great.begin(), great.end());
    double weighed = 0.0;
    const auto add = [&](std::uint64_t count, std::uint64_t many) {
        weighed += static_cast<double>(many * count) * std::log2(static_cast<double>(count));
    };
    for (std::size_t count = 1; count < alike.size(); ++count)
        if (alike[count] > 0) add(count, alike[count]);
    for (std::size_t at = 0; at < great.size();) {
        const std::size_t begin = at;
        while (at < great.size() && great[at] == great[begin]) ++at;
        add(great[begin], at - begin);
    }
    const auto all = static_cast<double>(total);
    return static_cast<std::int64_t>(
        std::floor((std::log2(all) - weighed / all) * 1000 + 0.5));
}

}  // namespace corpuskit::quality
