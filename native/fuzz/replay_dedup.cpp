// Replays texts through what finds near duplicates and repeats, for builds with sanitizers.
//
// Every file is one text, and its lines are texts that are compared with one another: signatures
// must not depend on the processor, and who is kept must be what comparing all pairs says. Runs of
// words must have equal digests where they are equal, and of each window of words one n-gram must
// be an entry.
// With -DCORPUSKIT_LIBFUZZER the same checks are a libFuzzer target. That signatures are
// datasketch's is shown in Python (tests/stages/dedup/).
#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "driver.hpp"
#include "engine/dedup/minhash.hpp"
#include "engine/dedup/runs.hpp"
#include "engine/dedup/shingles.hpp"
#include "engine/dedup/similar.hpp"
#include "engine/dedup/units.hpp"
#include "engine/text/nfc.hpp"
#include "engine/text/segment.hpp"

namespace {

using namespace corpuskit;

constexpr std::size_t kMostLines = 300;
constexpr std::size_t kMostBytes = 10'000;  // of a text whose runs are compared as strings too

Permutations permutations() {
    Permutations made;
    for (std::uint32_t k = 0; k < kPermutations; ++k)
        made.a[k] = 2 * (k * 0x9E3779B9U) + 1, made.b[k] = k * 0x85EBCA6BU;
    return made;
}

/// The texts' sets and signatures.
ShingleSets replay(const Column& texts) {
    const Signatures wide = signatures(texts, 3, permutations(), widest_lanes());
    const Signatures plain = signatures(texts, 3, permutations(), Lanes::kPortable);
    if (wide.values != plain.values || wide.there != plain.there)
        fail("signatures depend on the processor");
    ShingleSets sets = shingle_sets(texts, 3);
    for (std::size_t i = 0; i < texts.size; ++i) {
        const auto first = sets.hashes.begin() + sets.ends[i];
        const auto last = sets.hashes.begin() + sets.ends[i + 1];
        if (!std::is_sorted(first, last) || std::adjacent_find(first, last) != last)
            fail("hashes do not ascend");
        if ((first == last) == static_cast<bool>(wide.there[i]))
            fail("a text has shingles and no signature, or the other way round");
        surely_nfc(texts[i]);
    }
    return sets;
}

/// Compares each set with all kept ones before it.
void compare(const ShingleSets& whole, const Threshold& threshold, std::size_t budget) {
    std::vector<std::int64_t> starts, counts, components;
    for (std::size_t i = 0; i + 1 < whole.ends.size() && starts.size() < kMostLines; ++i) {
        if (whole.ends[i] == whole.ends[i + 1]) continue;
        starts.push_back(whole.ends[i]);
        counts.push_back(whole.ends[i + 1] - whole.ends[i]);
        components.push_back(static_cast<std::int64_t>(i / 50));
    }
    const Sets sets{starts.data(), counts.data(), starts.size(), whole.hashes.data()};
    const std::vector<std::uint8_t> pinned(starts.size());
    const Kept kept = keep_unlike(sets, components.data(), pinned.data(), threshold, budget);
    for (std::size_t x = 0; x < sets.size; ++x) {
        std::size_t first = x;
        for (std::size_t k = 0; k < x && first == x; ++k)
            if (components[k] == components[x] && kept.first[k] == static_cast<std::int64_t>(k) &&
                common_if_similar(sets, x, k, threshold) > 0)
                first = k;
        if (kept.first[x] != static_cast<std::int64_t>(first))
            fail("another one is kept than by comparing all");
    }
}

void replay_runs(const Words& words) {
    Runs runs;
    find_runs(words, {3, 5}, runs);
    std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> digests;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const auto until = static_cast<std::size_t>(runs.until[i]);
        if (until == 0) continue;
        if (until <= i || until > words.size()) fail("a run ends outside of its text");
        std::string run;
        for (std::size_t k = i; k < until; ++k) run.append(words.word(k)).push_back('\0');
        const std::pair digest(runs.digests[i].first, runs.digests[i].second);
        if (digests.emplace(run, digest).first->second != digest)
            fail("equal runs have other digests");
    }
    constexpr std::size_t kRun = 5, kGram = 2;
    Winnowed found;
    winnow(words, kRun, kGram, found);
    auto place = found.places.begin();
    for (std::size_t i = 0; i + kRun <= words.size(); ++i) {
        while (place != found.places.end() && static_cast<std::size_t>(*place) < i) ++place;
        if (place == found.places.end() || static_cast<std::size_t>(*place) > i + kRun - kGram)
            fail("a window has no entry");
    }
}

void replay_units(const std::string& text) {
    for (const UnitKind kind : {UnitKind::kParagraph, UnitKind::kLine}) {
        std::size_t last = 0;
        for (const Unit& unit : find_units(text, kind)) {
            if (unit.begin < last || unit.begin >= unit.end || unit.end > text.size())
                fail("a paragraph or line lies outside of its text");
            last = unit.end;
        }
    }
}

void replay(const std::string& text) {
    replay_units(text);
    if (text.size() <= kMostBytes) {
        Words words;
        find_words(text, words);
        replay_runs(words);
    }
    Strings one, lines;
    one.add(text);
    for (std::size_t at = 0; at <= text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        lines.add(std::string_view(text).substr(at, end - at));
        at = end + 1;
    }
    const auto column = [](const Strings& strings) {
        return Column{strings.offsets.data(), strings.offsets.size() - 1, strings.bytes.data(),
                      strings.bytes.size()};
    };
    replay(column(one));
    const ShingleSets sets = replay(column(lines));
    for (const Threshold& threshold : {Threshold{4, 5}, Threshold{1, 5}, Threshold{1, 1}})
        for (const std::size_t budget : {std::size_t{1} << 20, std::size_t{3000}})
            compare(sets, threshold, budget);
}

}  // namespace

CORPUSKIT_TARGET(replay, 8192)
