#include "engine/bpe/count.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <stdexcept>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace corpuskit {

namespace {

constexpr std::size_t kLeast = 1 << 12;
constexpr std::size_t kAtOnce = 64;  // pretokens that are cut before they are counted

/// Of the bytes of a word, eight at a time; never 0.
std::uint64_t hash_of(std::string_view word) {
    std::uint64_t hash = word.size();
    const char* at = word.data();
    std::size_t left = word.size();
    for (; left >= 8; left -= 8, at += 8) {
        std::uint64_t eight;
        std::memcpy(&eight, at, 8);
        hash = mixed(hash, eight);
    }
    std::uint64_t rest = 0;
    if (left > 0) std::memcpy(&rest, at, left);
    return mixed(mixed(hash, rest), 0xD6E8FEB86659FD93ULL) | 1;
}

std::uint64_t big_endian(std::uint64_t bytes) {
    if constexpr (std::endian::native == std::endian::big) return bytes;
    std::uint64_t turned = 0;
    for (int i = 0; i < 8; ++i) turned = turned << 8 | (bytes >> 8 * i & 0xFF);
    return turned;
}

/// A short word as two numbers, which are in the order of its bytes: its size is the last of them.
struct Key {
    std::uint64_t low, high;
    std::int64_t count;

    bool operator<(const Key& other) const {
        return low != other.low ? low < other.low : high < other.high;
    }
};

template <typename Slots, typename Hash>
void grow(Slots& slots, Hash hash) {
    Slots old(2 * slots.size());
    old.swap(slots);
    const std::size_t mask = slots.size() - 1;
    for (const auto& slot : old) {
        const std::uint64_t from = hash(slot);
        if (from == 0) continue;
        std::size_t at = from >> 8 & mask;
        while (hash(slots[at]) != 0) at = (at + 1) & mask;
        slots[at] = slot;
    }
}

}  // namespace

void give_memory_back() {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

PretokenCounter::PretokenCounter(Cut cut) : cut_(cut) { clear(); }

void PretokenCounter::clear() {
    PageVector<Short>(kLeast).swap(short_);
    PageVector<Long>(kLeast).swap(long_);
    short_used_ = long_used_ = 0;
    std::string().swap(words_);
}

std::size_t PretokenCounter::bytes() const {
    return short_.capacity() * sizeof(Short) + long_.capacity() * sizeof(Long) + words_.capacity();
}

std::uint64_t PretokenCounter::slot_hash(const Short& slot) {
    return slot.word.high == 0 ? 0 : hash_of(slot.word);
}

void PretokenCounter::add(const Column& texts) {
    check_column(texts);
    for (std::size_t i = 0; i < texts.size; ++i) add(texts[i]);
}

/// Short words on their way into the table: the slots of all have been asked for before the first
/// is looked at, so that memory is waited for once.
class PretokenCounter::Block {
  public:
    explicit Block(PretokenCounter& counter) : counter_(counter) {}

    void add(const ShortWord& word, std::int64_t count) {
        const std::uint64_t hash = hash_of(word);
        words_[size_] = {word, count};
        hashes_[size_] = hash;
        __builtin_prefetch(&counter_.short_[hash >> 8 & (counter_.short_.size() - 1)], 1);
        if (++size_ == kAtOnce) flush();
    }
    void flush() {
        for (std::size_t i = 0; i < size_; ++i) counter_.add_short(words_[i], hashes_[i]);
        size_ = 0;
    }

  private:
    PretokenCounter& counter_;
    std::array<Short, kAtOnce> words_;
    std::array<std::uint64_t, kAtOnce> hashes_;
    std::size_t size_ = 0;
};

void PretokenCounter::add(std::string_view text) {
    std::array<std::size_t, kAtOnce> ends;
    Block block(*this);
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t found = pretoken_ends(cut_, text, at, ends.data(), kAtOnce);
        for (std::size_t i = 0; i < found; at = ends[i++]) {
            const std::size_t size = ends[i] - at;
            if (size > kShort) add_long(text.substr(at, size), 1);
            else block.add(short_word(text, at, size), 1);
        }
    }
    block.flush();
}

void PretokenCounter::add_counted(const Column& words, const std::int64_t* counts) {
    check_column(words);
    Block block(*this);
    for (std::size_t i = 0; i < words.size; ++i) {
        const std::string_view word = words[i];
        if (word.size() > kShort) {
            add_long(word, counts[i]);
        } else if (!word.empty()) {
            block.add(short_word(word, 0, word.size()), counts[i]);
        }
    }
    block.flush();
}

void PretokenCounter::add_short(const Short& word, std::uint64_t hash) {
    const std::size_t mask = short_.size() - 1;
    std::size_t at = hash >> 8 & mask;
    for (; short_[at].word.high != 0; at = (at + 1) & mask) {
        if (short_[at].word == word.word) {
            short_[at].count += word.count;
            return;
        }
    }
    short_[at] = word;
    if (2 * ++short_used_ > short_.size()) grow(short_, &PretokenCounter::slot_hash);
}

void PretokenCounter::add_long(std::string_view word, std::int64_t count) {
    if (word.size() > std::numeric_limits<std::uint32_t>::max())
        throw std::invalid_argument("a pretoken has more than 2^32 - 1 bytes");
    const std::uint64_t hash = hash_of(word);
    const std::size_t mask = long_.size() - 1;
    std::size_t at = hash >> 8 & mask;
    for (; long_[at].hash != 0; at = (at + 1) & mask) {
        Long& slot = long_[at];
        if (slot.hash == hash && slot.size == word.size() &&
            std::memcmp(words_.data() + slot.at, word.data(), word.size()) == 0) {
            slot.count += count;
            return;
        }
    }
    long_[at] = {hash, words_.size(), count, static_cast<std::uint32_t>(word.size())};
    words_.append(word);
    if (2 * ++long_used_ > long_.size())
        grow(long_, [](const Long& slot) { return slot.hash; });
}

void PretokenCounter::take_from(PretokenCounter& other) {
    for (const Short& slot : other.short_)
        if (slot.word.high != 0) add_short(slot, slot_hash(slot));
    for (const Long& slot : other.long_)
        if (slot.hash != 0)
            add_long(std::string_view(other.words_).substr(slot.at, slot.size), slot.count);
    other.clear();
}

PretokenCounts PretokenCounter::take() {
    PageVector<Key> shorts;
    shorts.reserve(short_used_);
    for (const Short& slot : short_)
        if (slot.word.high != 0)
            shorts.push_back({big_endian(slot.word.low), big_endian(slot.word.high), slot.count});
    std::vector<Long> longs;
    longs.reserve(long_used_);
    for (const Long& slot : long_)
        if (slot.hash != 0) longs.push_back(slot);
    const auto word_of = [&](const Long& slot) {
        return std::string_view(words_).substr(slot.at, slot.size);
    };
    // By bytes, so that the order of the texts leaves no trace.
    std::sort(shorts.begin(), shorts.end());
    std::sort(longs.begin(), longs.end(),
              [&](const Long& a, const Long& b) { return word_of(a) < word_of(b); });

    PretokenCounts counts;
    counts.words.offsets.reserve(size() + 1);
    counts.counts.reserve(size());
    counts.words.bytes.reserve(words_.size() + kShort * shorts.size());
    auto next = shorts.begin();
    const auto short_words = [&](auto end) {
        for (; next != end; ++next) {
            const std::array<std::uint64_t, 2> bytes{big_endian(next->low), big_endian(next->high)};
            counts.words.add({reinterpret_cast<const char*>(bytes.data()), next->high & 0xFF});
            counts.counts.push_back(next->count);
        }
    };
    for (const Long& slot : longs) {
        const std::string_view word = word_of(slot);
        const ShortWord begin = short_word(word, 0, kShort);
        // Behind all short words that it begins with.
        const Key key{big_endian(begin.low), big_endian(begin.high), 0};
        short_words(std::upper_bound(next, shorts.end(), key));
        counts.words.add(word);
        counts.counts.push_back(slot.count);
    }
    short_words(shorts.end());
    clear();
    return counts;
}

}  // namespace corpuskit
