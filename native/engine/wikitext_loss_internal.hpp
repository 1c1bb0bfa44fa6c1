// Shared by the files of the loss meter.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "wikitext_loss.hpp"
#include "wikitext_words.hpp"

namespace corpuskit {

/// How often each word stands in a text and is not yet taken: an open hash table that is kept between pages.
class WordCounts {
  public:
    void clear() {
        // After one very long page the table is not swept for every short one.
        if (entries_.size() > 65536 && used_ * 32 < entries_.size()) entries_.resize(1024);
        used_ = 0;
        for (Entry& entry : entries_) entry = {};
    }
    void add(std::uint64_t word) {
        if (used_ * 2 >= entries_.size()) grow();
        Entry& entry = find(word);
        used_ += entry.word == 0;
        entry.word = word;
        ++entry.count;
    }
    /// Takes one occurrence, if there is one left.
    bool take(std::uint64_t word) {
        if (entries_.empty()) return false;
        Entry& entry = find(word);
        if (entry.count == 0) return false;
        --entry.count;
        return true;
    }

  private:
    struct Entry {
        std::uint64_t word = 0;
        std::uint32_t count = 0;
    };
    Entry& find(std::uint64_t word) {
        std::size_t at = (word >> 20) & (entries_.size() - 1);
        while (entries_[at].word != 0 && entries_[at].word != word) at = (at + 1) & (entries_.size() - 1);
        return entries_[at];
    }
    void grow() {
        std::vector<Entry> old(entries_.empty() ? 1024 : entries_.size() * 2);
        old.swap(entries_);
        for (const Entry& entry : old)
            if (entry.word != 0) find(entry.word) = entry;
    }

    std::vector<Entry> entries_;
    std::size_t used_ = 0;
};

void count_words(std::string_view text, WordCounts& counts);
std::int64_t count_sentences(std::string_view text);
void count_holes(std::string_view text, std::string_view language, std::int64_t* holes);
void count_leftovers(std::string_view text, std::int64_t* leftovers);

}  // namespace corpuskit
