// Counts of pretokens, while texts pass.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/bpe/pages.hpp"
#include "engine/bpe/pretokens.hpp"
#include "engine/bpe/short_words.hpp"
#include "engine/text/column.hpp"

namespace corpuskit {

/// Pretokens and how often each came, sorted by their bytes.
struct PretokenCounts {
    Strings words;
    std::vector<std::int64_t> counts;
};

/// Gives memory that was freed back to the system, where the C library would keep it.
void give_memory_back();

/// Counts the pretokens of texts that are given one after the other; each text by itself.
class PretokenCounter {
  public:
    explicit PretokenCounter(Cut cut);

    /// Throws std::invalid_argument when the offsets do not ascend within the bytes.
    void add(const Column& texts);
    void add(std::string_view text);
    /// Counts what somebody else has cut.
    void add_counted(const Column& words, const std::int64_t* counts);

    std::size_t size() const { return short_used_ + long_used_; }
    /// Bytes of memory that it holds.
    std::size_t bytes() const;
    /// Hands out what was counted, and begins anew.
    PretokenCounts take();
    /// Counts what another has counted, which begins anew.
    void take_from(PretokenCounter& other);

  private:
    /// A short word stands in its slot: looking it up misses the cache once.
    struct Short {
        ShortWord word;
        std::int64_t count = 0;
    };
    class Block;
    struct Long {
        std::uint64_t hash = 0;  // 0 is empty
        std::uint64_t at = 0;
        std::int64_t count = 0;
        std::uint32_t size = 0;
    };

    inline static std::uint64_t slot_hash(const Short& slot);
    void add_short(const Short& word, std::uint64_t hash);
    void add_long(std::string_view word, std::int64_t count);
    void clear();

    Cut cut_;
    PageVector<Short> short_;
    PageVector<Long> long_;
    std::size_t short_used_ = 0, long_used_ = 0;
    std::string words_;  // the long ones
};

}  // namespace corpuskit
