#include "engine/text/segment.hpp"

#include <algorithm>
#include <array>
#include <iterator>

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
bool is_alphanumeric(char c) { return is_alpha(c) || is_digit(c); }
bool begins_word(CodePoint kind) { return kind == CodePoint::kLetter || kind == CodePoint::kDigit; }

/// Reads one text into `Words`.
class Segmenter {
  public:
    Segmenter(std::string_view text, Words& words) : text_(text), words_(words) {}

    void run() {
        while (at_ < text_.size()) {
            const std::size_t begin = at_;
            const char32_t c = next();
            const CodePoint kind = kind_of(c);
            if (!begins_word(kind) && kind != CodePoint::kApart) continue;
            words_.begin.push_back(begin);
            words_.at.push_back(words_.folded.size());
            fold(c);
            kind == CodePoint::kApart ? marks() : rest(kind);
            words_.end.push_back(at_);
            words_.folded.push_back(' ');
        }
        words_.at.push_back(words_.folded.size());
    }

  private:
    char32_t next() { return next_code_point(text_, at_); }
    CodePoint kind_of(char32_t c) const { return c < kTable ? kinds_[c] : far_kind(c); }
    CodePoint kind_at(std::size_t at) const {
        return at < text_.size() ? kind_of(next_code_point(text_, at)) : CodePoint::kNone;
    }

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

    /// ASCII letters and digits from here on; whether the last one was a digit, if there were any.
    void plain(CodePoint& last) {
        const std::size_t begin = at_;
        while (at_ < text_.size() && is_alphanumeric(text_[at_])) ++at_;
        if (at_ == begin) return;
        const std::size_t size = words_.folded.size();
        words_.folded.append(text_, begin, at_ - begin);
        for (std::size_t i = size; i < words_.folded.size(); ++i)
            words_.folded[i] = lower(words_.folded[i]);
        last = is_digit(text_[at_ - 1]) ? CodePoint::kDigit : CodePoint::kLetter;
    }

    void rest(CodePoint last) {
        while (plain(last), at_ < text_.size()) {
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
        if (c < 0x80) return words_.folded.push_back(lower(static_cast<char>(c)));
        const std::int32_t delta = c < kTable ? folds_[c] : 0;
        if (delta == kFoldsToSeveral) return fold_to_several(c);
        put_code_point(words_.folded,
                       static_cast<char32_t>(static_cast<std::int64_t>(c) + delta));
    }
    void fold_to_several(char32_t c) {
        const auto* found = std::lower_bound(
            std::begin(kSeveral), std::end(kSeveral), c,
            [](const Folded& folded, char32_t value) { return folded.point < value; });
        for (const char32_t each : found->to)
            if (each != 0) put_code_point(words_.folded, each);
    }

    std::string_view text_;
    Words& words_;
    const CodePoint* kinds_ = tables().kinds.data();
    const std::int32_t* folds_ = tables().folds.data();
    std::size_t at_ = 0;
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
