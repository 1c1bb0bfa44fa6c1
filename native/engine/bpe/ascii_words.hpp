// Words of ASCII one behind the other, which most of many texts is: cut 64 bytes at a time.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace corpuskit {

/// Finds where words end that are ASCII letters with a blank before them or none, and single signs
/// between them: there all patterns cut alike, but for o200k's, which parts a word before a capital
/// and takes contractions to it.
class AsciiWords {
  public:
    AsciiWords(std::string_view text, bool is_o200k) : text_(text), is_o200k_(is_o200k) {}

    /// Where the words end that follow one another from a border on; returns how many were found, 0
    /// where there is none or it does not show here.
    std::size_t ends(std::size_t at, std::size_t* found, std::size_t room) {
        std::size_t count = 0;
        while (count < room) {
            if (at >= end_) look(at);
            const std::size_t skip = at - begin_;
            const std::uint64_t starts = starts_ >> skip;
            const auto run = static_cast<std::size_t>(std::countr_one(letters_ >> skip | starts));
            const std::size_t from = at;
            // A start at the border itself ends nothing.
            std::uint64_t borders = starts & ~std::uint64_t{1};
            if (run < kBlock) borders &= (std::uint64_t{1} << run) - 1;
            for (; borders != 0; borders &= borders - 1) {
                if (count == room) return count;
                found[count++] = at = from + static_cast<std::size_t>(std::countr_zero(borders));
            }
            const std::size_t stop = from + run;
            if (stop + 1 < end_) {
                if (stop > at && count < room && ends_word(stop)) found[count++] = stop;
                return count;
            }
            // The last byte of a block does not tell whether a letter follows it.
            if (at == begin_) return count;
            look(at);
        }
        return count;
    }

  private:
    static constexpr std::size_t kBlock = 64;

    bool ends_word(std::size_t at) const {
        if (at == text_.size()) return true;
        return static_cast<unsigned char>(text_[at]) < 0x80 && !(is_o200k_ && text_[at] == '\'');
    }

    /// Looks at the block that begins here; what is beyond the text is no letter.
    void look(std::size_t at) {
        begin_ = at, end_ = at + kBlock;
        if (end_ <= text_.size()) {
            mark(text_.data() + at);
            return;
        }
        char block[kBlock] = {};
        std::memcpy(block, text_.data() + at, text_.size() - at);
        mark(block);
    }

    void mark(const char* block) {
        std::uint64_t blanks = 0, signs = 0, capitals = 0;
        letters_ = 0;
#ifdef __SSE2__
        const auto all = [](int byte) { return _mm_set1_epi8(static_cast<char>(byte)); };
        // Whether bytes lie in [first, first + count): SSE2 compares signed ones alone.
        const auto within = [&](__m128i bytes, int first, int count) {
            const __m128i least = _mm_sub_epi8(bytes, all(first + 128));
            const int marks = _mm_movemask_epi8(_mm_cmplt_epi8(least, all(count - 128)));
            return std::uint64_t{static_cast<std::uint32_t>(marks)};
        };
        for (int i = 0; i < 4; ++i) {
            const auto* part = reinterpret_cast<const __m128i*>(block + 16 * i);
            const __m128i bytes = _mm_loadu_si128(part);
            letters_ |= within(_mm_or_si128(bytes, all(0x20)), 'a', 26) << (16 * i);
            blanks |= within(bytes, ' ', 1) << (16 * i);
            signs |= (within(bytes, '!', 94) & ~within(bytes, '0', 10)) << (16 * i);
            if (is_o200k_) capitals |= within(bytes, 'A', 26) << (16 * i);
        }
#else
        for (std::size_t i = 0; i < kBlock; ++i) {
            const auto byte = static_cast<unsigned char>(block[i]);
            const auto within = [&](unsigned from, unsigned first, unsigned count) {
                return std::uint64_t{from - first < count} << i;
            };
            letters_ |= within(byte | 0x20U, 'a', 26);
            blanks |= within(byte, ' ', 1);
            signs |= within(byte, '!', 94) & ~within(byte, '0', 10);
            if (is_o200k_) capitals |= within(byte, 'A', 26);
        }
#endif
        starts_ = blanks & letters_ >> 1;
        // Behind a letter and before a blank a sign stands alone.
        starts_ |= signs & ~letters_ & letters_ << 1 & starts_ >> 1;
        starts_ |= capitals & (letters_ & ~capitals) << 1;
    }

    std::string_view text_;
    bool is_o200k_;
    std::size_t begin_ = 0, end_ = 0;           // of the block that was looked at
    std::uint64_t letters_ = 0, starts_ = 0;  // of its bytes; starts are behind the first word's
};

}  // namespace corpuskit
