// Shared by the files of the loss meter.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

namespace corpuskit {

/// A hash in kWordBits bits and a count or number in the others: a page of short words holds one
/// for every two bytes.
inline constexpr int kWordBits = 40;
inline constexpr int kNumberBits = 64 - kWordBits;
inline constexpr std::uint64_t kMostNumber = (std::uint64_t{1} << kNumberBits) - 1;

/// How often each word stands in a text and is not yet taken: an open hash table that is kept
/// between pages.
class WordCounts {
  public:
    void clear() {
        // After one very long page the table is not swept for every short one, nor kept.
        if (entries_.size() > 65536 && used_ * 32 < entries_.size())
            std::vector<std::uint64_t>(1024).swap(entries_);
        used_ = 0;
        std::fill(entries_.begin(), entries_.end(), 0);
    }
    void add(std::uint64_t word) {
        if (used_ * 4 >= entries_.size() * 3) grow();
        std::uint64_t& entry = find(word >> kNumberBits);
        used_ += entry == 0;
        if (entry == 0) entry = word >> kNumberBits << kNumberBits;
        entry += (entry & kMostNumber) < kMostNumber;
    }
    bool has(std::uint64_t word) {
        return !entries_.empty() && (find(word >> kNumberBits) & kMostNumber) != 0;
    }
    /// Takes one occurrence, if there is one left.
    bool take(std::uint64_t word) {
        if (entries_.empty()) return false;
        std::uint64_t& entry = find(word >> kNumberBits);
        if ((entry & kMostNumber) == 0) return false;
        --entry;
        return true;
    }
    std::size_t bytes() const { return entries_.capacity() * sizeof(std::uint64_t); }

  private:
    std::uint64_t& find(std::uint64_t hash) {
        std::size_t at = hash & (entries_.size() - 1);
        while (entries_[at] != 0 && entries_[at] >> kNumberBits != hash)
            at = (at + 1) & (entries_.size() - 1);
        return entries_[at];
    }
    void grow() {
        std::vector<std::uint64_t> old(entries_.empty() ? 1024 : entries_.size() * 2);
        old.swap(entries_);
        for (std::uint64_t entry : old)
            if (entry != 0) find(entry >> kNumberBits) = entry;
    }

    std::vector<std::uint64_t> entries_;  // 0: empty, though a word that was taken stays
    std::size_t used_ = 0;
};

void count_words(std::string_view text, WordCounts& counts);
std::int64_t count_sentences(std::string_view text);
void count_holes(std::string_view text, std::string_view language, std::int64_t* holes);
void count_leftovers(std::string_view text, std::int64_t* leftovers);

}  // namespace corpuskit
