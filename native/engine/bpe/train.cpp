#include "engine/bpe/train.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "engine/bpe/candidates.hpp"
#include "engine/bpe/pages.hpp"

namespace corpuskit {

namespace {

using namespace bpe;
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
        : settings_(settings),
          least_(least),
          whole_(whole),
          spellings_(settings.first_id) {
        for (std::uint32_t byte = 0; byte < 256; ++byte)
            spellings_.set(settings.byte_ids[byte], std::string(1, static_cast<char>(byte)));
        lengths_.assign(settings.first_id, 1);
        before_.assign(settings.first_id, kNone), after_.assign(settings.first_id, kNone);
        if (whole) queue_.keep_all_in_order();
        std::vector<First> firsts(256 * 256);
        lay_out(words, counts, order, cells, firsts);
        take_firsts(firsts);
    }

    /// False where pairs below the least count were needed: then `merges` are not all, or not
    /// right.
    bool run(BpeMerges& merges, const std::function<bool(std::size_t)>& told) {
        const bool bound = least_ > settings_.min_count;
        // Counts only fall, but where a string is made in two ways: see keep_all_in_order.
        const auto renew = [&](Candidate& each) {
            each.count = *pairs_.find(each.pair);
            if (each.count < least_) drop(each.places);
            return each.count >= least_;
        };
        while (spellings_.count() < 256 + settings_.merges) {
            Candidate top;
            if (!queue_.pop(top, renew)) return !bound;
            // A count that has changed since finds its place anew; nobody else is looked at again.
            if (const std::int64_t now = *pairs_.find(top.pair); now != top.count) {
                if (now >= least_ || whole_) queue_.push({now, top.pair, top.places});
                else drop(top.places);
                continue;
            }
            if (top.count < settings_.min_count) break;
            std::string whole = spellings_[left_of(top.pair)] + spellings_[right_of(top.pair)];
            if (settings_.forbidden.contains(whole)) continue;
            const std::size_t known = spellings_.size();
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
    /// A pair of bytes.
    struct First {
        std::int64_t sum = 0;
        std::uint8_t* out = nullptr;  // where its next place is written
        std::uint32_t last = 0, bytes = 0;  // of its places
    };
    /// A pair that a merge makes: the new id and a neighbour, who had another one beside it before.
    struct Coming {
        Pair pair;
        std::int64_t came = 0, went = 0;
        std::uint8_t* out = nullptr;
        std::uint32_t last = 0, bytes = 0;
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

    /// Writes all words, and sums up pairs of bytes.
    void lay_out(const Column& words, const std::int64_t* counts, const Order& order,
                 std::size_t cells, std::vector<First>& firsts) {
        cells_.resize(cells);
        Cell* out = cells_.data();
        *out++ = kBorder;
        for (std::size_t n = 0; n < order.size(); ++n) {
            // The words lie in another order.
            if (n + 2 * kAhead < order.size())
                __builtin_prefetch(&words.offsets[order[n + 2 * kAhead]]);
            if (n + kAhead < order.size()) __builtin_prefetch(words[order[n + kAhead]].data());
            const std::int64_t count = counts[order[n]];
            auto at = static_cast<std::uint32_t>(out - cells_.data());
            if (ranges_.empty() || ranges_.back().count != count) ranges_.push_back({at, count});
            const std::string_view word = words[order[n]];
            for (std::size_t i = 0; i < word.size(); ++i) {
                const auto byte = static_cast<unsigned char>(word[i]);
                *out++ = static_cast<Cell>(settings_.byte_ids[byte]);
                if (i == 0) continue;
                const auto before = static_cast<unsigned char>(word[i - 1]);
                First& first = firsts[std::size_t{before} << 8 | byte];
                first.sum += count;
                first.bytes += Places::size_of(at - first.last);
                first.last = at++;
            }
            *out++ = kBorder;
        }
    }

    /// Makes candidates of the pairs of bytes that come often enough, with their places.
    void take_firsts(std::vector<First>& firsts) {
        std::vector<std::uint8_t> byte_of(settings_.first_id, 0);
        for (std::uint32_t byte = 0; byte < 256; ++byte)
            byte_of[settings_.byte_ids[byte]] = static_cast<std::uint8_t>(byte);
        for (std::uint32_t n = 0; n < firsts.size(); ++n) {
            First& first = firsts[n];
            if (first.sum == 0 || (!whole_ && first.sum < least_)) continue;
            const Pair pair = pair_of(settings_.byte_ids[n >> 8], settings_.byte_ids[n & 0xFF]);
            first.out = candidate(pair, first.sum, first.bytes);
            first.last = 0;
        }
        for (std::uint32_t at = 0; at + 1 < cells_.size(); ++at) {
            if (cells_[at] == kBorder || cells_[at + 1] == kBorder) continue;
            First& first = firsts[std::size_t{byte_of[cells_[at]]} << 8 | byte_of[cells_[at + 1]]];
            if (first.out == nullptr) continue;
            first.out = Places::put(first.out, at - first.last);
            first.last = at;
        }
    }

    /// Makes a candidate of a pair; where its places are written.
    std::uint8_t* candidate(Pair pair, std::int64_t count, std::uint32_t bytes) {
        const std::uint32_t list = new_list();
        pairs_.set(pair, count);
        queue_.push({count, pair, list});
        return lists_[list].room(bytes);
    }

    /// The id of a string: that of the token which spells it already, or a new one.
    std::uint32_t id_of(std::string whole) {
        const std::size_t known = spellings_.size(), length = whole.size();
        const std::uint32_t id = spellings_.number_of(std::move(whole));
        if (id == known) {
            lengths_.push_back(static_cast<std::uint32_t>(length));
            before_.push_back(kNone), after_.push_back(kNone);
        }
        return id;
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
            // Pairs of old ids are known to go by those that come in their places.
            if (const std::uint32_t before = cells_[at - 1]; before != kBorder) {
                if (before == id) coming_[coming(id, left, id)].went += count;
                comes(pair_of(before, id), pair_of(before, left), id, count, at - lengths_[before]);
            }
            if (const std::uint32_t after = cells_[behind]; after != kBorder) {
                if (after == id) coming_[coming(right, id, id)].went += count;
                comes(pair_of(id, after), pair_of(right, after), id, count, at);
            }
        }
        take_coming(left, right, id);
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
    /// A pair comes at a place where another one goes.
    void comes(Pair pair, Pair other, std::uint32_t id, std::int64_t count, std::uint32_t at) {
        const std::uint32_t number = coming(left_of(pair), right_of(pair), id);
        Coming& one = coming_[number];
        if (one.came == 0) pairs_.fetch(other);
        one.came += count;
        one.bytes += Places::size_of(at - one.last);
        one.last = at;
        came_.push_back({number, at});
    }

    /// Makes candidates of the pairs that have come, but for those that come too seldom.
    void take_coming(std::uint32_t left, std::uint32_t right, std::uint32_t id) {
        for (Coming& each : coming_) {
            const std::uint32_t before = left_of(each.pair), after = right_of(each.pair);
            before_[before] = kNone, after_[after] = kNone;
            if (before != id) less(pair_of(before, left), each.came);
            if (after != id) less(pair_of(right, after), each.came);
            std::int64_t count = each.came - each.went;
            if (!whole_ && count < least_) continue;
            if (const std::int64_t* known = pairs_.find(each.pair)) count += *known;
            if (count < 1 || each.bytes == 0) {
                pairs_.set(each.pair, count);
                continue;
            }
            each.out = candidate(each.pair, count, each.bytes);
            each.last = 0;
        }
        for (const auto& [number, at] : came_) {
            Coming& each = coming_[number];
            if (each.out == nullptr) continue;
            each.out = Places::put(each.out, at - each.last);
            each.last = at;
        }
        coming_.clear(), came_.clear();
    }
    void less(Pair pair, std::int64_t count) {
        if (std::int64_t* known = pairs_.find(pair)) *known -= count;
    }

    const BpeSettings& settings_;
    std::int64_t least_;  // counts and places are kept of pairs that come so often
    bool whole_;          // of all pairs, however rare: a string may be made in two ways
    PageVector<Cell> cells_;
    std::vector<Range> ranges_;
    std::size_t range_ = 0;
    Spellings spellings_;  // by id
    std::vector<std::uint32_t> lengths_;
    PairTable pairs_;
    Queue queue_;
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
