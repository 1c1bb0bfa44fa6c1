#include "engine/bpe/train.hpp"

#include <algorithm>
#include <limits>
#include <queue>
#include <stdexcept>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace corpuskit {

namespace {

using Pair = std::uint64_t;
Pair pair_of(std::uint32_t left, std::uint32_t right) { return Pair{left} << 32 | right; }
std::uint32_t left_of(Pair pair) { return static_cast<std::uint32_t>(pair >> 32); }
std::uint32_t right_of(Pair pair) { return static_cast<std::uint32_t>(pair); }

/// Numbers by pair, in one array; grows by doubling.
class PairTable {
  public:
    PairTable() : slots_(kLeast), mask_(kLeast - 1) {}

    std::int64_t& operator[](Pair pair) {
        Slot* slot = find(pair);
        if (slot->pair == kEmpty) {
            if (2 * ++used_ > slots_.size()) {
                grow();
                slot = find(pair);
            }
            slot->pair = pair;
        }
        return slot->value;
    }

  private:
    static constexpr Pair kEmpty = std::numeric_limits<Pair>::max();
    static constexpr std::size_t kLeast = 1 << 12;
    struct Slot {
        Pair pair = kEmpty;
        std::int64_t value = 0;
    };

    Slot* find(Pair pair) {
        std::uint64_t hash = pair * 0x9E3779B97F4A7C15ULL;
        hash ^= hash >> 32;
        std::size_t at = hash & mask_;
        while (slots_[at].pair != kEmpty && slots_[at].pair != pair) at = (at + 1) & mask_;
        return &slots_[at];
    }
    void grow() {
        std::vector<Slot> old(2 * slots_.size());
        old.swap(slots_);
        mask_ = slots_.size() - 1;
        for (const Slot& slot : old)
            if (slot.pair != kEmpty) *find(slot.pair) = slot;
    }

    std::vector<Slot> slots_;
    std::size_t mask_, used_ = 0;
};

/// A pair that may be merged, with where it stood when it came up.
struct Candidate {
    std::int64_t count;
    Pair pair;
    std::vector<std::uint32_t> places;
};
/// The greatest count comes first, of equal ones the smallest pair.
struct Later {
    bool operator()(const Candidate& a, const Candidate& b) const {
        return a.count != b.count ? a.count < b.count : a.pair > b.pair;
    }
};

constexpr std::uint32_t kBorder = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint32_t kInside = kBorder - 1;

/// All words in one array, a cell a byte and one border before each and behind the last. A symbol
/// of several bytes has its id in its first and its last cell, so that both neighbours can be found
/// by the lengths of their ids; the cells between hold kInside.
class Trainer {
  public:
    Trainer(const Column& words, const std::int64_t* counts, const BpeSettings& settings)
        : settings_(settings), counts_(counts) {
        std::size_t cells = 1;
        for (std::size_t i = 0; i < words.size; ++i) {
            if (counts[i] < 1) throw std::invalid_argument("counts must be 1 at least");
            cells += words[i].size() + 1;
        }
        if (cells >= kInside)
            throw std::invalid_argument("the words have more than 2^32 - 2 bytes");
        cells_.reserve(cells), word_of_.reserve(cells);
        put(kBorder, 0);
        for (std::size_t i = 0; i < words.size; ++i) {
            for (const char c : words[i])
                put(settings.byte_ids[static_cast<unsigned char>(c)], i);
            put(kBorder, i);
        }
        strings_.resize(settings.first_id);
        for (std::size_t byte = 0; byte < 256; ++byte)
            strings_[settings.byte_ids[byte]] = static_cast<char>(byte);
        for (std::size_t id = 0; id < strings_.size(); ++id)
            if (!strings_[id].empty()) ids_.emplace(strings_[id], static_cast<std::uint32_t>(id));
        lengths_.assign(settings.first_id, 1);
        count_bytes();
    }

    BpeMerges run(const std::function<bool(std::size_t)>& told) {
        BpeMerges merges;
        while (ids_.size() < 256 + settings_.merges && !queue_.empty()) {
            Candidate top = std::move(const_cast<Candidate&>(queue_.top()));
            queue_.pop();
            // A count that has changed since finds its place anew; nobody else is looked at again.
            if (const std::int64_t now = pairs_[top.pair]; now != top.count) {
                top.count = now;
                queue_.push(std::move(top));
                continue;
            }
            if (top.count < settings_.min_count) break;
            std::string whole = strings_[left_of(top.pair)] + strings_[right_of(top.pair)];
            if (settings_.forbidden.contains(whole)) continue;
            const std::uint32_t id = id_of(std::move(whole));
            merges.left.push_back(left_of(top.pair));
            merges.right.push_back(right_of(top.pair));
            merges.ids.push_back(id);
            merges.counts.push_back(top.count);
            merge(top, id);
            if (merges.ids.size() % kTold == 0 && !told(merges.ids.size())) break;
        }
        return merges;
    }

  private:
    static constexpr std::size_t kTold = 256;

    void put(std::uint32_t id, std::size_t word) {
        cells_.push_back(id);
        word_of_.push_back(static_cast<std::uint32_t>(word));
    }

    /// Pairs of bytes, with their places: sorted by counting, since they are so many.
    void count_bytes() {
        std::vector<std::uint32_t> ends(256 * 256 + 1, 0);
        std::array<std::uint32_t, 256> ids = settings_.byte_ids;
        std::vector<std::uint32_t> byte_of(settings_.first_id, 0);
        for (std::uint32_t byte = 0; byte < 256; ++byte) byte_of[ids[byte]] = byte;
        const auto number = [&](std::size_t at) {
            return byte_of[cells_[at]] << 8 | byte_of[cells_[at + 1]];
        };
        const auto is_pair = [&](std::size_t at) {
            return cells_[at] != kBorder && cells_[at + 1] != kBorder;
        };
        for (std::size_t at = 0; at + 1 < cells_.size(); ++at)
            if (is_pair(at)) ++ends[number(at) + 1];
        for (std::size_t n = 1; n < ends.size(); ++n) ends[n] += ends[n - 1];
        std::vector<std::uint32_t> places(ends.back()), next(ends.begin(), ends.end() - 1);
        std::vector<std::int64_t> sums(256 * 256, 0);
        for (std::size_t at = 0; at + 1 < cells_.size(); ++at) {
            if (!is_pair(at)) continue;
            places[next[number(at)]++] = static_cast<std::uint32_t>(at);
            sums[number(at)] += counts_[word_of_[at]];
        }
        for (std::uint32_t n = 0; n < 256 * 256; ++n) {
            if (sums[n] == 0) continue;
            const Pair pair = pair_of(ids[n >> 8], ids[n & 0xFF]);
            pairs_[pair] = sums[n];
            queue_.push({sums[n], pair, {places.begin() + ends[n], places.begin() + ends[n + 1]}});
        }
    }

    /// The id of a string: that of the token which spells it already, or a new one.
    std::uint32_t id_of(std::string whole) {
        const auto [found, is_new] =
            ids_.emplace(whole, static_cast<std::uint32_t>(strings_.size()));
        if (is_new) {
            lengths_.push_back(static_cast<std::uint32_t>(whole.size()));
            strings_.push_back(std::move(whole));
        }
        return found->second;
    }

    /// Writes `id` wherever the pair stands, from left to right, and counts the pairs that come and
    /// go; those that come are candidates. What is counted is what Hugging Face's trainer counts.
    void merge(const Candidate& top, std::uint32_t id) {
        const std::uint32_t left = left_of(top.pair), right = right_of(top.pair);
        for (const std::uint32_t at : top.places) {
            if (cells_[at] != left) continue;
            const std::uint32_t second = at + lengths_[left];
            if (cells_[second] != right) continue;
            const std::uint32_t behind = second + lengths_[right];
            const std::int64_t count = counts_[word_of_[at]];
            cells_[second - 1] = cells_[second] = kInside;
            cells_[at] = cells_[behind - 1] = id;
            if (const std::uint32_t before = cells_[at - 1]; before != kBorder) {
                pairs_[pair_of(before, left)] -= count;
                comes(pair_of(before, id), count, at - lengths_[before]);
            }
            if (const std::uint32_t after = cells_[behind]; after != kBorder) {
                pairs_[pair_of(right, after)] -= count;
                comes(pair_of(id, after), count, at);
            }
        }
        for (auto& [pair, places] : coming_)
            if (const std::int64_t count = pairs_[pair]; count > 0)
                queue_.push({count, pair, std::move(places)});
        coming_.clear();
    }

    void comes(Pair pair, std::int64_t count, std::uint32_t at) {
        pairs_[pair] += count;
        coming_[pair].push_back(at);
    }

    const BpeSettings& settings_;
    const std::int64_t* counts_;
    std::vector<std::uint32_t> cells_, word_of_;
    std::vector<std::string> strings_;  // by id; empty for those that spell nothing here
    std::vector<std::uint32_t> lengths_;
    std::unordered_map<std::string, std::uint32_t> ids_;
    PairTable pairs_;
    std::priority_queue<Candidate, std::vector<Candidate>, Later> queue_;
    std::unordered_map<Pair, std::vector<std::uint32_t>> coming_;
};

}  // namespace

BpeMerges train_bpe(const Column& words, const std::int64_t* counts, const BpeSettings& settings,
                    const std::function<bool(std::size_t)>& told) {
    check_column(words);
    return Trainer(words, counts, settings).run(told);
}

}  // namespace corpuskit
