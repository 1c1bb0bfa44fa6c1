#include "engine/quality/grams.hpp"

#include <algorithm>

namespace corpuskit::quality {

namespace {

/// The number of all n-grams that occur once: one that holds such a part occurs once itself, so
/// that few are looked at from one order to the next.
constexpr std::uint32_t kOnce = UINT32_MAX;
/// Order of the shortest n-grams whose copies are counted.
constexpr std::size_t kShortest = 5;

/// Bytes of a head: n-grams whose beginnings of so many bytes differ are different strings.
constexpr std::size_t kHead = 16;

}  // namespace

GramFigures Grams::count(const Tokens& tokens, Variant variant) {
    GramFigures figures;
    const std::size_t size = tokens.size();
    before_.resize(size + 1);
    before_[0] = 0;
    for (std::size_t i = 0; i < size; ++i) before_[i + 1] = before_[i] + tokens.lengths[i];

    numbers_.resize(size);
    for (std::size_t i = 0; i < size; ++i)
        numbers_[i] = tokens.counts[tokens.ids[i]] > 1 ? tokens.ids[i] : kOnce;
    const bool ours = variant == Variant::kOurs;
    bool any = true;
    for (std::size_t n = 2; n <= (ours ? 10 : 4); ++n) {
        any = any && next_order(n, tokens.ids);
        if (!any) counts_.clear();
        if (n <= 4) figures.top[n - 2] = ours ? top(n) : datatrove_top(n, size);
        else figures.repeated[n - kShortest] = repeated(n);
    }
    if (ours) return figures;
    join(tokens);
    for (std::size_t n = kShortest; n <= 10; ++n)
        figures.repeated[n - kShortest] = datatrove_repeated(n, size);
    return figures;
}

/// Numbers the n-grams, given the (n-1)-grams: each is known by the one that begins it and its last
/// token. Returns whether any occurs twice.
bool Grams::next_order(std::size_t n, const std::vector<std::uint32_t>& ids) {
    const std::size_t size = ids.size() >= n ? ids.size() - n + 1 : 0;
    candidates_.clear();
    for (std::size_t i = 0; i < size; ++i) {
        if (numbers_[i] != kOnce && numbers_[i + 1] != kOnce)
            candidates_.push_back({i, hash_pair(numbers_[i], ids[i + n - 1])});
    }
    twice_.reset(candidates_.size());
    for (const Candidate& candidate : candidates_) twice_.add(candidate.hash);
    std::erase_if(candidates_, [this](const Candidate& c) { return !twice_.holds(c.hash); });
    numbering_.reset();
    counts_.clear();
    numbers_.assign(size, kOnce);
    for (const Candidate& candidate : candidates_) {
        const std::uint32_t number = numbering_.number(candidate.hash);
        if (number == counts_.size()) counts_.push_back(0);
        ++counts_[number];
        numbers_[candidate.at] = number;
    }
    bool any = false;
    for (const Candidate& candidate : candidates_) {
        std::uint32_t& number = numbers_[candidate.at];
        if (counts_[number] == 1) number = kOnce;
        else any = true;
    }
    return any;
}

std::int64_t Grams::top(std::size_t n) {
    std::uint32_t most = 0;
    for (const std::uint32_t count : counts_) most = std::max(most, count);
    if (most < 2) return 0;
    covered_.assign(counts_.size(), 0);
    ends_.assign(counts_.size(), 0);
    std::int64_t best = 0;
    for (std::size_t at = 0; at < numbers_.size(); ++at) {
        const std::uint32_t number = numbers_[at];
        if (number == kOnce || counts_[number] != most) continue;
        const std::size_t start = std::max(at, ends_[number]);
        covered_[number] += before_[at + n] - before_[start];
        ends_[number] = at + n;
        best = std::max(best, covered_[number]);
    }
    return best;
}

std::int64_t Grams::repeated(std::size_t n) {
    if (counts_.empty()) return 0;
    std::int64_t total = 0;
    std::size_t end = 0;
    for (std::size_t at = 0; at < numbers_.size(); ++at) {
        if (numbers_[at] == kOnce) continue;
        total += before_[at + n] - before_[std::max(at, end)];
        end = at + n;
    }
    return total;
}

std::int64_t Grams::datatrove_top(std::size_t n, std::size_t size) {
    if (size < n) return 0;
    std::uint32_t most = 1;
    for (const std::uint32_t count : counts_) most = std::max(most, count);
    // Of several the first in the text; where none occurs twice, the first of all.
    std::size_t at = 0;
    while (most > 1 && (numbers_[at] == kOnce || counts_[numbers_[at]] != most)) ++at;
    const std::int64_t length = before_[at + n] - before_[at] + static_cast<std::int64_t>(n) - 1;
    return most * length;
}

/// Puts the tokens behind one another, and finds the places at which an n-gram may begin that is
/// equal to another one: few, since most beginnings stand once.
void Grams::join(const Tokens& tokens) {
    joined_.clear();
    places_.assign(1, 0);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        joined_.append(tokens.written(i));
        places_.push_back(joined_.size());
    }
    candidates_.clear();
    const std::size_t grams = tokens.size() >= kShortest ? tokens.size() - kShortest + 1 : 0;
    twice_.reset(grams);
    for (std::size_t at = 0; at < grams; ++at) {
        const std::string_view head = std::string_view(joined_).substr(places_[at], kHead);
        candidates_.push_back({at, hash_bytes(head)});
        twice_.add(candidates_.back().hash);
    }
    std::erase_if(candidates_, [this](const Candidate& c) {
        // A shorter n-gram may be equal to others whatever comes behind it.
        return places_[c.at + kShortest] - places_[c.at] >= kHead && !twice_.holds(c.hash);
    });
}

std::int64_t Grams::datatrove_repeated(std::size_t n, std::size_t size) {
    const auto part = [&](std::size_t at) {
        return std::string_view(joined_).substr(places_[at], places_[at + n] - places_[at]);
    };
    while (!candidates_.empty() && candidates_.back().at + n > size) candidates_.pop_back();
    twice_.reset(candidates_.size());
    for (Candidate& candidate : candidates_) {
        candidate.hash = hash_bytes(part(candidate.at));
        twice_.add(candidate.hash);
    }
    numbering_.reset();
    first_.clear();
    std::int64_t total = 0;
    std::size_t end = 0;  // of the repeated n-gram before
    for (const auto& [at, hash] : candidates_) {
        if (at < end || !twice_.holds(hash)) continue;
        const std::uint32_t number = numbering_.number(
            hash, [&](std::uint32_t other) { return part(first_[other]) == part(at); });
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
