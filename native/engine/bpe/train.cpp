#include "engine/bpe/train.hpp"

#include <algorithm>
#include <limits>
#include <queue>
#include <stdexcept>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "engine/bpe/pages.hpp"

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

    /// Null for a pair that has none.
    std::int64_t* find(Pair pair) {
        Slot* slot = slot_of(pair);
        return slot->pair == kEmpty ? nullptr : &slot->value;
    }
    void set(Pair pair, std::int64_t value) {
        Slot* slot = slot_of(pair);
        if (slot->pair == kEmpty) {
            if (2 * ++used_ > slots_.size()) {
                grow();
                slot = slot_of(pair);
            }
            slot->pair = pair;
        }
        slot->value = value;
    }

  private:
    static constexpr Pair kEmpty = std::numeric_limits<Pair>::max();
    static constexpr std::size_t kLeast = 1 << 12;
    struct Slot {
        Pair pair = kEmpty;
        std::int64_t value = 0;
    };

    Slot* slot_of(Pair pair) {
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
            if (slot.pair != kEmpty) *slot_of(slot.pair) = slot;
    }

    std::vector<Slot> slots_;
    std::size_t mask_, used_ = 0;
};

/// A pair that may be merged; `places` is the number of the list of where it stood when it came up.
struct Candidate {
    std::int64_t count;
    Pair pair;
    std::uint32_t places;
};
/// The greatest count comes first, of equal ones the smallest pair.
struct Later {
    bool operator()(const Candidate& a, const Candidate& b) const {
        return a.count != b.count ? a.count < b.count : a.pair > b.pair;
    }
};

/// Ascending places, by their distances: two bytes for most.
class Places {
  public:
    static std::uint32_t size_of(std::uint32_t distance) {
        std::uint32_t size = 1;
        for (; distance >= 0x80; distance >>= 7) ++size;
        return size;
    }
    void reserve(std::size_t bytes) { bytes_.reserve(bytes); }
    void add(std::uint32_t place) {
        std::uint32_t distance = place - last_;
        last_ = place;
        for (; distance >= 0x80; distance >>= 7)
            bytes_.push_back(static_cast<std::uint8_t>(distance | 0x80));
        bytes_.push_back(static_cast<std::uint8_t>(distance));
    }
    /// Hands them out, and is empty afterwards.
    void take(std::vector<std::uint32_t>& places) {
        places.clear();
        std::uint32_t place = 0, distance = 0;
        int shift = 0;
        for (const std::uint8_t byte : bytes_) {
            distance |= std::uint32_t{byte & 0x7Fu} << shift;
            if (byte < 0x80) {
                places.push_back(place += distance);
                distance = 0, shift = 0;
            } else {
                shift += 7;
            }
        }
        clear();
    }
    void clear() {
        std::vector<std::uint8_t>().swap(bytes_);
        last_ = 0;
    }

  private:
    std::vector<std::uint8_t> bytes_;
    std::uint32_t last_ = 0;
};

using Order = PageVector<std::uint32_t>;

/// The numbers of all words, those that come most often first.
Order by_count(const Column& words, const std::int64_t* counts) {
    if (words.size > std::numeric_limits<std::uint32_t>::max())
        throw std::invalid_argument("there are more than 2^32 - 1 words");
    constexpr std::int64_t kFew = 1 << 12;  // Nearly all words come less often.
    std::vector<std::uint32_t> ends(kFew + 1, 0);
    Order order(words.size);
    const auto place = [&](std::size_t i) { return kFew - std::min(counts[i], kFew); };
    for (std::size_t i = 0; i < words.size; ++i) ++ends[place(i) + 1];
    for (std::size_t n = 1; n < ends.size(); ++n) ends[n] += ends[n - 1];
    const auto many = order.begin() + ends[1];
    for (std::size_t i = 0; i < words.size; ++i)
        order[ends[place(i)]++] = static_cast<std::uint32_t>(i);
    std::stable_sort(order.begin(), many,
                     [&](std::uint32_t a, std::uint32_t b) { return counts[a] > counts[b]; });
    return order;
}

/// A count that none of the merges that are asked for falls below: where so many words and one more
/// have two bytes, the rarest of these still has a pair when all others are whole. Pairs that come
/// less often need neither counts nor places, and most pairs do. No proof holds where a string is
/// forbidden or is made in two ways: then the training is done once more, without the bound.
std::int64_t least_count(const Column& words, const std::int64_t* counts, const Order& order,
                         const BpeSettings& settings) {
    std::uint64_t longer = 0;
    for (const std::uint32_t i : order)
        if (words[i].size() > 1 && ++longer > settings.merges)
            return std::max(settings.min_count, counts[i]);
    return settings.min_count;
}

/// All words in one array, a cell a byte and one border before each and behind the last. A symbol
/// of several bytes has its id in its first and its last cell, so that both neighbours can be found
/// by the lengths of their ids; the cells between hold kInside.
template <typename Cell>
class Trainer {
  public:
    static constexpr Cell kBorder = std::numeric_limits<Cell>::max(), kInside = kBorder - 1;

    Trainer(const Column& words, const std::int64_t* counts, const BpeSettings& settings,
            const Order& order, std::size_t cells, std::int64_t least, bool whole)
        : settings_(settings), least_(least), whole_(whole) {
        cells_.reserve(cells);
        cells_.push_back(kBorder);
        for (const std::uint32_t i : order) {
            if (ranges_.empty() || ranges_.back().count != counts[i])
                ranges_.push_back({static_cast<std::uint32_t>(cells_.size()), counts[i]});
            for (const char c : words[i])
                cells_.push_back(
                    static_cast<Cell>(settings.byte_ids[static_cast<unsigned char>(c)]));
            cells_.push_back(kBorder);
        }
        strings_.resize(settings.first_id);
        for (std::size_t byte = 0; byte < 256; ++byte)
            strings_[settings.byte_ids[byte]] = static_cast<char>(byte);
        for (std::size_t id = 0; id < strings_.size(); ++id)
            if (!strings_[id].empty()) ids_.emplace(strings_[id], static_cast<std::uint32_t>(id));
        lengths_.assign(settings.first_id, 1);
        before_.assign(settings.first_id, kNone), after_.assign(settings.first_id, kNone);
        count_bytes();
    }

    /// False where pairs below the least count were needed: then `merges` are not all, or not
    /// right.
    bool run(BpeMerges& merges, const std::function<bool(std::size_t)>& told) {
        const bool bound = least_ > settings_.min_count;
        while (ids_.size() < 256 + settings_.merges) {
            if (queue_.empty()) return !bound;
            const Candidate top = queue_.top();
            queue_.pop();
            // A count that has changed since finds its place anew; nobody else is looked at again.
            if (const std::int64_t now = *pairs_.find(top.pair); now != top.count) {
                if (now >= least_ || whole_) queue_.push({now, top.pair, top.places});
                else drop(top.places);
                continue;
            }
            if (top.count < settings_.min_count) break;
            std::string whole = strings_[left_of(top.pair)] + strings_[right_of(top.pair)];
            if (settings_.forbidden.contains(whole)) continue;
            const std::size_t known = strings_.size();
            const std::uint32_t id = id_of(std::move(whole));
            if (id < known && !whole_) return false;
            merges.left.push_back(left_of(top.pair));
            merges.right.push_back(right_of(top.pair));
            merges.ids.push_back(id);
            merges.counts.push_back(top.count);
            merge(top, id);
            if (merges.ids.size() % kTold == 0 && !told(merges.ids.size())) break;
        }
        return true;
    }

  private:
    static constexpr std::size_t kTold = 256;
    static constexpr std::size_t kAhead = 12;  // places whose cells are fetched in advance
    static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

    /// Cells from `first` to that of the next range are of words that come `count` times.
    struct Range {
        std::uint32_t first;
        std::int64_t count;
    };
    /// A pair that a merge makes.
    struct Coming {
        Pair pair;
        std::int64_t count = 0;
        std::uint32_t last = 0, bytes = 0;  // of its places
        std::uint32_t list = kNone;
    };

    /// How often the word comes that a cell is part of. Most are asked for in ascending order.
    std::int64_t count_at(std::uint32_t at) {
        const bool here = ranges_[range_].first <= at &&
                          (range_ + 1 == ranges_.size() || at < ranges_[range_ + 1].first);
        if (!here) {
            const auto behind =
                std::upper_bound(ranges_.begin(), ranges_.end(), at,
                                 [](std::uint32_t a, const Range& b) { return a < b.first; });
            range_ = static_cast<std::size_t>(behind - ranges_.begin()) - 1;
        }
        return ranges_[range_].count;
    }

    std::uint32_t new_list() {
        if (free_.empty()) {
            lists_.emplace_back();
            return static_cast<std::uint32_t>(lists_.size() - 1);
        }
        const std::uint32_t number = free_.back();
        free_.pop_back();
        return number;
    }
    void drop(std::uint32_t list) {
        lists_[list].clear();
        free_.push_back(list);
    }

    /// Pairs of bytes, with their places.
    void count_bytes() {
        std::vector<std::int64_t> sums(256 * 256, 0);
        std::vector<std::uint32_t> bytes(256 * 256, 0), last(256 * 256, 0), lists(256 * 256, kNone);
        std::vector<std::uint32_t> byte_of(settings_.first_id, 0);
        for (std::uint32_t byte = 0; byte < 256; ++byte) byte_of[settings_.byte_ids[byte]] = byte;
        const auto each = [&](const auto& look) {
            for (std::size_t at = 0; at + 1 < cells_.size(); ++at)
                if (cells_[at] != kBorder && cells_[at + 1] != kBorder)
                    look(byte_of[cells_[at]] << 8 | byte_of[cells_[at + 1]],
                         static_cast<std::uint32_t>(at));
        };
        each([&](std::uint32_t n, std::uint32_t at) {
            sums[n] += count_at(at);
            bytes[n] += Places::size_of(at - last[n]);
            last[n] = at;
        });
        for (std::uint32_t n = 0; n < 256 * 256; ++n) {
            if (sums[n] == 0 || (!whole_ && sums[n] < least_)) continue;
            const Pair pair =
                pair_of(settings_.byte_ids[n >> 8], settings_.byte_ids[n & 0xFF]);
            lists[n] = new_list();
            lists_[lists[n]].reserve(bytes[n]);
            pairs_.set(pair, sums[n]);
            queue_.push({sums[n], pair, lists[n]});
        }
        each([&](std::uint32_t n, std::uint32_t at) {
            if (lists[n] != kNone) lists_[lists[n]].add(at);
        });
    }

    /// The id of a string: that of the token which spells it already, or a new one.
    std::uint32_t id_of(std::string whole) {
        const auto [found, is_new] =
            ids_.emplace(whole, static_cast<std::uint32_t>(strings_.size()));
        if (is_new) {
            lengths_.push_back(static_cast<std::uint32_t>(whole.size()));
            strings_.push_back(std::move(whole));
            before_.push_back(kNone), after_.push_back(kNone);
        }
        return found->second;
    }

    /// Writes `id` wherever the pair stands, from left to right, and counts the pairs that come and
    /// go; those that come are candidates. What is counted is what Hugging Face's trainer counts.
    void merge(const Candidate& top, std::uint32_t id) {
        const std::uint32_t left = left_of(top.pair), right = right_of(top.pair);
        std::vector<std::uint32_t>& places = places_;
        lists_[top.places].take(places);
        free_.push_back(top.places);
        for (std::size_t i = 0; i < places.size(); ++i) {
            if (i + kAhead < places.size()) __builtin_prefetch(&cells_[places[i + kAhead]], 1);
            const std::uint32_t at = places[i];
            if (cells_[at] != left) continue;
            const std::uint32_t second = at + lengths_[left];
            if (cells_[second] != right) continue;
            const std::uint32_t behind = second + lengths_[right];
            const std::int64_t count = count_at(at);
            cells_[second - 1] = cells_[second] = kInside;
            cells_[at] = cells_[behind - 1] = static_cast<Cell>(id);
            if (const std::uint32_t before = cells_[at - 1]; before != kBorder) {
                goes(before, left, id, count);
                comes(before, id, id, count, at - lengths_[before]);
            }
            if (const std::uint32_t after = cells_[behind]; after != kBorder) {
                goes(right, after, id, count);
                comes(id, after, id, count, at);
            }
        }
        take_coming();
    }

    /// What is known of a pair that this merge makes: one half of it is `id`.
    std::uint32_t coming(std::uint32_t left, std::uint32_t right, std::uint32_t id) {
        std::uint32_t& number = right == id ? before_[left] : after_[right];
        if (number == kNone) {
            number = static_cast<std::uint32_t>(coming_.size());
            coming_.push_back({pair_of(left, right)});
        }
        return number;
    }
    void comes(std::uint32_t left, std::uint32_t right, std::uint32_t id, std::int64_t count,
               std::uint32_t at) {
        const std::uint32_t number = coming(left, right, id);
        Coming& one = coming_[number];
        one.count += count;
        one.bytes += Places::size_of(at - one.last);
        one.last = at;
        came_.push_back({number, at});
    }
    void goes(std::uint32_t left, std::uint32_t right, std::uint32_t id, std::int64_t count) {
        if (left == id || right == id) coming_[coming(left, right, id)].count -= count;
        else if (std::int64_t* known = pairs_.find(pair_of(left, right))) *known -= count;
    }

    /// Makes candidates of the pairs that have come, but for those that come too seldom.
    void take_coming() {
        for (Coming& each : coming_) {
            before_[left_of(each.pair)] = kNone, after_[right_of(each.pair)] = kNone;
            const std::int64_t* known = pairs_.find(each.pair);
            const std::int64_t count = each.count + (known != nullptr ? *known : 0);
            if (!whole_ && count < least_) continue;
            pairs_.set(each.pair, count);
            if (count < 1 || each.bytes == 0) continue;
            each.list = new_list();
            lists_[each.list].reserve(each.bytes);
            queue_.push({count, each.pair, each.list});
        }
        for (const auto& [number, at] : came_)
            if (coming_[number].list != kNone) lists_[coming_[number].list].add(at);
        coming_.clear(), came_.clear();
    }

    const BpeSettings& settings_;
    std::int64_t least_;  // counts and places are kept of pairs that come so often
    bool whole_;          // of all pairs, however rare: a string may be made in two ways
    PageVector<Cell> cells_;
    std::vector<Range> ranges_;
    std::size_t range_ = 0;
    std::vector<std::string> strings_;  // by id; empty for those that spell nothing here
    std::vector<std::uint32_t> lengths_;
    std::unordered_map<std::string, std::uint32_t> ids_;
    PairTable pairs_;
    std::priority_queue<Candidate, std::vector<Candidate>, Later> queue_;
    std::vector<Places> lists_;
    std::vector<std::uint32_t> places_;  // of the pair that is merged
    std::vector<std::uint32_t> free_;  // numbers of lists that nobody has
    std::vector<Coming> coming_;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> came_;  // number of the pair, place
    std::vector<std::uint32_t> before_, after_;  // of the new id: numbers of coming pairs, by id
};

template <typename Cell>
BpeMerges learn(const Column& words, const std::int64_t* counts, const BpeSettings& settings,
                std::size_t cells, const std::function<bool(std::size_t)>& told) {
    const auto trainer = [&](bool bound, bool whole) {
        const Order order = by_count(words, counts);
        const std::int64_t least =
            bound ? least_count(words, counts, order, settings) : settings.min_count;
        return Trainer<Cell>(words, counts, settings, order, cells, least, whole);
    };
    BpeMerges merges;
    if (trainer(true, false).run(merges, told)) return merges;
    if (trainer(false, false).run(merges = {}, told)) return merges;
    trainer(false, true).run(merges = {}, told);
    return merges;
}

}  // namespace

BpeMerges train_bpe(const Column& words, const std::int64_t* counts, const BpeSettings& settings,
                    const std::function<bool(std::size_t)>& told) {
    check_column(words);
    std::size_t cells = 1;
    double sum = 0;
    for (std::size_t i = 0; i < words.size; ++i) {
        if (counts[i] < 1) throw std::invalid_argument("counts must be 1 at least");
        cells += words[i].size() + 1;
        sum += static_cast<double>(counts[i]) * static_cast<double>(words[i].size());
    }
    if (cells >= std::numeric_limits<std::uint32_t>::max() - 1)
        throw std::invalid_argument("the words have more than 2^32 - 2 bytes");
    if (sum > 9e18) throw std::invalid_argument("the counts of pairs pass 2^63");
    if (std::uint64_t{settings.first_id} + settings.merges < Trainer<std::uint16_t>::kInside)
        return learn<std::uint16_t>(words, counts, settings, cells, told);
    return learn<std::uint32_t>(words, counts, settings, cells, told);
}

}  // namespace corpuskit
