// Pairs that may be merged: how often they come, where they stand, and which of them is next.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace corpuskit::bpe {

using Pair = std::uint64_t;
inline Pair pair_of(std::uint32_t left, std::uint32_t right) { return Pair{left} << 32 | right; }
inline std::uint32_t left_of(Pair pair) { return static_cast<std::uint32_t>(pair >> 32); }
inline std::uint32_t right_of(Pair pair) { return static_cast<std::uint32_t>(pair); }

/// Numbers by pair, in one array; grows by doubling.
class PairTable {
  public:
    PairTable() : slots_(kLeast), mask_(kLeast - 1) {}

    /// Asks for its slot, so that it is there when it is looked for.
    void fetch(Pair pair) const { __builtin_prefetch(&slots_[first_of(pair)], 1); }
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

    std::size_t first_of(Pair pair) const {
        const std::uint64_t hash = pair * 0x9E3779B97F4A7C15ULL;
        return (hash ^ hash >> 32) & mask_;
    }
    Slot* slot_of(Pair pair) {
        std::size_t at = first_of(pair);
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

/// Hands out the candidate of the greatest count, of equal ones that of the smallest pair. Those
/// that come too seldom to be next soon lie in no order until it is their turn.
class Queue {
  public:
    /// All lie in order where counts may rise while they wait.
    void keep_all_in_order() { floor_ = std::numeric_limits<std::int64_t>::min(); }

    void push(const Candidate& one) {
        if (one.count < floor_) {
            waiting_.push_back(one);
            return;
        }
        heap_.push_back(one);
        std::push_heap(heap_.begin(), heap_.end(), Later());
    }
    /// False where there is none. `renew` brings a count that has waited up to date, and says
    /// whether the candidate stays one.
    template <typename Renew>
    bool pop(Candidate& top, const Renew& renew) {
        if (heap_.empty()) fill(renew);
        if (heap_.empty()) return false;
        std::pop_heap(heap_.begin(), heap_.end(), Later());
        top = heap_.back();
        heap_.pop_back();
        return true;
    }

  private:
    struct Later {
        bool operator()(const Candidate& a, const Candidate& b) const {
            return a.count != b.count ? a.count < b.count : a.pair > b.pair;
        }
    };
    static constexpr std::size_t kFew = 1 << 10;

    /// Lowers the floor, so that an eighth of those that wait is above it.
    template <typename Renew>
    void fill(const Renew& renew) {
        std::erase_if(waiting_, [&](Candidate& each) { return !renew(each); });
        if (waiting_.empty()) return;
        const std::size_t many = std::min(waiting_.size(), std::max(kFew, waiting_.size() / 8));
        const auto greater = [](const Candidate& a, const Candidate& b) {
            return a.count > b.count;
        };
        const auto last = waiting_.begin() + static_cast<std::ptrdiff_t>(many - 1);
        std::nth_element(waiting_.begin(), last, waiting_.end(), greater);
        floor_ = last->count;
        const auto below = std::partition(last, waiting_.end(), [&](const Candidate& each) {
            return each.count >= floor_;
        });
        heap_.assign(waiting_.begin(), below);
        waiting_.erase(waiting_.begin(), below);
        std::make_heap(heap_.begin(), heap_.end(), Later());
    }

    std::vector<Candidate> heap_, waiting_;
    std::int64_t floor_ = std::numeric_limits<std::int64_t>::max();
};

/// Ascending places, by their distances: two bytes for most.
class Places {
  public:
    static std::uint32_t size_of(std::uint32_t distance) {
        return (static_cast<std::uint32_t>(std::bit_width(distance | 1)) + 6) / 7;
    }
    /// Room for so many bytes, which are then written by `put`.
    std::uint8_t* room(std::uint32_t bytes) {
        bytes_.reset(new std::uint8_t[bytes]);
        size_ = bytes;
        return bytes_.get();
    }
    static std::uint8_t* put(std::uint8_t* out, std::uint32_t distance) {
        for (; distance >= 0x80; distance >>= 7)
            *out++ = static_cast<std::uint8_t>(distance | 0x80);
        *out++ = static_cast<std::uint8_t>(distance);
        return out;
    }
    /// Hands them out, and is empty afterwards.
    void take(std::vector<std::uint32_t>& places) {
        places.resize(size_);
        std::uint32_t place = 0;
        std::size_t many = 0;
        const std::uint8_t* const end = bytes_.get() + size_;
        for (const std::uint8_t* at = bytes_.get(); at < end;) {
            std::uint32_t distance = *at++;
            if (distance >= 0x80) {
                distance &= 0x7F;
                int shift = 7;
                for (; *at >= 0x80; shift += 7) distance |= std::uint32_t{*at++ & 0x7Fu} << shift;
                distance |= std::uint32_t{*at++} << shift;
            }
            places[many++] = place += distance;
        }
        places.resize(many);
        clear();
    }
    void clear() {
        bytes_.reset();
        size_ = 0;
    }

  private:
    std::unique_ptr<std::uint8_t[]> bytes_;
    std::uint32_t size_ = 0;
};

/// Strings by number, each once; some numbers have none.
class Spellings {
  public:
    explicit Spellings(std::size_t first) : strings_(first), slots_(kLeast) {}

    /// How many strings there are, and numbers.
    std::size_t count() const { return count_; }
    std::size_t size() const { return strings_.size(); }
    const std::string& operator[](std::size_t number) const { return strings_[number]; }

    /// Gives a number its string, unless another has it.
    void set(std::uint32_t number, std::string string) {
        const std::uint32_t hash = hash_of(string);
        if (Slot* slot = slot_of(string, hash); slot->number == kNone) {
            strings_[number] = std::move(string);
            fill(slot, {hash, number});
        }
    }
    /// The number of a string; the next one where it had none.
    std::uint32_t number_of(std::string string) {
        const std::uint32_t hash = hash_of(string);
        Slot* slot = slot_of(string, hash);
        if (slot->number != kNone) return slot->number;
        const auto number = static_cast<std::uint32_t>(strings_.size());
        strings_.push_back(std::move(string));
        fill(slot, {hash, number});
        return number;
    }

  private:
    static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
    static constexpr std::size_t kLeast = 1 << 12;
    struct Slot {
        std::uint32_t hash = 0, number = kNone;
    };

    static std::uint32_t hash_of(const std::string& string) {
        return static_cast<std::uint32_t>(std::hash<std::string>()(string));
    }
    Slot* slot_of(const std::string& string, std::uint32_t hash) {
        const std::size_t mask = slots_.size() - 1;
        std::size_t at = hash & mask;
        for (; slots_[at].number != kNone; at = (at + 1) & mask)
            if (slots_[at].hash == hash && strings_[slots_[at].number] == string) break;
        return &slots_[at];
    }
    void fill(Slot* slot, Slot with) {
        *slot = with;
        if (2 * ++count_ <= slots_.size()) return;
        std::vector<Slot> old(2 * slots_.size());
        old.swap(slots_);
        for (const Slot& one : old)
            if (one.number != kNone) *slot_of(strings_[one.number], one.hash) = one;
    }

    std::vector<std::string> strings_;
    std::vector<Slot> slots_;
    std::size_t count_ = 0;
};

}  // namespace corpuskit::bpe
