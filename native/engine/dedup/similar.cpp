#include "engine/dedup/similar.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "engine/dedup/parity.hpp"
#include "engine/dedup/postings.hpp"

namespace corpuskit {

namespace {

constexpr std::size_t kMostCounters = std::size_t{1} << 24;

/// In how many sets a token stands, at least 1; tokens may share a counter. Any figures would do:
/// they only order the tokens, rare ones first.
class Frequencies {
  public:
    Frequencies(const Sets& sets, std::size_t first, std::size_t last) {
        std::uint64_t tokens = 0;
        for (std::size_t i = first; i < last; ++i) tokens += sets.count(i);
        std::size_t counters = 64;
        while (counters < 2 * tokens && counters < kMostCounters) counters *= 2;
        counters_.resize(counters);
        for (std::size_t i = first; i < last; ++i)
            for (std::int64_t at = 0; at < sets.counts[i]; ++at) {
                std::uint16_t& counter = counters_[place(sets.hashes[sets.starts[i] + at])];
                if (counter < std::numeric_limits<std::uint16_t>::max()) ++counter;
            }
    }
    std::uint16_t of(std::uint64_t token) const { return counters_[place(token)]; }

  private:
    std::size_t place(std::uint64_t token) const { return (token >> 20) & (counters_.size() - 1); }

    std::vector<std::uint16_t> counters_;
};

struct Token {
    std::uint64_t hash;
    std::uint16_t frequency;

    bool operator<(const Token& other) const {
        return frequency != other.frequency ? frequency < other.frequency : hash < other.hash;
    }
};

std::int64_t root(std::int64_t* parents, std::int64_t i) {
    while (parents[i] != i) i = parents[i] = parents[parents[i]];
    return i;
}
void join(std::int64_t* parents, std::int64_t a, std::int64_t b) {
    a = root(parents, a), b = root(parents, b);
    parents[std::max(a, b)] = std::min(a, b);
}

/// Decides about the sets of one component.
///
/// Of two similar sets the rarest tokens of the smaller S, all but what 2 over / (over + under) of
/// it leave, and those of the larger L, all but what over / under of it leave, share one: what S
/// and L have in common is at least both. So a set looks with many of its tokens for smaller ones
/// under few of theirs, and the other way round. Pages of one template share many tokens, and none
/// of these is among the few, unless the pages are similar.
class Component {
  public:
    Component(const Sets& sets, std::size_t first, std::size_t last, const std::uint8_t* pinned,
              const Threshold& threshold, std::size_t budget, Kept& kept)
        : sets_(sets), first_(first), last_(last), pinned_(pinned), threshold_(threshold),
          budget_(budget), kept_(kept), frequencies_(sets, first, last) {}

    void run() {
        for (std::size_t from = first_; from < last_;) from = pass(from);
    }

  private:
    /// A kept set that can be found.
    struct Found {
        std::size_t set, met_by;  // met_by: the set that met it last
        Parity parity;
    };

    /// Goes through the sets from one on; returns the first that was not looked for by all behind.
    std::size_t pass(std::size_t from) {
        Postings few, many;
        found_.clear();
        std::size_t border = last_;
        for (std::size_t x = from; x < last_; ++x) {
            if (pinned_[x] && x >= border) continue;
            read_prefix(x);
            if (!pinned_[x]) search(x, few, many);
            if (x >= border || kept_.first[x] != static_cast<std::int64_t>(x)) continue;
            post(x, few, many);
            const std::size_t held = few.bytes() + many.bytes() + found_.size() * sizeof(Found);
            if (held > budget_) border = x + 1;
        }
        return border;
    }

    void read_prefix(std::size_t x) {
        const std::uint64_t size = sets_.count(x);
        many_ = size - threshold_.least_partner(size) + 1;
        few_ = size - threshold_.common(size, size) + 1;
        tokens_.clear();
        parity_ = {};
        for (std::int64_t at = 0; at < sets_.counts[x]; ++at) {
            const std::uint64_t hash = sets_.hashes[sets_.starts[x] + at];
            tokens_.push_back({hash, frequencies_.of(hash)});
            parity_.flip(hash);
        }
        const auto end = tokens_.begin() + static_cast<std::ptrdiff_t>(many_);
        if (end != tokens_.end()) std::nth_element(tokens_.begin(), end, tokens_.end());
        std::sort(tokens_.begin(), end);
    }

    void search(std::size_t x, Postings& few, Postings& many) {
        const std::uint64_t size = sets_.count(x), over = threshold_.over;
        candidates_.clear();
        for (std::uint64_t i = 0; i < many_; ++i) {
            if (tokens_[i].frequency < 2) continue;  // in no other set
            // Of a larger set the tokens from here on would not be enough.
            const std::uint64_t together = (over + threshold_.under) * (size - i) / over;
            if (together <= size) break;
            const std::uint64_t most = together - size;
            gather(x, i, few.find(tokens_[i].hash), threshold_.least_partner(size),
                   std::min(size, most));
            if (i < few_)
                gather(x, i, many.find(tokens_[i].hash), size + 1,
                       std::min(threshold_.greatest_partner(size), most));
        }
        std::sort(candidates_.begin(), candidates_.end());
        for (const std::size_t k : candidates_) compare(x, k);
    }

    void gather(std::size_t x, std::uint64_t i, PostingList* list, std::uint64_t least,
                std::uint64_t most) {
        if (list == nullptr || least > most) return;
        const std::uint64_t size = sets_.count(x);
        list->within(least, most, [&](const Posting& posting) {
            Found& found = found_[posting.set];
            if (found.met_by == x) return;
            found.met_by = x;
            // It is the first token that both have: at most so many can follow.
            const std::uint64_t left = std::min(size - i, posting.size - posting.place);
            const std::uint64_t common = threshold_.common(size, posting.size);
            if (left >= common &&
                size + posting.size >= 2 * common + differing(parity_, found.parity))
                candidates_.push_back(found.set);
        });
    }

    /// Sees whether x resembles the kept k, unless what depends on it is known.
    void compare(std::size_t x, std::size_t k) {
        const auto set = static_cast<std::int64_t>(x), other = static_cast<std::int64_t>(k);
        std::int64_t* clusters = kept_.cluster.data();
        const bool dropped = kept_.first[x] != set;
        if (dropped && root(clusters, set) == root(clusters, other)) return;
        const std::uint64_t common = common_if_similar(sets_, x, k, threshold_);
        if (common == 0) return;
        if (!dropped) {
            kept_.first[x] = other;
            kept_.common[x] = static_cast<std::int64_t>(common);
        }
        join(clusters, set, other);
    }

    void post(std::size_t x, Postings& few, Postings& many) {
        const std::uint64_t size = sets_.count(x);
        const auto set = static_cast<std::uint32_t>(found_.size());
        found_.push_back({x, x, parity_});
        for (std::uint64_t i = 0; i < many_; ++i) {
            if (tokens_[i].frequency < 2) continue;
            const Posting posting{set, static_cast<std::uint32_t>(i), size};
            many.add(tokens_[i].hash, posting);
            if (i < few_) few.add(tokens_[i].hash, posting);
        }
    }

    const Sets& sets_;
    const std::size_t first_, last_;
    const std::uint8_t* pinned_;
    const Threshold& threshold_;
    const std::size_t budget_;
    Kept& kept_;
    const Frequencies frequencies_;
    std::vector<Found> found_;
    std::vector<Token> tokens_;
    Parity parity_;
    std::uint64_t many_ = 0, few_ = 0;
    std::vector<std::size_t> candidates_;
};

}  // namespace

std::uint64_t common_if_similar(const Sets& sets, std::size_t a, std::size_t b,
                                const Threshold& threshold) {
    const std::uint64_t *x = sets.hashes + sets.starts[a], *const x_end = x + sets.counts[a];
    const std::uint64_t *y = sets.hashes + sets.starts[b], *const y_end = y + sets.counts[b];
    const std::uint64_t wanted = threshold.common(sets.count(a), sets.count(b));
    std::uint64_t found = 0;
    while (x != x_end && y != y_end) {
        if (found + static_cast<std::uint64_t>(std::min(x_end - x, y_end - y)) < wanted)
            return 0;
        const std::uint64_t left = *x, right = *y;
        found += left == right, x += left <= right, y += right <= left;
    }
    return found >= wanted ? found : 0;
}

Kept keep_unlike(const Sets& sets, const std::int64_t* components, const std::uint8_t* pinned,
                 const Threshold& threshold, std::size_t budget) {
    for (std::size_t i = 0; i < sets.size; ++i)
        if (sets.counts[i] < 1) throw std::invalid_argument("a set is empty");
    Kept kept;
    kept.first.resize(sets.size);
    std::iota(kept.first.begin(), kept.first.end(), 0);
    kept.cluster = kept.first;
    kept.common.assign(sets.counts, sets.counts + sets.size);
    for (std::size_t first = 0, last; first < sets.size; first = last) {
        for (last = first + 1; last < sets.size && components[last] == components[first];) ++last;
        if (last - first > std::numeric_limits<std::uint32_t>::max() - 1)
            throw std::invalid_argument("a component has 2^32 sets or more");
        if (last - first > 1)
            Component(sets, first, last, pinned, threshold, budget, kept).run();
    }
    flatten(kept.cluster.data(), kept.cluster.size());
    return kept;
}

void join_groups(std::int64_t* parents, const std::uint64_t* keys, const std::int64_t* values,
                 std::size_t count) {
    for (std::size_t i = 1; i < count; ++i) {
        if (keys[i] != keys[i - 1]) continue;
        for (const std::int64_t value : {values[i - 1], values[i]})
            if (parents[value] < 0) parents[value] = value;
        join(parents, values[i - 1], values[i]);
    }
}

void flatten(std::int64_t* parents, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
        if (parents[i] >= 0) parents[i] = root(parents, static_cast<std::int64_t>(i));
}

}  // namespace corpuskit
