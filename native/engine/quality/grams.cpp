#include "engine/quality/grams.hpp"

#include <algorithm>
#include <cstring>

namespace corpuskit::quality {

namespace {

/// Order of the longest n-grams of which the most frequent is looked for, of the shortest and the
/// longest whose copies are counted.
constexpr std::size_t kLongestTop = 4, kShortest = 5, kLongest = 10;

/// Bytes of a head: n-grams whose beginnings of so many bytes differ are different strings.
constexpr std::size_t kHead = 16, kStep = 8, kLongestHead = 48;
constexpr std::uint32_t kNever = UINT32_MAX, kNone = UINT32_MAX;

std::uint64_t read_word(const char* at) {
    std::uint64_t word;
    std::memcpy(&word, at, sizeof word);
    return word;
}

}  // namespace

GramFigures Grams::count(const Tokens& tokens, Variant variant) {
    GramFigures figures;
    const std::size_t size = tokens.size();
    before_.resize(size + 1);
    before_[0] = 0;
    for (std::size_t i = 0; i < size; ++i) before_[i + 1] = before_[i] + tokens.lengths[i];

    const bool ours = variant == Variant::kOurs;
    // The most frequent ones alone are asked of these orders by datatrove's definition.
    least_ = ours ? 2 : std::max(2U, frequent_gram(tokens));
    first_order(tokens);
    for (std::size_t n = 2; n <= (ours ? kLongest : kLongestTop); ++n) {
        next_order();
        if (n <= kLongestTop) figures.top[n - 2] = ours ? top(n) : datatrove_top(n, size);
        else figures.repeated[n - kShortest] = repeated(n);
    }
    if (ours) return figures;
    join(tokens);
    for (std::size_t n = kShortest; n <= kLongest; ++n)
        figures.repeated[n - kShortest] = datatrove_repeated(n, size);
    return figures;
}

/// How often some n-gram of the longest order occurs: what is met on going from the most frequent
/// token to its most frequent neighbour, and on. The most frequent of no order occurs less often.
std::uint32_t Grams::frequent_gram(const Tokens& tokens) {
    const std::vector<std::uint32_t>& ids = tokens.ids;
    if (ids.empty()) return 0;
    tally_.assign(tokens.counts.size(), 0);
    const auto most = std::max_element(tokens.counts.begin(), tokens.counts.end());
    const auto token = static_cast<std::uint32_t>(most - tokens.counts.begin());
    runs_.clear();
    for (std::size_t i = 0; i < ids.size(); ++i)
        if (ids[i] == token) runs_.push_back(static_cast<std::uint32_t>(i));
    for (std::size_t n = 1; n < kLongestTop; ++n) {
        struct Best {
            std::uint32_t count = 0, id = 0;
        } best[2];
        const auto neighbour = [&](std::uint32_t at, int side) {
            const std::size_t place = side == 0 ? at - std::size_t{1} : at + n;
            return place < ids.size() ? ids[place] : kNone;
        };
        for (const int side : {0, 1}) {
            for (const std::uint32_t at : runs_) {
                const std::uint32_t id = neighbour(at, side);
                if (id != kNone && ++tally_[id] > best[side].count) best[side] = {tally_[id], id};
            }
            for (const std::uint32_t at : runs_)
                if (neighbour(at, side) != kNone) tally_[neighbour(at, side)] = 0;
        }
        const int side = best[1].count >= best[0].count ? 1 : 0;
        if (best[side].count < 2) return 0;
        const std::uint32_t id = best[side].id;
        std::erase_if(runs_, [&](std::uint32_t at) { return neighbour(at, side) != id; });
        if (side == 0)
            for (std::uint32_t& at : runs_) --at;
    }
    return static_cast<std::uint32_t>(runs_.size());
}

void Grams::first_order(const Tokens& tokens) {
    grams_.resize(tokens.size());
    std::size_t held = 0;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        const std::uint32_t id = tokens.ids[i];
        grams_[held] = {static_cast<std::uint32_t>(i), id};
        held += tokens.counts[id] >= least_;
    }
    grams_.resize(held);
}

/// Drops some, without a branch for each.
template <typename Goes>
void Grams::drop_candidates(Goes goes) {
    std::size_t kept = 0;
    for (const Candidate candidate : candidates()) {
        candidates_[kept] = candidate;
        kept += !goes(candidate);
    }
    held_ = kept;
}

/// Places of n-grams, given the (n-1)-grams: each is known by the two in it. One that holds a rare
/// one is rare itself, so that few are looked at from one order to the next.
void Grams::find_candidates() {
    if (candidates_.size() < grams_.size()) candidates_.resize(grams_.size());
    held_ = 0;
    for (std::size_t i = 0; i + 1 < grams_.size(); ++i) {
        const Gram gram = grams_[i], next = grams_[i + 1];
        candidates_[held_] = {hash_pair(gram.number, next.number), gram.at, kNever};
        held_ += gram.at + 1 == next.at;
    }
    if (least_ == 2) {
        twice_.reset(held_);
        for (const Candidate& candidate : candidates()) twice_.add(candidate.hash);
        drop_candidates([this](const Candidate& c) { return twice_.count(c.hash) < 2; });
    } else {
        const std::uint64_t least = std::min<std::uint64_t>(least_, often_.kMost);
        often_.reset(held_);
        for (const Candidate& candidate : candidates()) often_.add(candidate.hash);
        drop_candidates([&](const Candidate& c) { return often_.count(c.hash) < least; });
    }
}

/// Numbers the n-grams, and keeps those that are not rare.
void Grams::next_order() {
    find_candidates();
    numbering_.reset(held_ / 4);
    counts_.clear();
    grams_.resize(held_);
    for (std::size_t i = 0; i < held_; ++i) {
        const std::uint32_t number = numbering_.number(candidates_[i].hash);
        if (number == counts_.size()) counts_.push_back(0);
        ++counts_[number];
        grams_[i] = {candidates_[i].at, number};
    }
    std::erase_if(grams_, [this](const Gram& gram) { return counts_[gram.number] < least_; });
}

std::int64_t Grams::top(std::size_t n) {
    std::uint32_t most = 0;
    for (const std::uint32_t count : counts_) most = std::max(most, count);
    if (most < 2) return 0;
    covered_.assign(counts_.size(), 0);
    ends_.assign(counts_.size(), 0);
    std::int64_t best = 0;
    for (const auto& [place, number] : grams_) {
        if (counts_[number] != most) continue;
        const std::size_t at = place, start = std::max(at, ends_[number]);
        covered_[number] += before_[at + n] - before_[start];
        ends_[number] = at + n;
        best = std::max(best, covered_[number]);
    }
    return best;
}

std::int64_t Grams::repeated(std::size_t n) {
    std::int64_t total = 0;
    std::size_t end = 0;
    for (const Gram& gram : grams_) {
        const std::size_t at = gram.at;
        total += before_[at + n] - before_[std::max(at, end)];
        end = at + n;
    }
    return total;
}

std::int64_t Grams::datatrove_top(std::size_t n, std::size_t size) {
    if (size < n) return 0;
    // Of several the first in the text; where none occurs twice, the first of all.
    std::uint32_t most = 1;
    std::size_t at = 0;
    for (const Gram& gram : grams_)
        if (counts_[gram.number] > most) most = counts_[gram.number], at = gram.at;
    const std::int64_t length = before_[at + n] - before_[at] + static_cast<std::int64_t>(n) - 1;
    return most * length;
}

/// Puts the tokens behind one another, and finds the places at which an n-gram may begin that is
/// equal to another one: few, since most beginnings stand once. Where one of some bytes does, no
/// n-gram of as many bytes that begins there is equal to another.
void Grams::join(const Tokens& tokens) {
    const std::string_view text = tokens.text();
    const char* const end = text.data() + text.size();
    const std::size_t size = tokens.size();
    // So that heads may be read behind the end, and tokens written in steps.
    joined_.resize(text.size() + kLongestHead);
    places_.resize(size + 1);
    char* const out = joined_.data();
    std::size_t at = 0;
    for (std::size_t i = 0; i < size; ++i) {
        places_[i] = at;
        const std::string_view token = tokens.written(i);
        const bool is_short = token.size() <= kHead && end - token.data() >= std::ptrdiff_t{kHead};
        std::memcpy(out + at, token.data(), is_short ? kHead : token.size());
        at += token.size();
    }
    places_[size] = at;
    std::memset(out + at, 0, kLongestHead);
    find_heads(size >= kShortest ? size - kShortest + 1 : 0);
    for (std::size_t bytes = kHead + kStep; bytes <= kLongestHead; bytes += kStep)
        find_longer_heads(bytes);
}

/// Of all places those that share their first bytes with another, or begin a shorter n-gram.
void Grams::find_heads(std::size_t grams) {
    heads_.resize(grams);
    twice_.reset(grams);
    for (std::size_t at = 0; at < grams; ++at) {
        const char* const head = joined_.data() + places_[at];
        const std::uint64_t hash = mix(read_word(head), read_word(head + 8));
        heads_[at] = static_cast<std::uint32_t>(hash);
        twice_.add(heads_[at]);
    }
    if (candidates_.size() <= grams) candidates_.resize(grams + 1);
    held_ = 0;
    for (std::size_t at = 0; at < grams; ++at) {
        const bool is_alone = twice_.count(heads_[at]) < 2;
        candidates_[held_] = {heads_[at], static_cast<std::uint32_t>(at),
                             is_alone ? std::uint32_t{kHead} : kNever};
        // A shorter n-gram may be equal to others whatever comes behind it.
        held_ += !is_alone || length(at, kShortest) < kHead;
    }
}

/// The same of longer heads, among the places that share shorter ones.
void Grams::find_longer_heads(std::size_t bytes) {
    twice_.reset(held_);
    for (Candidate& candidate : candidates()) {
        if (candidate.alone != kNever) continue;
        const char* const head = joined_.data() + places_[candidate.at];
        candidate.hash = mix(candidate.hash, read_word(head + bytes - kStep));
        twice_.add(candidate.hash);
    }
    for (Candidate& candidate : candidates())
        if (candidate.alone == kNever && twice_.count(candidate.hash) < 2)
            candidate.alone = static_cast<std::uint32_t>(bytes);
    drop_candidates([this](const Candidate& c) { return length(c.at, kShortest) >= c.alone; });
}

std::int64_t Grams::datatrove_repeated(std::size_t n, std::size_t size) {
    while (held_ > 0 && candidates_[held_ - 1].at + n > size) --held_;
    drop_candidates([&](const Candidate& c) { return length(c.at, n) >= c.alone; });
    twice_.reset(held_);
    for (Candidate& candidate : candidates()) {
        candidate.hash = hash_bytes(part(candidate.at, n));
        twice_.add(candidate.hash);
    }
    numbering_.reset();
    first_.clear();
    std::int64_t total = 0;
    std::size_t end = 0;  // of the repeated n-gram before
    for (const Candidate& candidate : candidates()) {
        const std::uint32_t at = candidate.at;
        if (at < end || twice_.count(candidate.hash) < 2) continue;
        const std::uint32_t number = numbering_.number(candidate.hash, [&](std::uint32_t other) {
            return part(first_[other], n) == part(at, n);
        });
        if (number == first_.size()) {
            first_.push_back(at);
        } else {
            total += before_[at + n] - before_[at];
            end = at + n;
        }
    }
    return total;
}

}  // namespace corpuskit::quality
