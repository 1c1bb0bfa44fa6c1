#include "engine/ngrams/suffixes.hpp"

#include <algorithm>
#include <vector>

namespace corpuskit {

namespace {

using Place = std::int32_t;

/// Entries ahead whose symbols are fetched: a scan reads the text in no order.
constexpr Place kAhead = 24;

#if defined(__GNUC__)
inline void fetch(const void* at) { __builtin_prefetch(at); }
#else
inline void fetch(const void*) {}
#endif

/// One text, or one of the shorter ones that stand for it. A suffix that is smaller than the next
/// one is of type S, the others are of type L; an S behind an L begins a piece of the text.
class Level {
  public:
    Level(const Place* text, Place size, Place alphabet, Place* order)
        : text_(text), size_(size), alphabet_(alphabet), order_(order) {}

    void sort() {
        if (size_ < 2) {
            std::fill_n(order_, size_, 0);
            return;
        }
        std::fill_n(order_, size_, 0);
        count();
        bucket_ends();
        each_piece([&](Place at) { order_[--ends_[text_[at]]] = at; });
        induce<false>();
        const Place pieces = gather();
        if (pieces > 1) sort_pieces(pieces);
        spread(pieces);
        induce<true>();
    }

  private:
    /// Calls `act` with where each piece begins, the last one first.
    template <typename Act>
    void each_piece(Act act) const {
        bool smaller = false;  // of type S; the last suffix is not
        for (Place i = size_ - 1; i > 0; --i) {
            const bool before = text_[i - 1] < text_[i] || (smaller && text_[i - 1] == text_[i]);
            if (smaller && !before) act(i);
            smaller = before;
        }
    }

    void count() {
        counts_.assign(alphabet_, 0), ends_.resize(alphabet_);
        for (Place i = 0; i < size_; ++i) ++counts_[text_[i]];
    }
    void bucket_starts() {
        Place sum = 0;
        for (std::size_t c = 0; c < counts_.size(); ++c) ends_[c] = sum, sum += counts_[c];
    }
    void bucket_ends() {
        Place sum = 0;
        for (std::size_t c = 0; c < counts_.size(); ++c) ends_[c] = sum += counts_[c];
    }
    void fetch_before(Place entry) const {
        if (entry > 0) fetch(&text_[entry - 1]);
    }

    /// Sorts all suffixes by those that begin pieces, which stand at the ends of their buckets.
    ///
    /// What a scan is not to follow stands inverted, and so does 0, which has nothing before it.
    /// Unless `kWhole`, what begins pieces is all that is left: inverted, and 0 between.
    template <bool kWhole>
    void induce() {
        bucket_starts();
        put_before(size_, ends_[text_[size_ - 1]]++);
        for (Place i = 0; i < size_; ++i) {
            if (i + kAhead < size_) fetch_before(order_[i + kAhead]);
            const Place at = order_[i];
            order_[i] = kWhole ? ~at : at < 0 ? ~at : 0;
            if (at > 0) put_before(at, ends_[text_[at - 1]]++);
        }
        bucket_ends();
        for (Place i = size_ - 1; i >= 0; --i) {
            if (i >= kAhead) fetch_before(order_[i - kAhead]);
            const Place at = order_[i];
            if (at <= 0) {
                if (kWhole) order_[i] = ~at;
                continue;
            }
            if (!kWhole) order_[i] = 0;
            const Place before = at - 1, slot = --ends_[text_[before]];
            const bool begins = before == 0 || text_[before - 1] > text_[before];
            order_[slot] = begins ? ~before : before;
        }
    }
    /// The suffix before a place, of type L, into a slot; inverted if what precedes it is not.
    void put_before(Place at, Place slot) {
        const Place before = at - 1;
        const bool last = before > 0 && text_[before - 1] < text_[before];
        order_[slot] = last ? ~before : before;
    }

    /// Moves what begins pieces, sorted by the pieces alone, to the front; returns how many.
    Place gather() {
        Place found = 0;
        for (Place i = 0; i < size_; ++i)
            if (order_[i] < -1) order_[found++] = ~order_[i];
        return found;
    }

    /// Sorts what begins pieces by the whole suffixes: as the suffixes of the text of pieces.
    void sort_pieces(Place pieces) {
        const Place names = name_pieces(pieces);
        if (names == pieces) return;
        Place* const shorter = order_ + size_ - pieces;
        for (Place i = size_ - 1, to = pieces; i >= pieces; --i)
            if (order_[i] != 0) shorter[--to] = order_[i] - 1;
        counts_ = {}, ends_ = {};  // What the shorter text needs is as much.
        Level(shorter, pieces, names, order_).sort();
        count();
        Place to = pieces;
        each_piece([&](Place at) { shorter[--to] = at; });
        for (Place i = 0; i < pieces; ++i) order_[i] = shorter[order_[i]];
    }

    /// Numbers the pieces in order from 1, equal ones alike, and leaves each number at half its
    /// place, behind the `pieces` entries: no two pieces are neighbours. Returns how many differ.
    Place name_pieces(Place pieces) {
        Place* const named = order_ + pieces;
        std::fill(named, order_ + size_, 0);
        Place next = size_;  // where the piece behind begins; one beyond the text for the last
        each_piece([&](Place at) { named[at / 2] = next - at + 1, next = at; });
        Place names = 0, before = 0, length_before = 0;
        for (Place i = 0; i < pieces; ++i) {
            const Place at = order_[i], length = named[at / 2];
            const bool same = i > 0 && length == length_before && at + length <= size_ &&
                              before + length <= size_ &&
                              std::equal(text_ + at, text_ + at + length, text_ + before);
            if (!same) ++names, before = at, length_before = length;
            named[at / 2] = names;
        }
        return names;
    }

    /// Puts what begins pieces, in order, at the ends of the buckets.
    void spread(Place pieces) {
        std::fill(order_ + pieces, order_ + size_, 0);
        bucket_ends();
        for (Place i = pieces - 1; i >= 0; --i) {
            const Place at = order_[i];
            order_[i] = 0;
            order_[--ends_[text_[at]]] = at;
        }
    }

    const Place* text_;
    Place size_, alphabet_;
    Place* order_;
    std::vector<Place> counts_, ends_;
};

}  // namespace

void sort_suffixes(const std::int32_t* text, std::int32_t size, std::int32_t alphabet,
                   std::int32_t* order) {
    Level(text, size, alphabet, order).sort();
}

}  // namespace corpuskit
