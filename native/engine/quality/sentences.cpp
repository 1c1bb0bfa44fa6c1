#include "engine/quality/sentences.hpp"

#include <bit>
#include <cstdint>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "engine/quality/characters.hpp"

namespace corpuskit::quality {

namespace {

class Sentences {
  public:
    explicit Sentences(std::string_view text) : text_(text) {}

    std::size_t count() {
        std::size_t count = 0;
        bool worded = false;
        while (at_ < text_.size()) {
            const std::size_t mark = find_mark(at_);
            worded = worded || has_word_character(mark);
            at_ = mark;
            if (at_ == text_.size()) break;
            const std::uint32_t flags = read();
            if ((flags & kEndMark) == 0) {
                worded |= (flags & (kLetter | kDigit)) != 0;
                continue;
            }
            if (!ends(flags)) continue;
            count += worded;
            worded = false;
        }
        return count + worded;
    }

  private:
    /// The next byte from a place on at which an end mark may stand, or the end.
    std::size_t find_mark(std::size_t at) const {
#ifdef __SSE2__
        for (; at + 16 <= text_.size(); at += 16) {
            const __m128i bytes =
                _mm_loadu_si128(reinterpret_cast<const __m128i*>(text_.data() + at));
            const auto is = [&](char c) { return _mm_cmpeq_epi8(bytes, _mm_set1_epi8(c)); };
            const __m128i marks = _mm_or_si128(_mm_or_si128(is('.'), is('!')), is('?'));
            // With those beyond ASCII, whose first bit is set.
            auto bits = static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_or_si128(marks, bytes)));
            for (; bits != 0; bits &= bits - 1) {
                const std::size_t found = at + static_cast<std::size_t>(std::countr_zero(bits));
                if (may_be_mark(found)) return found;
            }
        }
#endif
        while (at < text_.size() && !may_be_mark(at)) ++at;
        return at;
    }

    bool may_be_mark(std::size_t at) const {
        const char c = text_[at];
        if (static_cast<unsigned char>(c) < 0x80) return c == '.' || c == '!' || c == '?';
        return at + 1 < text_.size() &&
               known_.may_be_end_mark(static_cast<unsigned char>(c),
                                      static_cast<unsigned char>(text_[at + 1]));
    }

    /// Whether a letter or digit stands between here and a place.
    bool has_word_character(std::size_t end) const {
        for (std::size_t at = at_; at < end;)
            if ((known_.flags(next_code_point(text_, at)) & (kLetter | kDigit)) != 0) return true;
        return false;
    }

    std::uint32_t read() { return known_.flags(next_code_point(text_, at_)); }

    /// Reads on while characters are of a class; flags of the first other one, 0 at the end.
    std::uint32_t skip(std::uint32_t flag) {
        while (at_ < text_.size()) {
            const std::size_t before = at_;
            const std::uint32_t flags = read();
            if ((flags & flag) != 0) continue;
            at_ = before;
            return flags;
        }
        return 0;
    }

    /// Whether an end mark that was read ends the sentence. Reads the others behind it, the marks
    /// that close and the white space.
    bool ends(std::uint32_t flags) {
        bool stops_alone = (flags & kFullStop) != 0;
        while (at_ < text_.size()) {
            const std::size_t before = at_;
            flags = read();
            if ((flags & kEndMark) == 0) {
                at_ = before;
                break;
            }
            stops_alone = stops_alone && (flags & kFullStop) != 0;
        }
        skip(kCloses);
        const std::size_t spaced = at_;
        const std::uint32_t next = skip(kWhiteSpace);
        if (at_ == text_.size()) return true;
        if ((next & (kContinues | kEndMark)) != 0) return false;
        return !stops_alone || (at_ != spaced && !small_letter_follows());
    }

    bool small_letter_follows() const {
        for (std::size_t at = at_; at < text_.size();) {
            const std::uint32_t flags = known_.flags(next_code_point(text_, at));
            if ((flags & kLetter) != 0) return (flags & kLower) != 0;
            if ((flags & kEndMark) != 0) return false;
        }
        return false;
    }

    std::string_view text_;
    const Characters& known_ = characters();
    std::size_t at_ = 0;
};

}  // namespace

std::size_t count_sentences(std::string_view paragraph) { return Sentences(paragraph).count(); }

}  // namespace corpuskit::quality
