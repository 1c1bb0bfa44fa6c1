#include "engine/normalize/whitespace.hpp"

#include <cstring>

#include "engine/text/utf8.hpp"

namespace corpuskit {

namespace {

enum class Blank : std::uint8_t { kNone, kLineEnd, kSpace, kInvisible, kZeroWidth };

/// What becomes of a code point beyond ASCII.
Blank blank_of(char32_t c) {
    switch (c) {
        case 0x85: case 0x2028: case 0x2029: return Blank::kLineEnd;
        case 0xA0: case 0x1680: case 0x202F: case 0x205F: case 0x3000: return Blank::kSpace;
        case 0xAD: case 0x2060: case 0xFEFF: return Blank::kInvisible;
        case 0x200B: return Blank::kZeroWidth;
        default: return c >= 0x2000 && c <= 0x200A ? Blank::kSpace : Blank::kNone;
    }
}

/// What is left out of a text, U+200B among it where it parts no words.
bool goes(char32_t c) {
    const Blank blank = blank_of(c);
    return blank == Blank::kInvisible || blank == Blank::kZeroWidth;
}

bool is_white_space(char32_t c) {
    const Blank blank = blank_of(c);
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1C && c <= 0x1F) ||
           blank == Blank::kLineEnd || blank == Blank::kSpace;
}

/// The first byte from p on that is beyond ASCII or an ASCII line end.
const char* find_odd(const char* p, const char* end) {
    constexpr std::uint64_t kOnes = 0x0101010101010101, kHigh = 0x8080808080808080;
    const auto odd = [](unsigned char c) { return c >= 0x80 || (c >= '\n' && c <= '\r'); };
    for (; end - p >= 8; p += 8) {
        std::uint64_t w;
        std::memcpy(&w, p, 8);
        // Where no byte is beyond ASCII: at least 10, and not at least 14.
        const std::uint64_t line_end = (w + kOnes * 0x76) & ~(w + kOnes * 0x72);
        if (((w | line_end) & kHigh) == 0) continue;
        for (int i = 0; i < 8; ++i)
            if (odd(static_cast<unsigned char>(p[i]))) return p + i;
    }
    while (p < end && !odd(static_cast<unsigned char>(*p))) ++p;
    return p;
}

bool is_blank(char c) { return c == ' ' || c == '\t'; }

/// Reads one text; writes it only from where it is no longer as it was.
class Tidy {
  public:
    Tidy(std::string_view text, std::string& out)
        : begin_(text.data()), end_(begin_ + text.size()), out_(out) {}

    TidyStatus run() {
        // At the ends first: a text that only those would change is not written twice.
        first_ = begin_;
        while (first_ < end_ && (is_blank(*first_) || *first_ == '\n')) ++first_;
        last_ = end_;
        while (last_ > first_ && (is_blank(last_[-1]) || last_[-1] == '\n')) --last_;
        const char* p = first_;
        while (p < last_ && status_ == TidyStatus::kGood) {
            if (static_cast<unsigned char>(*p) < 0x80) p = find_odd(p, last_);
            if (p == last_) break;
            p = static_cast<unsigned char>(*p) < 0x80 ? read_line_end(p) : read_wide(p);
        }
        finish();
        return status_;
    }

    /// Whether the text was written to `out`: else it stays as it is, but for its ends.
    bool is_written() const { return writing_; }
    std::string_view kept() const {
        return {first_, static_cast<std::size_t>(last_ - first_)};
    }

  private:
    const char* read_line_end(const char* p) {
        if (*p == '\r' && p + 1 < last_ && p[1] == '\n') {
            put_line_end(p, 2);
            return p + 2;
        }
        put_line_end(p, 1);
        return p + 1;
    }

    const char* read_wide(const char* p) {
        const char* const at = p;
        char32_t c;
        if (!read_code_point(p, end_, c)) {
            status_ = TidyStatus::kNotUtf8;
            return at;
        }
        if (c >= 0xD800 && c <= 0xDFFF) half_ = true;
        switch (c < 0x3001 || c == 0xFEFF ? blank_of(c) : Blank::kNone) {
            case Blank::kNone: break;
            case Blank::kLineEnd: put_line_end(at, p - at); break;
            case Blank::kSpace: put(at, p - at, ' '); break;
            case Blank::kInvisible: put(at, p - at, '\0'); break;
            case Blank::kZeroWidth:
                if (!parts_words(at, p)) put(at, p - at, '\0');
        }
        return p;
    }

    /// Whether a U+200B at this place stays: the first of a run between two characters that are no
    /// white space, one of them of a script whose words it parts. What goes itself is passed over.
    bool parts_words(const char* at, const char* behind) const {
        const char32_t left = visible_before(at);
        if (left == 0 || is_white_space(left)) return false;
        char32_t right = 0;
        while (behind < end_ && read_code_point(behind, end_, right) && goes(right)) right = 0;
        if (right == 0 || is_white_space(right)) return false;
        return parts_words_by_zero_width(left) || parts_words_by_zero_width(right);
    }

    /// The character before a place that does not go; 0 where there is none, or another U+200B.
    char32_t visible_before(const char* at) const {
        while (at > begin_) {
            const char* before = at - 1;
            while (before > begin_ && (*before & 0xC0) == 0x80) --before;
            const char* next = before;
            char32_t c;
            if (!read_code_point(next, at, c) || c == 0x200B) return 0;
            if (!goes(c)) return c;
            at = before;
        }
        return 0;
    }

    /// From here on the text is written anew.
    void write_from(const char* at) {
        if (!writing_) writing_ = true, start_ = out_.size(), copied_ = first_;
        out_.append(copied_, static_cast<std::size_t>(at - copied_));
    }

    /// Bytes at `at` become one character, or none.
    void put(const char* at, std::ptrdiff_t size, char by) {
        write_from(at);
        copied_ = at + size;
        if (by != '\0') out_.push_back(by);
    }

    void put_line_end(const char* at, std::ptrdiff_t size) {
        if (!writing_) {
            // As it stands: a LF behind no blank, and no third one.
            const bool as_is = *at == '\n' && size == 1 && !is_blank(at[-1]) &&
                               !(at - first_ >= 2 && at[-1] == '\n' && at[-2] == '\n');
            if (as_is) return;
        }
        write_from(at);
        copied_ = at + size;
        while (out_.size() > start_ && is_blank(out_.back())) out_.pop_back();
        const std::size_t written = out_.size() - start_;
        // None at the start, and no third one.
        const bool more = written >= 2 && out_[out_.size() - 1] == '\n' &&
                          out_[out_.size() - 2] == '\n';
        if (!more) out_.push_back('\n');
    }

    void finish() {
        if (status_ == TidyStatus::kGood && half_) status_ = TidyStatus::kHalfPair;
        if (!writing_) return;
        if (status_ != TidyStatus::kGood) {
            out_.resize(start_), writing_ = false;
            return;
        }
        out_.append(copied_, static_cast<std::size_t>(last_ - copied_));
        const auto strip = [](char c) { return is_blank(c) || c == '\n'; };
        while (out_.size() > start_ && strip(out_.back())) out_.pop_back();
        std::size_t lead = start_;
        while (lead < out_.size() && strip(out_[lead])) ++lead;
        out_.erase(start_, lead - start_);
    }

    const char *begin_, *end_, *first_ = nullptr, *last_ = nullptr, *copied_ = nullptr;
    std::string& out_;
    std::size_t start_ = 0;
    bool writing_ = false, half_ = false;
    TidyStatus status_ = TidyStatus::kGood;
};

}  // namespace

TidyBatch tidy_whitespace(const Column& texts) {
    check_column(texts);
    TidyBatch batch;
    batch.status.reserve(texts.size);
    Strings& out = batch.texts;
    const std::int64_t base = texts.offsets[0];
    for (std::size_t i = 0; i < texts.size; ++i) {
        const std::string_view text = texts[i];
        // Up to the first text that changes nothing is copied: what comes before is, then.
        const auto so_far = static_cast<std::size_t>(texts.offsets[i] - base);
        if (batch.changed) out.bytes.reserve(out.bytes.size() + text.size());
        std::string written;
        Tidy tidy(text, batch.changed ? out.bytes : written);
        const TidyStatus status = tidy.run();
        batch.status.push_back(status);
        const bool good = status == TidyStatus::kGood;
        const bool same = !good || (!tidy.is_written() && tidy.kept().size() == text.size());
        if (!batch.changed) {
            if (same) continue;
            batch.changed = true;
            out.bytes.reserve(static_cast<std::size_t>(texts.offsets[texts.size] - base));
            out.bytes.assign(texts.data + base, so_far);
            for (std::size_t j = 1; j <= i; ++j) out.offsets.push_back(texts.offsets[j] - base);
            out.bytes.append(written);
        }
        if (same) out.bytes.append(text);
        else if (!tidy.is_written()) out.bytes.append(tidy.kept());
        out.end_string();
    }
    if (!batch.changed) out = Strings();
    return batch;
}

}  // namespace corpuskit
