#include "engine/bpe/encode.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <queue>
#include <stdexcept>

#include "engine/bpe/short_words.hpp"

namespace corpuskit {

namespace {

constexpr std::size_t kAtOnce = 64;  // pretokens that are cut before they are looked up
constexpr std::size_t kPlaces = 1 << 17;
constexpr std::size_t kKept = 4;  // ids of a word that is kept
constexpr std::size_t kRoomKept = 1 << 22;
constexpr std::uint32_t kIds = 1U << 24;

std::uint64_t joined(std::uint32_t left, std::uint32_t right) {
    return std::uint64_t{left} << 32 | right;
}

/// A word and its ids, of which the number lies above its size in its last byte.
struct Slot {
    ShortWord word;
    std::array<std::uint32_t, kKept> ids;

    static constexpr int kCountAt = std::endian::native == std::endian::little ? 60 : 4;
    static constexpr std::uint64_t kCount = std::uint64_t{7} << kCountAt;

    bool holds(const ShortWord& other) const {
        return word.low == other.low && (word.high & ~kCount) == other.high;
    }
    std::size_t count() const { return (word.high & kCount) >> kCountAt; }
    void keep(const ShortWord& other, const std::uint32_t* found, std::size_t count) {
        word = {other.low, other.high | std::uint64_t{count} << kCountAt};
        std::copy(found, found + count, ids.begin());
    }
};

/// Words of one place, a line of the processor's cache. A new one takes the second slot and gets
/// the first when it comes again: words that came once do not drive out frequent ones.
struct Place {
    Slot first, second;

    const Slot* find(const ShortWord& word) {
        if (first.holds(word)) return &first;
        if (!second.holds(word)) return nullptr;
        std::swap(first, second);
        return &first;
    }
};

void check(const BpeModel& model) {
    const std::size_t n = model.ids.size();
    if (model.left.size() != n || model.right.size() != n)
        throw std::invalid_argument("merges: left, right and ids are not of one size");
    if (model.whole.offsets.size() != model.whole_ids.size() + 1)
        throw std::invalid_argument("whole: there are not as many ids as pretokens");
    if (n >= std::size_t{1} << 25) throw std::invalid_argument("merges: there are too many");
    const auto small = [](const auto& ids) {
        return std::all_of(ids.begin(), ids.end(), [](std::uint32_t id) { return id < kIds; });
    };
    if (!small(model.byte_ids) || !small(model.left) || !small(model.right) || !small(model.ids) ||
        !small(model.whole_ids))
        throw std::invalid_argument("an id is 2^24 or more");
}

}  // namespace

/// What a thread works with: short words and what they were encoded to, as many as there is room
/// for whatever the texts, and the ids of the texts of a call.
class BpeEncoder::Desk {
  public:
    Desk() : places_(kPlaces) {}

    Place& place_of(const ShortWord& word) { return places_[hash_of(word) >> 8 & (kPlaces - 1)]; }

    /// Makes room for one id a byte, and for a copy of all that a slot keeps.
    void begin(std::size_t bytes) {
        if (room_ < bytes + kKept) {
            room_ = bytes + kKept;
            ids_.reset(new std::uint32_t[room_]);
        }
        next_ = ids_.get();
    }
    std::size_t size() const { return static_cast<std::size_t>(next_ - ids_.get()); }
    std::uint32_t* next() { return next_; }
    void move(std::size_t count) { next_ += count; }
    std::unique_ptr<std::uint32_t[]> end() {
        std::unique_ptr<std::uint32_t[]> found(new std::uint32_t[size()]);
        std::copy(ids_.get(), next_, found.get());
        if (room_ > kRoomKept) ids_.reset(), room_ = 0;
        return found;
    }

  private:
    PageVector<Place> places_;
    std::unique_ptr<std::uint32_t[]> ids_;
    std::size_t room_ = 0;
    std::uint32_t* next_ = nullptr;
};

BpeEncoder::BpeEncoder(Cut cut, const BpeModel& model)
    : cut_(cut), byte_ids_(model.byte_ids), whole_texts_(model.whole) {
    check(model);
    set_pairs(model);
    for (std::size_t pair = 0; pair < 1 << 16; ++pair)
        byte_pairs_.push_back(pair_of(byte_ids_[pair >> 8], byte_ids_[pair & 0xFF]));
    const Column whole = whole_texts_.column();
    for (std::size_t i = 0; i < whole.size; ++i) whole_[whole[i]] = model.whole_ids[i];
}

BpeEncoder::~BpeEncoder() = default;

void BpeEncoder::set_pairs(const BpeModel& model) {
    pairs_.resize(std::bit_ceil(2 * model.ids.size() + 1));
    const std::size_t mask = pairs_.size() - 1;
    for (std::size_t i = 0; i < model.ids.size(); ++i) {
        const std::uint64_t ids = joined(model.left[i], model.right[i]);
        std::size_t at = mixed(ids, 0) & mask;
        while (pairs_[at].rank != kNoRank && pairs_[at].ids != ids) at = (at + 1) & mask;
        pairs_[at] = {ids, static_cast<Rank>(i), model.ids[i]};
    }
}

/// What two ids are merged to; an empty one where they are not.
const BpeEncoder::Pair& BpeEncoder::pair_of(std::uint32_t left, std::uint32_t right) const {
    const std::uint64_t ids = joined(left, right);
    const std::size_t mask = pairs_.size() - 1;
    for (std::size_t at = mixed(ids, 0) & mask;; at = (at + 1) & mask) {
        const Pair& pair = pairs_[at];
        if (pair.ids == ids || pair.rank == kNoRank) return pair;
    }
}

/// The ids of a word, as many as bytes at most.
std::size_t BpeEncoder::encode_word(std::string_view word, std::uint32_t* ids) const {
    if (!whole_.empty()) {
        const auto found = whole_.find(word);
        if (found != whole_.end()) {
            ids[0] = found->second;
            return 1;
        }
    }
    if (word.size() <= 16) return merge_few<4>(word, ids);
    return word.size() <= 64 ? merge_few<6>(word, ids) : merge_many(word, ids);
}

/// For words of up to 2^kBits bytes: the least rank is looked for among all places, by a loop of
/// fixed length. A merged id stays where its first byte was.
template <int kBits>
std::size_t BpeEncoder::merge_few(std::string_view word, std::uint32_t* ids) const {
    constexpr std::size_t kSize = std::size_t{1} << kBits;
    constexpr std::int32_t kNone = std::numeric_limits<std::int32_t>::max();
    const std::size_t size = word.size();
    std::array<std::uint32_t, kSize> at, made;  // ids, and those that they make with the next one
    std::array<std::int32_t, kSize> pairs;      // rank and place of the pair that begins there
    pairs.fill(kNone);
    const auto put = [&](std::size_t place, const Pair& pair) {
        made[place] = pair.made;
        pairs[place] = pair.rank == kNoRank
                           ? kNone
                           : static_cast<std::int32_t>(pair.rank << kBits | place);
    };
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(word[i]); };
    for (std::size_t i = 0; i < size; ++i) at[i] = byte_ids_[byte(i)];
    for (std::size_t i = 0; i + 1 < size; ++i)
        put(i, byte_pairs_[std::size_t{byte(i)} << 8 | byte(i + 1)]);
    std::uint64_t there = ~std::uint64_t{0} >> (64 - size);  // places that have an id
    for (;;) {
        std::int32_t least = kNone;
        for (std::size_t i = 0; i < kSize; ++i) least = std::min(least, pairs[i]);
        if (least == kNone) break;
        const std::size_t place = static_cast<std::size_t>(least) & (kSize - 1);
        const std::uint64_t behind = there & (~std::uint64_t{1} << place);
        const auto right = static_cast<std::size_t>(std::countr_zero(behind));
        at[place] = made[place];
        pairs[right] = pairs[place] = kNone;
        there ^= std::uint64_t{1} << right;
        const std::uint64_t next = behind & (behind - 1);
        if (next != 0) {
            const auto other = static_cast<std::size_t>(std::countr_zero(next));
            put(place, pair_of(at[place], at[other]));
        }
        const std::uint64_t before = there & ((std::uint64_t{1} << place) - 1);
        if (before != 0) {
            const auto other = static_cast<std::size_t>(63 - std::countl_zero(before));
            put(other, pair_of(at[other], at[place]));
        }
    }
    std::size_t count = 0;
    for (; there != 0; there &= there - 1) ids[count++] = at[std::countr_zero(there)];
    return count;
}

/// The same for many bytes: pairs wait in the order of rank and place, and say nothing any more
/// when what they joined is another id by then.
std::size_t BpeEncoder::merge_many(std::string_view word, std::uint32_t* ids) const {
    struct Waiting {
        Rank rank;
        std::uint32_t at;
        bool operator>(const Waiting& other) const {
            return rank != other.rank ? rank > other.rank : at > other.at;
        }
    };
    constexpr std::uint32_t kNone = ~std::uint32_t{0};
    if (word.size() >= kNone)
        throw std::invalid_argument("a pretoken has more than 2^32 - 2 bytes");
    const auto size = static_cast<std::uint32_t>(word.size());
    std::vector<std::uint32_t> before(size), behind(size);
    std::priority_queue<Waiting, std::vector<Waiting>, std::greater<>> queue;
    const auto wait = [&](std::uint32_t at) {
        const Rank rank = pair_of(ids[at], ids[behind[at]]).rank;
        if (rank != kNoRank) queue.push({rank, at});
    };
    for (std::uint32_t i = 0; i < size; ++i) {
        ids[i] = byte_ids_[static_cast<unsigned char>(word[i])];
        before[i] = i == 0 ? kNone : i - 1;
        behind[i] = i + 1 == size ? kNone : i + 1;
    }
    for (std::uint32_t i = 0; i + 1 < size; ++i) wait(i);
    while (!queue.empty()) {
        const Waiting next = queue.top();
        queue.pop();
        const std::uint32_t at = next.at, right = behind[at];
        if (ids[at] == kNone || right == kNone) continue;
        const Pair& pair = pair_of(ids[at], ids[right]);
        if (pair.rank != next.rank) continue;
        ids[at] = pair.made;
        ids[right] = kNone;
        behind[at] = behind[right];
        if (behind[at] != kNone) {
            before[behind[at]] = at;
            wait(at);
        }
        if (before[at] != kNone) wait(before[at]);
    }
    return static_cast<std::size_t>(std::remove(ids, ids + size, kNone) - ids);
}

void BpeEncoder::encode_text(std::string_view text, Desk& desk) const {
    std::array<std::size_t, kAtOnce> ends;
    std::array<ShortWord, kAtOnce> shorts;
    std::array<Place*, kAtOnce> places;
    for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t found = pretoken_ends(cut_, text, begin, ends.data(), kAtOnce);
        // The places of all are asked for before the first is looked at: memory is waited for once.
        for (std::size_t i = 0, at = begin; i < found; at = ends[i++]) {
            const std::size_t size = ends[i] - at;
            places[i] = nullptr;
            if (size > kShort) continue;
            shorts[i] = short_word(text, at, size);
            places[i] = &desk.place_of(shorts[i]);
            __builtin_prefetch(places[i]);
        }
        for (std::size_t i = 0; i < found; begin = ends[i++]) {
            const Slot* slot = places[i] == nullptr ? nullptr : places[i]->find(shorts[i]);
            if (slot != nullptr) {
                std::memcpy(desk.next(), slot->ids.data(), sizeof slot->ids);
                desk.move(slot->count());
                continue;
            }
            const std::size_t size = encode_word(text.substr(begin, ends[i] - begin), desk.next());
            if (places[i] != nullptr && size <= kKept)
                places[i]->second.keep(shorts[i], desk.next(), size);
            desk.move(size);
        }
    }
}

std::unique_ptr<BpeEncoder::Desk> BpeEncoder::take_desk() const {
    const std::lock_guard guard(lock_);
    if (desks_.empty()) return std::make_unique<Desk>();
    std::unique_ptr<Desk> taken = std::move(desks_.back());
    desks_.pop_back();
    return taken;
}

Encoded BpeEncoder::encode(const Column& texts) const {
    check_column(texts);
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < texts.size; ++i) bytes += texts[i].size();
    std::unique_ptr<Desk> desk = take_desk();
    desk->begin(bytes);
    Encoded found;
    found.ends.reserve(texts.size);
    for (std::size_t i = 0; i < texts.size; ++i) {
        encode_text(texts[i], *desk);
        found.ends.push_back(static_cast<std::int64_t>(desk->size()));
    }
    found.size = desk->size();
    found.ids = desk->end();
    const std::lock_guard guard(lock_);
    desks_.push_back(std::move(desk));
    return found;
}

}  // namespace corpuskit
