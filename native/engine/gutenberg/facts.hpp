// What the lines of a block say: what the rules of rules.cpp ask.
#pragma once

#include <cstddef>
#include <cstdint>

namespace corpuskit::gutenberg {

/// What the lines of a block say, each once. What may be and what surely is counts apart.
struct Facts {
    std::size_t letters = 0, capitals = 0, upper = 0, low = 0;  // of BlockView.joined
    bool ornament = true, number = false;
    std::size_t gapped = 0, surely_gapped = 0, ruled = 0, punctuated = 0, speeches = 0;
    std::size_t numbered = 0, surely_numbered = 0, amounts = 0, sure_amounts = 0;
    std::size_t items = 0, sure_items = 0;
    bool last_gapped = false, open = false, year = false, ended = false, full_stop = false;
    bool starts_low = false, ends_in_stop = false;  // the last: the last line, not the joined ones
    std::size_t words = 0;  // of one line

    /// Four counts of 16 bits: letters, capitals, upper, low.
    void add(std::uint64_t counts) {
        letters += counts & 0xFFFF;
        capitals += counts >> 16 & 0xFFFF;
        upper += counts >> 32 & 0xFFFF;
        low += counts >> 48;
    }
};

}  // namespace corpuskit::gutenberg
