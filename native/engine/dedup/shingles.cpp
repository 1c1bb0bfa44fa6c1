#include "engine/dedup/shingles.hpp"

#include <algorithm>
#include <bit>
#include <numeric>

#include "engine/text/utf8.hpp"
#include "engine/text/xxhash.hpp"

namespace corpuskit {

std::size_t word_border(std::string_view text, std::size_t from) {
    while (from < text.size()) {
        const auto byte = static_cast<unsigned char>(text[from]);
        if (byte <= 0x20) return from;
        std::size_t next = from + 1;
        if (byte >= 0xC0) {  // not within a code point
            next = from;
            if (code_point_kind(next_code_point(text, next)) == CodePoint::kApart) return from;
        }
        from = next;
    }
    return text.size();
}

void Shingler::add(std::string_view piece) {
    find_words(piece, words_);
    const std::size_t base = window_.size();
    window_ += words_.folded;
    for (std::size_t i = 1; i < words_.at.size(); ++i) at_.push_back(base + words_.at[i]);
}

void Shingler::keep(std::size_t last_words) {
    const std::size_t first = words() - last_words, cut = at_[first];
    window_.erase(0, cut);
    at_.erase(at_.begin(), at_.begin() + static_cast<std::ptrdiff_t>(first));
    for (std::size_t& at : at_) at -= cut;
}

namespace {

/// Sorts hashes, which are spread evenly: into buckets by their first bits, and within each.
void sort_hashes(std::uint64_t* hashes, std::size_t count, std::vector<std::uint64_t>& from) {
    if (count < 64) return std::sort(hashes, hashes + count);
    const int shift = 64 - std::min(16, static_cast<int>(std::bit_width(count)) - 2);
    std::vector<std::uint32_t> ends(std::size_t{1} << (64 - shift));
    from.assign(hashes, hashes + count);
    for (const std::uint64_t hash : from) ++ends[hash >> shift];
    std::partial_sum(ends.begin(), ends.end(), ends.begin());
    for (const std::uint64_t hash : from) hashes[--ends[hash >> shift]] = hash;
    // Each is now where its bucket begins.
    for (std::size_t bucket = 0; bucket < ends.size(); ++bucket) {
        const std::size_t end = bucket + 1 < ends.size() ? ends[bucket + 1] : count;
        std::sort(hashes + ends[bucket], hashes + end);
    }
}

}  // namespace

ShingleSets shingle_sets(const Column& texts, std::size_t size) {
    ShingleSets sets;
    Shingler shingler(size);
    std::vector<std::uint64_t> unsorted;
    for (std::size_t i = 0; i < texts.size; ++i) {
        const auto first = static_cast<std::ptrdiff_t>(sets.hashes.size());
        shingler.each(texts[i], [&](std::string_view s) { sets.hashes.push_back(xxh64(s)); });
        const std::size_t count = sets.hashes.size() - static_cast<std::size_t>(first);
        sort_hashes(sets.hashes.data() + first, count, unsorted);
        sets.hashes.erase(std::unique(sets.hashes.begin() + first, sets.hashes.end()),
                          sets.hashes.end());
        sets.ends.push_back(static_cast<std::int64_t>(sets.hashes.size()));
    }
    return sets;
}

}  // namespace corpuskit
