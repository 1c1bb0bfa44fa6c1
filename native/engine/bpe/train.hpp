// Byte-pair encoding (Sennrich et al. 2016) learnt from counted words, merge by merge as the
// trainer of Hugging Face's tokenizers does it, in 64-bit counts.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <unordered_set>
#include <vector>

#include "engine/text/column.hpp"

namespace corpuskit {

/// What is asked for.
struct BpeSettings {
    std::array<std::uint32_t, 256> byte_ids;  // ids of the bytes, each below `first_id`
    std::uint32_t first_id;                   // of the first merge
    std::uint32_t merges;                     // at most
    std::int64_t min_count;                   // of a pair when it is merged, 1 at least
    std::unordered_set<std::string> forbidden;  // what no merge may spell
};

/// What was learnt, in order.
struct BpeMerges {
    std::vector<std::uint32_t> left, right, ids;  // ids of parts and whole
    std::vector<std::int64_t> counts;             // of the pair when it was merged
};

/// Learns merges of words, each of which occurs `counts[i]` times (1 at least). Of pairs that are
/// equally frequent the one with the smaller left, then right id comes first. Time is linear in
/// the bytes of all words, times the logarithm of the number of pairs; memory is some 8 bytes a
/// byte (5 where all ids fit into 16 bits). Throws std::invalid_argument for offsets that do not
/// ascend, for counts below 1, for sums of pairs that 64 bits do not hold, and for more than
/// 2^32 - 2 bytes.
///
/// `told` is called with the number of merges now and then; when it returns false, the merges so
/// far are given back.
BpeMerges train_bpe(const Column& words, const std::int64_t* counts, const BpeSettings& settings,
                    const std::function<bool(std::size_t)>& told);

}  // namespace corpuskit
