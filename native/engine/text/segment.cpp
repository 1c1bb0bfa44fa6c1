#include "engine/text/segment.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <iterator>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "engine/text/ascii.hpp"
#include "engine/text/utf8.hpp"

namespace corpuskit {

namespace {

struct KindSpan {
    std::uint32_t first, last;
    CodePoint kind;
};
/// Code points first, first + step, ..., `count` of them, fold to themselves + delta.
struct FoldRun {
    std::uint32_t first;
    std::int32_t delta;
    std::uint32_t count, step;
};
struct Folded {
    std::uint32_t point;
    std::array<char32_t, 3> to;  // zeros behind the last
};

#include "engine/text/word_tables.inc"

// Beyond this, letters are Han and there is no case (but for marks that choose a form, U+E0100 on).
constexpr std::size_t kTable = 0x20000;
constexpr std::int32_t kFoldsToSeveral = INT32_MIN;

struct Tables {
    std::vector<CodePoint> kinds = std::vector<CodePoint>(kTable, CodePoint::kNone);
    std::vector<std::int32_t> folds = std::vector<std::int32_t>(kTable, 0);
    char plain[256] = {};  // what bytes fold to that are a letter or a digit by themselves

    Tables() {
        for (const KindSpan& span : kKinds)
            for (std::size_t c = span.first; c <= span.last && c < kTable; ++c)
                kinds[c] = span.kind;
        for (const FoldRun& run : kFolds)
            for (std::size_t i = 0; i < run.count; ++i) folds[run.first + i * run.step] = run.delta;
        for (const Folded& folded : kSeveral) folds[folded.point] = kFoldsToSeveral;
        for (std::size_t c = 0; c < 0x80; ++c) {
            const bool capital = c >= 'A' && c <= 'Z', digit = c >= '0' && c <= '9';
            if (digit) kinds[c] = CodePoint::kDigit;
            if (capital || (c >= 'a' && c <= 'z')) kinds[c] = CodePoint::kLetter;
            if (capital) folds[c] = 'a' - 'A';
            if (digit || capital || (c >= 'a' && c <= 'z'))
                plain[c] = lower(static_cast<char>(c));
        }
    }
};
const Tables& tables() {
    static const Tables made;
    return made;
}

CodePoint far_kind(char32_t c) {
    const auto* found = std::upper_bound(
        std::begin(kKinds), std::end(kKinds), c,
        [](char32_t value, const KindSpan& span) { return value < span.first; });
    const bool within = found != std::begin(kKinds) && c <= std::prev(found)->last;
    return within ? std::prev(found)->kind : CodePoint::kNone;
}

bool within_letters(char32_t c) {  // an apostrophe and its kin
    return c == '\'' || c == 0x2019 || c == 0xB7 || c == 0x2027 || c == 0x5F3 || c == 0x5F4;
}
bool within_digits(char32_t c) {
    return c == '.' || c == ',' || c == ':' || c == 0x66B || c == 0x66C;
}

constexpr std::size_t kAtOnce = 16;

/// Writes what the letters and digits of ASCII fold to that stand at a place, up to the first other
/// byte; returns how many there are.
std::size_t fold_plain(const char* at, std::size_t most, char* out) {
    const char* const plain = tables().plain;
    for (std::size_t i = 0; i < most; ++i) {
        const char folded = plain[static_cast<unsigned char>(at[i])];
        if (folded == 0) return i;
        out[i] = folded;
    }
    return most;
}
/// The same of 16 bytes; as many are written in any case.
inline std::size_t fold_plain(const char* at, char* out) {
#ifdef __SSE2__
    const auto all = [](int byte) { return _mm_set1_epi8(static_cast<char>(byte)); };
    // Whether bytes lie in [first, first + count): SSE2 compares signed ones alone.
    const auto within = [&](__m128i bytes, int first, int count) {
        return _mm_cmplt_epi8(_mm_sub_epi8(bytes, all(first + 128)), all(count - 128));
    };
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i letters = within(_mm_or_si128(bytes, all(0x20)), 'a', 26);
    const __m128i plain = _mm_or_si128(letters, within(bytes, '0', 10));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out),
                     _mm_or_si128(bytes, _mm_and_si128(letters, all(0x20))));
    const auto mask = static_cast<std::uint32_t>(_mm_movemask_epi8(plain));
    return static_cast<std::size_t>(std::countr_one(mask));
#else
    return fold_plain(at, kAtOnce, out);
#endif
}
bool begins_word(CodePoint kind) { return kind == CodePoint::kLetter || kind == CodePoint::kDigit; }

/// Reads one text into `Words`.
class Segmenter {
  public:
    Segmenter(std::string_view text, Words& words) : text_(text), words_(words) {
        room(text.size() + text.size() / 2 + 16);
    }

    void run() {
        while (at_ < text_.size()) {
            if (is_border(text_[at_])) {
                ++at_;
                continue;
            }
            const std::size_t begin = at_, folded = written();
            // Most words are letters and digits of ASCII alone: they need no tables.
            if (take_plain()) {
                if (!ends_here()) rest(last_plain());
            } else {
                const char32_t c = next();
                const CodePoint kind = kind_of(c);
                if (!begins_word(kind) && kind != CodePoint::kApart) continue;
                fold(c);
                kind == CodePoint::kApart ? marks() : rest(kind);
            }
            words_.begin.push_back(begin);
            words_.end.push_back(at_);
            words_.at.push_back(folded);
            room(1);
            *out_++ = ' ';
        }
        words_.at.push_back(written());
        words_.folded.resize(written());
    }

  private:
    char32_t next() { return next_code_point(text_, at_); }
    CodePoint kind_of(char32_t c) const { return c < kTable ? kinds_[c] : far_kind(c); }
    CodePoint kind_at(std::size_t at) const {
        return at < text_.size() ? kind_of(next_code_point(text_, at)) : CodePoint::kNone;
    }

    std::size_t written() const { return static_cast<std::size_t>(out_ - words_.folded.data()); }
    /// Makes place for so many more bytes.
    void room(std::size_t bytes) {
        if (static_cast<std::size_t>(out_end_ - out_) < bytes) grow(bytes);
    }
    [[gnu::noinline]] void grow(std::size_t bytes) {
        const std::size_t before = out_ == nullptr ? 0 : written();
        words_.folded.resize(std::max(2 * before, before + bytes));
        out_ = words_.folded.data() + before;
        out_end_ = words_.folded.data() + words_.folded.size();
    }
    void put(char32_t c) {
        room(4);
        out_ = put_code_point(out_, c);
    }

    /// Takes the letters and digits of ASCII that stand here; returns whether there were some.
    bool take_plain() {
        const char *const begin = text_.data() + at_, *const end = text_.data() + text_.size();
        const char* at = begin;
        for (;;) {
            room(kAtOnce);
            const auto left = static_cast<std::size_t>(end - at);
            const std::size_t taken = left >= kAtOnce ? fold_plain(at, out_)
                                                      : fold_plain(at, left, out_);
            at += taken, out_ += taken;
            if (taken < kAtOnce) break;
        }
        at_ += static_cast<std::size_t>(at - begin);
        return at != begin;
    }
    CodePoint last_plain() const {
        return is_digit(text_[at_ - 1]) ? CodePoint::kDigit : CodePoint::kLetter;
    }
    /// Whether the letters and digits of ASCII before this place end a word for certain.
    bool ends_here() const {
        if (at_ == text_.size()) return true;
        const char c = text_[at_], behind = at_ + 1 < text_.size() ? text_[at_ + 1] : ' ';
        if (static_cast<unsigned char>(c) >= 0x80) return false;
        if (c == '\'') return is_border(behind);
        if (c != '.' && c != ',' && c != ':') return true;
        return !is_digit(text_[at_ - 1]) || is_border(behind) || is_alpha(behind);
    }
    /// Whether a byte is one of ASCII that is no letter nor digit.
    static bool is_border(char c) { return !is_word(c); }

    void marks() {
        while (at_ < text_.size()) {
            const std::size_t before = at_;
            const char32_t c = next();
            const CodePoint kind = kind_of(c);
            if (kind == CodePoint::kMark) {
                fold(c);
            } else if (kind != CodePoint::kJoiner) {
                at_ = before;
                return;
            }
        }
    }

    void rest(CodePoint last) {
        while (at_ < text_.size()) {
            if (take_plain()) {
                last = last_plain();
                if (ends_here()) return;
            }
            const std::size_t before = at_;
            const char32_t c = next();
            const CodePoint kind = kind_of(c);
            const bool seen = begins_word(kind) || kind == CodePoint::kMark;
            const bool joins = within_letters(c) && begins_word(kind_at(at_));
            const bool point = within_digits(c) && last == CodePoint::kDigit &&
                               kind_at(at_) == CodePoint::kDigit;
            if (seen || joins || point) {
                fold(c == 0x2019 ? U'\'' : c);
            } else if (kind != CodePoint::kJoiner) {
                at_ = before;
                return;
            }
            last = kind;
        }
    }

    void fold(char32_t c) {
        const std::int32_t delta = c < kTable ? folds_[c] : 0;
        if (delta == kFoldsToSeveral) return fold_to_several(c);
        put(static_cast<char32_t>(static_cast<std::int64_t>(c) + delta));
    }
    void fold_to_several(char32_t c) {
        const auto* found = std::lower_bound(
            std::begin(kSeveral), std::end(kSeveral), c,
            [](const Folded& folded, char32_t value) { return folded.point < value; });
        for (const char32_t each : found->to)
            if (each != 0) put(each);
    }

    std::string_view text_;
    Words& words_;
    const CodePoint* kinds_ = tables().kinds.data();
    const std::int32_t* folds_ = tables().folds.data();
    std::size_t at_ = 0;
    char *out_ = nullptr, *out_end_ = nullptr;  // what is left of words_.folded
};

}  // namespace

CodePoint code_point_kind(char32_t c) {
    return c < kTable ? tables().kinds[c] : far_kind(c);
}

void Words::clear() { begin.clear(), end.clear(), folded.clear(), at.clear(); }

void find_words(std::string_view text, Words& words) {
    words.clear();
    Segmenter(text, words).run();
}

}  // namespace corpuskit
