#include "engine/bpe/count.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <stdexcept>

#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace corpuskit {

namespace {

constexpr std::size_t kLeast = 1 << 12;
constexpr std::size_t kShort = 15;

std::uint64_t mixed(std::uint64_t a, std::uint64_t b) {
    a = (a ^ b) * 0x9E3779B97F4A7C15ULL;
    return a ^ a >> 32;
}

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

void PretokenCounter::add(const Column& texts) {
    check_column(texts);
    for (std::size_t i = 0; i < texts.size; ++i) {
        const std::string_view text = texts[i];
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t end = pretoken_end(cut_, text, at);
            add(text, at, end - at, 1);
            at = end;
        }
    }
}

void PretokenCounter::add_counted(const Column& words, const std::int64_t* counts) {
    check_column(words);
    for (std::size_t i = 0; i < words.size; ++i) add(words[i], 0, words[i].size(), counts[i]);
}

void PretokenCounter::add(std::string_view text, std::size_t at, std::size_t size,
                          std::int64_t count) {
    if (size > kShort) return add_long(text.substr(at, size), count);
    unsigned char bytes[16] = {};
    if (at + 16 <= text.size()) {
        std::memcpy(bytes, text.data() + at, 16);
        std::memset(bytes + size, 0, 16 - size);
    } else {
        std::memcpy(bytes, text.data() + at, size);
    }
    bytes[15] = static_cast<unsigned char>(size);
    Short word;
    std::memcpy(&word.low, bytes, 8);
    std::memcpy(&word.high, bytes + 8, 8);
    word.count = count;
    add_short(word);
}

void PretokenCounter::add_short(const Short& word) {
    const auto hash = [](const Short& slot) {
        return slot.high == 0 ? 0 : mixed(mixed(slot.low, 0x243F6A8885A308D3ULL), slot.high) | 1;
    };
    const std::size_t mask = short_.size() - 1;
    std::size_t at = hash(word) >> 8 & mask;
    for (; short_[at].high != 0; at = (at + 1) & mask) {
        if (short_[at].low == word.low && short_[at].high == word.high) {
            short_[at].count += word.count;
            return;
        }
    }
    short_[at] = word;
    if (2 * ++short_used_ > short_.size()) grow(short_, hash);
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
        if (slot.high != 0) add_short(slot);
    for (const Long& slot : other.long_)
        if (slot.hash != 0)
            add_long(std::string_view(other.words_).substr(slot.at, slot.size), slot.count);
    other.clear();
}

PretokenCounts PretokenCounter::take() {
    struct Word {
        std::string_view bytes;
        std::int64_t count;
    };
    PageVector<Word> found;
    found.reserve(size());
    for (const Short& slot : short_) {
        const char* bytes = reinterpret_cast<const char*>(&slot.low);
        const auto size = static_cast<unsigned char>(bytes[15]);
        if (size > 0) found.push_back({{bytes, size}, slot.count});
    }
    for (const Long& slot : long_)
        if (slot.hash != 0)
            found.push_back({std::string_view(words_).substr(slot.at, slot.size), slot.count});
    // By bytes, so that the order of the texts leaves no trace.
    std::sort(found.begin(), found.end(),
              [](const Word& a, const Word& b) { return a.bytes < b.bytes; });
    PretokenCounts counts;
    counts.words.offsets.reserve(found.size() + 1);
    counts.counts.reserve(found.size());
    for (const Word& word : found) {
        counts.words.add(word.bytes);
        counts.counts.push_back(word.count);
    }
    clear();
    return counts;
}

}  // namespace corpuskit
