// Replays texts through what cuts, counts and merges pretokens, for builds with sanitizers.
//
// Pretokens must cover each text whole with no more digits together than are asked for, and be the
// same wherever blocks of a text begin, counts must add up and be joined alike, and the merges must
// be what counting all pairs anew for each merge says, also where fewer are asked for than there
// are words, so that rare pairs are left out. Texts must be encoded to the ids that doing one merge
// after the other gives. Bytes as ids must come back from lines of tokens, and texts from
// characters of any width. With -DCORPUSKIT_LIBFUZZER the same checks are a libFuzzer target. That
// pretokens, merges and ids are Hugging Face's is shown in Python (tests/tokenizer/).
#include <algorithm>
#include <array>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "driver.hpp"
#include "engine/bpe/count.hpp"
#include "engine/bpe/encode.hpp"
#include "engine/bpe/lines.hpp"
#include "engine/bpe/train.hpp"
#include "engine/text/utf8.hpp"
#include "engine/text/wide.hpp"

namespace {

using namespace corpuskit;

constexpr std::size_t kMostBytes = 2000;  // of a text whose merges are learnt by brute force too
constexpr std::uint32_t kMerges = 40;

/// How many digits of ASCII follow one another at most.
int most_digits(std::string_view piece) {
    int most = 0, here = 0;
    for (const char c : piece) most = std::max(most, here = c >= '0' && c <= '9' ? here + 1 : 0);
    return most;
}

PretokenCounts counted(const std::string& text, const Cut& cut) {
    std::size_t pieces = 0;
    std::vector<std::size_t> ends(text.size());
    ends.resize(pretoken_ends(cut, text, 0, ends.data(), ends.size()));
    for (std::size_t at = 0; at < text.size(); ++pieces) {
        const std::size_t end = pretoken_end(cut, text, at);
        if (end <= at || end > text.size()) fail("a pretoken ends outside of the text");
        if (pieces >= ends.size() || ends[pieces] != end) fail("a pretoken ends elsewhere, alone");
        if (cut.digits > 0 && most_digits(std::string_view(text).substr(at, end - at)) > cut.digits)
            fail("more digits stand together than were asked for");
        at = end;
    }
    Strings texts;
    texts.add(text);
    PretokenCounter counter(cut), other(cut);
    counter.add(texts.column()), other.add(texts.column());
    counter.take_from(other);
    if (other.size() != 0) fail("what was taken is still there");
    PretokenCounts found = counter.take();
    counter.add_counted(found.words.column(), found.counts.data());
    const PretokenCounts again = counter.take();
    if (again.counts != found.counts || again.words.bytes != found.words.bytes)
        fail("what was counted is counted otherwise");
    std::int64_t sum = 0;
    for (const std::int64_t count : found.counts) sum += count;
    if (sum != static_cast<std::int64_t>(2 * pieces)) fail("counts do not add up");
    const Column words = found.words.column();
    for (std::size_t i = 1; i < words.size; ++i)
        if (words[i - 1] >= words[i]) fail("words are not in the order of their bytes");
    return found;
}

/// Each byte's own number.
std::array<std::uint32_t, 256> byte_ids() {
    std::array<std::uint32_t, 256> ids;
    for (std::uint32_t byte = 0; byte < 256; ++byte) ids[byte] = byte;
    return ids;
}

/// Merges by counting all pairs for each.
std::vector<std::pair<std::uint32_t, std::uint32_t>> by_force(const PretokenCounts& counts,
                                                              std::size_t most) {
    std::vector<std::vector<std::uint32_t>> words;
    for (std::size_t i = 0; i < counts.counts.size(); ++i) {
        words.emplace_back();
        for (const char c : counts.words.column()[i])
            words.back().push_back(static_cast<unsigned char>(c));
    }
    std::vector<std::pair<std::uint32_t, std::uint32_t>> merges;
    while (merges.size() < most) {
        std::map<std::pair<std::uint32_t, std::uint32_t>, std::int64_t> pairs;
        for (std::size_t i = 0; i < words.size(); ++i)
            for (std::size_t at = 0; at + 1 < words[i].size(); ++at)
                pairs[{words[i][at], words[i][at + 1]}] += counts.counts[i];
        auto best = pairs.begin();
        for (auto it = pairs.begin(); it != pairs.end(); ++it)
            if (it->second > best->second) best = it;
        if (pairs.empty() || best->second < 3) break;
        const auto [left, right] = best->first;
        const auto id = static_cast<std::uint32_t>(256 + merges.size());
        merges.emplace_back(left, right);
        for (auto& word : words) {
            std::vector<std::uint32_t> merged;
            for (std::size_t at = 0; at < word.size(); ++at) {
                const bool pair = at + 1 < word.size() && word[at] == left && word[at + 1] == right;
                merged.push_back(pair ? id : word[at]);
                at += pair;
            }
            word = std::move(merged);
        }
    }
    return merges;
}

/// A model of single bytes and merges; one pretoken is a token whatever they say.
BpeModel model_of(const BpeMerges& merges, std::string_view whole) {
    BpeModel model{byte_ids(), merges.left, merges.right, merges.ids, {}, {}};
    if (!whole.empty()) model.whole.add(whole), model.whole_ids.push_back(1 << 20);
    return model;
}

/// The ids of a pretoken: the merge of least rank is done where it first stands, as long as there
/// is one.
std::vector<std::uint32_t> merged(const BpeModel& model, std::string_view word) {
    if (model.whole_ids.size() == 1 && model.whole.bytes == word) return model.whole_ids;
    std::vector<std::uint32_t> ids;
    for (const char c : word) ids.push_back(static_cast<unsigned char>(c));
    for (;;) {
        std::size_t best = model.ids.size(), place = 0;
        for (std::size_t at = 0; at + 1 < ids.size(); ++at)
            for (std::size_t rank = 0; rank < best; ++rank)
                if (model.left[rank] == ids[at] && model.right[rank] == ids[at + 1])
                    best = rank, place = at;
        if (best == model.ids.size()) return ids;
        ids[place] = model.ids[best];
        ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(place) + 1);
    }
}

/// Twice, so that words are kept, and with an empty text between.
void encode(const std::string& text, const Cut& cut, const BpeModel& model) {
    std::vector<std::uint32_t> once;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = pretoken_end(cut, text, at);
        const auto ids = merged(model, std::string_view(text).substr(at, end - at));
        once.insert(once.end(), ids.begin(), ids.end());
        at = end;
    }
    std::vector<std::uint32_t> expected = once;
    expected.insert(expected.end(), once.begin(), once.end());
    const auto n = static_cast<std::int64_t>(once.size());
    Strings texts;
    texts.add(text), texts.add(""), texts.add(text);
    const Encoded found = BpeEncoder(cut, model).encode(texts.column());
    if (found.ends != std::vector<std::int64_t>{n, n, 2 * n}) fail("a text ends at another id");
    const std::uint32_t* ids = found.ids.get();
    if (!std::equal(expected.begin(), expected.end(), ids, ids + found.size))
        fail("other ids than by one merge after the other");
}

void learn(const PretokenCounts& counts, std::uint32_t most, bool by_force_too) {
    // With more ids than 16 bits hold, the cells are wider; tables for so many take their time.
    for (const std::uint32_t first : {256u, 70000u}) {
        if (first > 256 && most != kMerges) continue;
        const BpeSettings settings{byte_ids(), first, most, 3, {}};
        const BpeMerges merges = train_bpe(counts.words.column(), counts.counts.data(), settings,
                                           [](std::size_t) { return true; });
        if (!by_force_too || first != 256) continue;
        const auto expected = by_force(counts, most);
        bool same = expected.size() == merges.ids.size();
        for (std::size_t i = 0; same && i < expected.size(); ++i)
            same = expected[i] == std::pair{merges.left[i], merges.right[i]};
        if (!same) fail("other merges than by counting all pairs");
    }
}

/// The same text from characters of one width, which must hold all of them; half characters are
/// refused.
template <typename Point>
void write_wide(const std::vector<char32_t>& points, const std::string& text) {
    std::vector<Point> wide(points.begin(), points.end());
    Utf8Writer writer;
    const WideText given{wide.data(), wide.size(), sizeof(Point)};
    if (writer.write(given) != text) fail("another text comes of wide characters");
    if (sizeof(Point) == 1) return;
    wide.push_back(static_cast<Point>(0xDC00 + text.size() % 0x400));
    try {
        writer.write({wide.data(), wide.size(), sizeof(Point)});
    } catch (const std::invalid_argument&) {
        return;
    }
    fail("half a character is not refused");
}
void write_wide(const std::string& text) {
    std::vector<char32_t> points;
    for (std::size_t at = 0; at < text.size();) points.push_back(next_code_point(text, at));
    char32_t most = 0;
    for (const char32_t point : points) {
        if (point >= 0xD800 && point < 0xE000) return;  // no UTF-8
        most = std::max(most, point);
    }
    if (most < 0x100) write_wide<std::uint8_t>(points, text);
    if (most < 0x10000) write_wide<std::uint16_t>(points, text);
    write_wide<char32_t>(points, text);
}

/// The bytes of a text as ids, sequences that end behind each blank, and the same with others.
void write_lines(const std::string& text) {
    std::vector<std::uint32_t> ids;
    std::vector<std::int64_t> ends;
    for (const char c : text) {
        ids.push_back(static_cast<unsigned char>(c));
        if (c == ' ') ends.push_back(static_cast<std::int64_t>(ids.size()));
    }
    const Sequences sequences{ids.data(), ids.size(), ends.data(), ends.size()};
    std::vector<std::uint16_t> line(ids.size() + ends.size());
    token_line<std::uint16_t>(sequences, 999, line.data());
    std::size_t at = 0;
    for (const std::uint16_t token : line)
        if (token != 999 && token != ids[at++]) fail("a token that is not its id");
    if (at != ids.size()) fail("a line lacks ids");
    const std::vector<std::uint8_t> lengths(256, 2);
    std::vector<std::int64_t> sizes(ends.size() + 1);
    sequence_bytes(sequences, lengths.data(), lengths.size(), sizes.data());
    std::int64_t sum = 0;
    for (const std::int64_t size : sizes) sum += size;
    if (sum != static_cast<std::int64_t>(2 * ids.size())) fail("bytes do not add up");
    Strings bytes;
    for (int byte = 0; byte < 256; ++byte) bytes.add(std::string(1, static_cast<char>(byte)));
    if (joined_tokens(bytes.column(), ids.data(), ids.size()) != text)
        fail("other bytes come back");
    const auto refused = [](const auto& call) {
        try {
            call();
        } catch (const std::invalid_argument&) {
            return;
        }
        fail("what is out of bounds is not refused");
    };
    ids.push_back(70000);
    const Sequences wrong{ids.data(), ids.size(), ends.data(), ends.size()};
    refused([&] { token_line<std::uint16_t>(wrong, 999, line.data()); });
    refused([&] { sequence_bytes(wrong, lengths.data(), lengths.size(), sizes.data()); });
    refused([&] { joined_tokens(bytes.column(), ids.data(), ids.size()); });
    ends.push_back(static_cast<std::int64_t>(ids.size()) + 1);
    refused([&] { check_sequences({ids.data(), ids.size(), ends.data(), ends.size()}); });
    ends.push_back(-1);
    refused([&] { check_sequences({ids.data(), ids.size(), ends.data(), ends.size()}); });
}

void replay(const std::string& text) {
    write_lines(text);
    write_wide(text);
    const bool numbers = most_digits(text) > 0;
    for (int pattern = 0; pattern < kPatterns; ++pattern) {
        for (int digits = 0; digits <= (numbers ? kMostDigits : 0); ++digits) {
            const Cut cut{static_cast<Pattern>(pattern), digits};
            const PretokenCounts counts = counted(text, cut);
            // What is learnt of them depends on the words alone: one pattern shows it.
            if (digits != 0 || cut.pattern != Pattern::kLlama3) continue;
            for (const std::uint32_t most : {3u, kMerges})
                learn(counts, most, text.size() <= kMostBytes);
            if (text.size() > kMostBytes) continue;
            const BpeSettings settings{byte_ids(), 256, kMerges, 1, {}};
            const BpeMerges merges = train_bpe(counts.words.column(), counts.counts.data(),
                                               settings, [](std::size_t) { return true; });
            for (const std::string_view whole : {std::string_view(), std::string_view(" the")})
                encode(text, cut, model_of(merges, whole));
            // One pretoken, however long.
            encode(std::string(text.size() % 200, 'a') + std::string(text.size() % 7, 'b'), cut,
                   model_of(merges, {}));
        }
    }
}

}  // namespace

CORPUSKIT_TARGET(replay, 1024)
