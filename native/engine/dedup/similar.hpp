// Greedy deduplication of sets, exact: each set in turn is kept, unless its Jaccard similarity to a
// kept one reaches a threshold. Found by prefix filtering (Bayardo et al. 2007, Xiao et al. 2008).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace corpuskit {

/// over / under, both from 1 to 10^9: products with numbers of shingles stay below 2^64.
struct Threshold {
    std::uint64_t over, under;

    /// What two sets of these sizes must at least have in common.
    std::uint64_t common(std::uint64_t a, std::uint64_t b) const {
        return (over * (a + b) + over + under - 1) / (over + under);
    }
    std::uint64_t least_partner(std::uint64_t size) const {
        return (over * size + under - 1) / under;
    }
    std::uint64_t greatest_partner(std::uint64_t size) const { return under * size / over; }
};

/// Sets of ascending hashes, in the order in which they are kept: set i is
/// hashes[starts[i], starts[i] + counts[i]).
struct Sets {
    const std::int64_t *starts, *counts;
    std::size_t size;
    const std::uint64_t* hashes;

    std::uint64_t count(std::size_t i) const { return static_cast<std::uint64_t>(counts[i]); }
};

/// How many hashes two sets have in common if they reach the threshold, where ties count; else 0.
std::uint64_t common_if_similar(const Sets& sets, std::size_t a, std::size_t b,
                                const Threshold& threshold);

/// What became of the sets: the first kept one that each resembles, itself where it was kept; how
/// many hashes the two have in common; and the first of all that hang together by resembling a kept
/// one.
struct Kept {
    std::vector<std::int64_t> first, common, cluster;
};

/// Decides about all sets. Those of another component are never compared: `components` are equal
/// numbers one behind the other. Of `pinned` ones each is kept. What is held for the search stays
/// near `budget` bytes: where more would be, the sets behind are gone through once more for each.
Kept keep_unlike(const Sets& sets, const std::int64_t* components, const std::uint8_t* pinned,
                 const Threshold& threshold, std::size_t budget);

/// Joins the values of each run of at least two equal keys. `parents` has a place for each value:
/// -1 for one that was in no run, else another one that hangs together with it.
void join_groups(std::int64_t* parents, const std::uint64_t* keys, const std::int64_t* values,
                 std::size_t count);
/// Lets each parent be the smallest of all that hang together.
void flatten(std::int64_t* parents, std::size_t count);

}  // namespace corpuskit
