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
constexpr std::size_t kLongestStopWord = 4;
/// Lengths below this are counted, longer ones sorted.
constexpr std::size_t kCounted = 64;
/// Tokens that are looked up at a time.
constexpr std::size_t kAtOnce = 32;

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
    by_length_.assign(kCounted, 0);
    long_.clear();
    const auto each_written = [this](std::size_t i) { return written(i); };
    if (splitter == Splitter::kWhiteSpace) {
        spaces_.split(text, words_);
        number(text, each_written);
        count_pieces(each_written);
        measure_pieces();
    } else {
        find_words(text, words_);
        const auto each_folded = [this](std::size_t i) { return folded(i); };
        number(words_.folded, each_folded);
        count_pieces(each_folded);
        if (as_written) number(text, each_written);
        measure_words();
    }
    figures_.tokens = static_cast<std::int64_t>(size());
    find_median();
}

/// Characters of a token: without branches where the text goes on for eight bytes.
std::uint32_t Tokens::characters_of(std::size_t i) const {
    const std::size_t at = begin(i), size = end(i) - at;
    if (ascii_) return static_cast<std::uint32_t>(size);
    if (size > 8 || at + 8 > text_.size())
        return static_cast<std::uint32_t>(count_characters({text_.data() + at, size}));
    std::uint64_t bytes;
    std::memcpy(&bytes, text_.data() + at, 8);
    const std::size_t others = 8 * (8 - size);
    bytes = std::endian::native == std::endian::little ? bytes << others : bytes >> others;
    return static_cast<std::uint32_t>(size - continuation_bytes(bytes));
}

/// Words of Unicode, one by one: a hyphen before one joins it.
void Tokens::measure_words() {
    lengths.resize(size());
    bool lettered = false;  // whether the compound so far has a letter
    for (std::size_t i = 0; i < size(); ++i) {
        lengths[i] = characters_of(i);
        add_length(lengths[i], 1);
        const bool joined =
            i > 0 && is_hyphen({text_.data() + end(i - 1), begin(i) - end(i - 1)});
        if (!joined) ++figures_.compounds, lettered = false;
        if (!lettered && has_letter(written(i))) ++figures_.alpha, lettered = true;
    }
}

/// Pieces between white space, which are numbered as they are written: each different one once.
void Tokens::measure_pieces() {
    lengths_of_.resize(counts.size());
    for (std::size_t id = 0; id < counts.size(); ++id) {
        const std::string_view piece = written(first_[id]);
        const std::uint32_t length = characters_of(first_[id]), count = counts[id];
        lengths_of_[id] = length;
        figures_.longest = std::max(figures_.longest, std::int64_t{length});
        if (has_letter(piece)) figures_.alpha += count;
        if (!is_marks_only(piece)) add_length(length, count);
    }
    lengths.resize(size());
    for (std::size_t i = 0; i < size(); ++i) lengths[i] = lengths_of_[ids[i]];
    figures_.compounds = static_cast<std::int64_t>(size());
}

/// Of so many words.
void Tokens::add_length(std::uint32_t length, std::uint32_t count) {
    figures_.longest = std::max(figures_.longest, std::int64_t{length});
    figures_.words += count;
    figures_.word_chars += std::int64_t{length} * count;
    if (length < kCounted) by_length_[length] += count;
    else long_.insert(long_.end(), count, length);
}

void Tokens::find_median() {
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

/// Numbers the tokens as `piece` gives them, which stand in `whole`.
template <typename Piece>
void Tokens::number(std::string_view whole, Piece piece) {
    const char* const whole_end = whole.data() + whole.size();
    const std::size_t n = words_.begin.size();
    numbering_.reset(n / 4);
    ids.resize(n);
    known_.clear(), first_.clear(), counts.clear();
    // Some at a time: the places of their hashes are on the way while the others' are made.
    std::array<Key, kAtOnce> keys;
    for (std::size_t begin = 0; begin < n; begin += kAtOnce) {
        const std::size_t size = std::min(kAtOnce, n - begin);
        for (std::size_t i = 0; i < size; ++i) {
            keys[i] = key_of(piece(begin + i), whole_end);
            numbering_.expect(keys[i].hash);
        }
        for (std::size_t i = 0; i < size; ++i) {
            const Key& key = keys[i];
            const std::uint32_t id = numbering_.number(key.hash, [&](std::uint32_t other) {
                return known_[other] == key &&
                       (key.is_whole() || piece(first_[other]) == piece(begin + i));
            });
            ids[begin + i] = id;
            if (id == counts.size()) {
                known_.push_back(key);
                first_.push_back(static_cast<std::uint32_t>(begin + i));
                counts.push_back(0);
            }
            ++counts[id];
        }
    }
}

template <typename Piece>
void Tokens::count_pieces(Piece piece) {
    for (std::size_t id = 0; id < counts.size(); ++id) {
        if (known_[id].size > kLongestStopWord) continue;
        const std::string_view token = piece(first_[id]);
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
