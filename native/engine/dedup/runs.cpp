#include "engine/dedup/runs.hpp"

#include <algorithm>
#include <deque>

#include "engine/text/utf8.hpp"

namespace corpuskit {

namespace {

constexpr std::uint64_t kPrime = (1ULL << 61) - 1;
constexpr std::uint64_t kBases[2] = {0x0d3a5c19e27f84b1ULL, 0x1a7be0956c2d43f7ULL};
constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15ULL;  // odd: its powers do not fade

std::uint64_t times(std::uint64_t a, std::uint64_t b) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a) * b;
    const std::uint64_t sum = static_cast<std::uint64_t>(product & kPrime) +
                              static_cast<std::uint64_t>(product >> 61);
    return sum >= kPrime ? sum - kPrime : sum;
}
std::uint64_t plus(std::uint64_t a, std::uint64_t b) {
    return a + b >= kPrime ? a + b - kPrime : a + b;
}
std::uint64_t minus(std::uint64_t a, std::uint64_t b) { return a >= b ? a - b : a + kPrime - b; }

/// A polynomial over the words of a window that takes them in on the right and lets them go on the
/// left.
class Rolling {
  public:
    Rolling(std::uint64_t base, std::size_t longest) : base_(base), powers_{1} {
        for (std::size_t i = 1; i < longest; ++i) powers_.push_back(times(powers_.back(), base));
    }
    void take(std::uint64_t word) { value_ = plus(times(value_, base_), word), ++size_; }
    void leave(std::uint64_t word) { value_ = minus(value_, times(word, powers_[--size_])); }
    std::uint64_t value() const { return value_; }

  private:
    std::uint64_t base_;
    std::vector<std::uint64_t> powers_;
    std::uint64_t value_ = 0;
    std::size_t size_ = 0;
};

}  // namespace

bool stands_apart(std::string_view folded_word) {
    std::size_t at = 0;
    return code_point_kind(next_code_point(folded_word, at)) == CodePoint::kApart;
}

void find_runs(const Words& words, RunLength length, Runs& runs) {
    const std::size_t n = words.size();
    runs.until.assign(n, 0);
    runs.digests.assign(n, {0, 0});
    std::vector<Digest> keys(n);
    std::vector<std::size_t> weights(n);
    for (std::size_t i = 0; i < n; ++i) {
        const Digest key = digest_of(words.word(i));
        keys[i] = {key.first % kPrime, key.second % kPrime};
        weights[i] = stands_apart(words.word(i)) ? length.words : length.characters;
    }
    const std::size_t enough = length.words * length.characters;
    const std::size_t longest = std::max(length.words, length.characters);
    Rolling first(kBases[0], longest), second(kBases[1], longest);
    std::size_t end = 0, weight = 0;
    for (std::size_t begin = 0; begin < n; ++begin) {
        for (; weight < enough && end < n; ++end) {
            weight += weights[end];
            first.take(keys[end].first), second.take(keys[end].second);
        }
        if (weight < enough) return;  // no run that begins later is longer
        runs.until[begin] = static_cast<std::int64_t>(end);
        runs.digests[begin] = {spread(first.value()), spread(second.value())};
        weight -= weights[begin];
        first.leave(keys[begin].first), second.leave(keys[begin].second);
    }
}

void winnow(const Words& words, std::size_t run, std::size_t gram, Winnowed& out) {
    out.hashes.clear(), out.places.clear();
    const std::size_t n = words.size();
    if (n < run) return;
    std::uint64_t top = 1;
    for (std::size_t i = 0; i < gram; ++i) top *= kStep;
    std::vector<std::uint64_t> keys(n), hashes(n - gram + 1);
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < n; ++i) {
        keys[i] = digest_of(words.word(i)).first;
        value = value * kStep + keys[i];
        if (i >= gram) value -= keys[i - gram] * top;
        if (i + 1 >= gram) hashes[i + 1 - gram] = spread(value);
    }
    const std::size_t width = run - gram + 1;
    std::deque<std::size_t> least;  // ascending hashes; the first is that of the window
    for (std::size_t i = 0; i < hashes.size(); ++i) {
        while (!least.empty() && hashes[least.back()] > hashes[i]) least.pop_back();
        least.push_back(i);
        if (least.front() + width <= i) least.pop_front();
        const auto place = static_cast<std::int64_t>(least.front());
        if (i + 1 < width || (!out.places.empty() && out.places.back() == place)) continue;
        out.places.push_back(place);
        out.hashes.push_back(hashes[least.front()]);
    }
}

}  // namespace corpuskit
