#include "engine/quality/sentences.hpp"

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
