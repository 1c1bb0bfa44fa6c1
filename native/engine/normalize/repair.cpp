#include "engine/normalize/repair.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "engine/text/utf8.hpp"

namespace corpuskit {

namespace {

/// What is known of a code point.
struct Kind {
    std::uint64_t places[2];  // of ftfy's measure, a bit for each, that take it
    std::uint8_t flags, combining, last_combining;
};
struct Run {
    char32_t first;
    std::uint16_t kind;  // up to the next run
};
struct Pair {
    char32_t first, second;  // that NFC writes as one
};

#include "engine/normalize/repair_tables.inc"

// Flags, as native/tables/repairs.py writes them.
constexpr unsigned kAlways = 1, kControl = 2, kLigature = 4, kWidth = 8, kQuote = 16;
constexpr unsigned kNotComposed = 32, kSecond = 64, kUnknown = 128;

/// ftfy takes longer lines apart.
constexpr std::size_t kMostCharacters = 1'000'000;
/// More than any of the measure's alternatives looks at: what lies further apart has no bearing.
constexpr std::ptrdiff_t kReach = 8;

struct Tables {
    std::vector<std::uint16_t> kinds = std::vector<std::uint16_t>(0x110000);
    Tables() {
        for (std::size_t i = 0; i < std::size(kRuns); ++i) {
            const char32_t end = i + 1 < std::size(kRuns) ? kRuns[i + 1].first : 0x110000;
            std::fill(kinds.begin() + kRuns[i].first, kinds.begin() + end, kRuns[i].kind);
        }
    }
    const Kind& of(char32_t c) const { return kKinds[kinds[c]]; }
};

const Tables& tables() {
    static const Tables made;
    return made;
}

bool composes(char32_t a, char32_t b) {
    if (a >= 0x1100 && a <= 0x1112) return b >= 0x1161 && b <= 0x1175;
    if (a >= 0xAC00 && a <= 0xD7A3) return (a - 0xAC00) % 28 == 0 && b >= 0x11A8 && b <= 0x11C2;
    const auto before = [](const Pair& x, const Pair& y) {
        return x.first != y.first ? x.first < y.first : x.second < y.second;
    };
    return std::binary_search(std::begin(kPairs), std::end(kPairs), Pair{a, b}, before);
}

bool is_plain(unsigned char c) {
    return c == '\t' || c == '\n' || c == '\f' || (c >= ' ' && c < 0x7F && c != '&');
}

/// The first byte that is not printable ASCII without "&", tab, LF or FF.
const char* find_touched(const char* p, const char* end) {
    constexpr std::uint64_t kOnes = 0x0101010101010101, kHigh = 0x8080808080808080;
    for (; end - p >= 8; p += 8) {
        std::uint64_t w;
        std::memcpy(&w, p, 8);
        const std::uint64_t amp = w ^ (kOnes * '&'), del = w ^ (kOnes * 0x7F);
        // Each bit stands for a byte that is one of these, or follows one.
        const std::uint64_t odd =
            w | ((amp - kOnes) & ~amp) | ((del - kOnes) & ~del) | ((w - kOnes * ' ') & ~w);
        if ((odd & kHigh) == 0) continue;
        for (int i = 0; i < 8; ++i)
            if (!is_plain(static_cast<unsigned char>(p[i]))) return p + i;
    }
    while (p < end && is_plain(static_cast<unsigned char>(*p))) ++p;
    return p;
}

/// Whether an entity with a semicolon stands at "&", as ftfy looks for them.
bool is_entity(const char* p, const char* end) {
    if (++p < end && *p == '#') ++p;
    const char* const first = p;
    const auto alphanumeric = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    };
    while (p < end && p - first < 25 && alphanumeric(*p)) ++p;
    return p < end && *p == ';' && p > first && p - first <= 24;
}

/// Follows ftfy's measure of what looks wrongly decoded.
struct Measure {
    std::uint64_t at[2] = {0, 0};
    std::uint64_t start[2] = {kEnds[2], kEnds[3]};

    /// Whether an alternative ends here.
    bool step(const Kind& kind) {
        for (int i = 0; i < 2; ++i) at[i] = (at[i] << 1 | kEnds[i] | start[i]) & kind.places[i];
        start[0] = start[1] = 0;
        return ((at[0] & kEnds[4]) | (at[1] & kEnds[5])) != 0;
    }
};

/// Looks whether a text is in the composed form; what it doubts it denies.
struct Composed {
    char32_t starter = 0;
    const Kind* starter_kind = &tables().of(0);
    std::uint8_t last = 0;

    bool step(char32_t c, const Kind& kind) {
        bool good = true;
        if (kind.combining != 0 || (kind.flags & (kNotComposed | kSecond)) != 0) {
            good = (kind.flags & kNotComposed) == 0;
            if (kind.combining != 0 && kind.combining < last) good = false;
            // A mark goes before marks that the starter was composed of, if its class is less.
            if ((kind.flags & kSecond) != 0 &&
                (composes(starter, c) ||
                 (kind.combining != 0 && kind.combining < starter_kind->last_combining)))
                good = false;
        }
        if (kind.combining == 0) starter = c, starter_kind = &kind;
        last = kind.combining;
        return good;
    }
};

enum class Verdict : std::uint8_t { kAlone, kRepair, kNotUtf8 };

/// Looks at one line, or a part of one that is as long as ftfy takes.
class Look {
  public:
    Look(const RepairOptions& options, const char* begin, const char* end)
        : options_(options), p_(begin), end_(end) {
        ends_crlf_ = end - begin >= 2 && end[-1] == '\n' && end[-2] == '\r';
        body_ = ends_crlf_ ? end - 2 : end;
        mask_ = kAlways | kUnknown | (options.control ? kControl : 0) |
                (options.ligatures ? kLigature : 0) | (options.width ? kWidth : 0) |
                (options.quotes ? kQuote : 0);
    }

    Verdict run() {
        while (p_ < body_) {
            if (static_cast<unsigned char>(*p_) < 0x80) {
                read_ascii();
            } else {
                char32_t c;
                if (!read_code_point(p_, body_, c)) return Verdict::kNotUtf8;
                wide_ = true;
                step(c, tables().of(c));
            }
        }
        if (ends_crlf_ && options_.encoding) {
            // Both as it stands and as it is once its end is mended.
            Measure mended = measure_;
            const Kind &cr = tables().of('\r'), &lf = tables().of('\n');
            repair_ |= mended.step(lf);
            repair_ |= measure_.step(cr);
            repair_ |= measure_.step(lf);
        }
        if (wide_ && options_.form == RepairForm::kOther) repair_ = true;
        return repair_ ? Verdict::kRepair : Verdict::kAlone;
    }

    bool ends_crlf() const { return ends_crlf_; }
    bool has_entity() const { return entity_; }

  private:
    /// Plain characters from here on, or one that is none. In the middle of many plain ones there
    /// is nothing to find, since each of the measure's alternatives asks for one beyond ASCII.
    void read_ascii() {
        const char* const end = find_touched(p_, body_);
        if (end == p_) {
            if (*p_ == '&' && !entity_) entity_ = is_entity(p_, end_);
            return step_ascii();
        }
        if (end - p_ > 3 * kReach) {
            for (int i = 0; i < kReach; ++i) step_ascii();
            p_ = end - kReach;
            measure_ = Measure{{0, 0}, {0, 0}};
        }
        while (p_ < end) step_ascii();
    }

    void step_ascii() {
        const auto c = static_cast<unsigned char>(*p_++);
        step(c, tables().of(c));
    }

    void step(char32_t c, const Kind& kind) {
        repair_ |= (kind.flags & mask_) != 0;
        if (options_.encoding) repair_ |= measure_.step(kind);
        if (options_.form == RepairForm::kNfc) repair_ |= !composed_.step(c, kind);
    }

    const RepairOptions& options_;
    const char *p_, *end_, *body_;
    unsigned mask_;
    bool ends_crlf_, wide_ = false, entity_ = false, repair_ = false;
    Measure measure_;
    Composed composed_;
};

/// Looks at one text after the other.
class Finder {
  public:
    Finder(const RepairOptions& options, const char* data) : options_(options), data_(data) {}

    /// Returns whether it is UTF-8; of a text that is not, nothing is kept.
    bool read(std::int64_t row, std::string_view text, RepairEntities entities) {
        row_ = row, text_ = text, entities_ = entities;
        looked_ = text.data(), tag_ = false;
        const std::size_t spans = this->spans.size(), cuts = this->cuts.size();
        const char *const end = text.data() + text.size(), *line = text.data();
        for (const char* touched = find_touched(line, end); touched < end;
             touched = find_touched(line, end)) {
            while (touched > line && touched[-1] != '\n') --touched;
            const void* found = std::memchr(touched, '\n', static_cast<std::size_t>(end - touched));
            line = found ? static_cast<const char*>(found) + 1 : end;
            if (!read_line(touched, line)) {
                this->spans.resize(spans), this->cuts.resize(cuts);
                return false;
            }
        }
        return true;
    }

    std::vector<RepairSpan> spans;
    std::vector<std::int64_t> cuts;  // bytes that are left out: CR before LF

  private:
    /// A line is taken in parts of as many characters as ftfy takes at once.
    bool read_line(const char* p, const char* end) {
        while (p < end) {
            const char* part = end;
            if (static_cast<std::size_t>(end - p) > kMostCharacters) {
                part = p;
                for (std::size_t n = 0; n < kMostCharacters && part < end; ++n)
                    for (++part; part < end && (*part & 0xC0) == 0x80;) ++part;
            }
            if (!read_part(p, part)) return false;
            p = part;
        }
        return true;
    }

    bool read_part(const char* p, const char* end) {
        Look look(options_, p, end);
        const Verdict verdict = look.run();
        if (verdict == Verdict::kNotUtf8) return false;
        const bool on = entities_ != RepairEntities::kOff;
        const bool repair =
            verdict == Verdict::kRepair || (look.has_entity() && on && !off_before(end));
        if (!repair) {
            if (look.ends_crlf()) cuts.push_back(end - 2 - data_);
            return true;
        }
        const auto begin = p - data_ - static_cast<std::int64_t>(cuts.size());
        const std::int64_t size = end - p;
        if (!spans.empty() && spans.back().row == row_ && spans.back().end == begin) {
            spans.back().end += size;
        } else {
            spans.push_back({row_, begin, begin + size, on && !off_before(p)});
        }
        return true;
    }

    /// Whether a "<" before this place turned entities off.
    bool off_before(const char* place) {
        if (entities_ != RepairEntities::kUntilTag) return false;
        if (!tag_ && place > looked_) {
            const auto size = static_cast<std::size_t>(place - looked_);
            const void* found = std::memchr(looked_, '<', size);
            tag_ = found != nullptr;
            looked_ = tag_ ? static_cast<const char*>(found) : place;
        }
        return tag_ && looked_ < place;
    }

    const RepairOptions& options_;
    const char* data_;
    std::int64_t row_ = 0;
    std::string_view text_;
    RepairEntities entities_ = RepairEntities::kOff;
    const char* looked_ = nullptr;  // up to here there is no "<", or here is the first
    bool tag_ = false;
};

/// The texts without the bytes at `cuts`, which ascend.
Strings without(const Column& texts, const std::vector<std::int64_t>& cuts) {
    Strings kept;
    kept.offsets.reserve(texts.size + 1);
    kept.bytes.reserve(
        static_cast<std::size_t>(texts.offsets[texts.size] - texts.offsets[0]) - cuts.size());
    std::int64_t at = texts.offsets[0];
    auto cut = cuts.begin();
    for (std::size_t i = 0; i < texts.size; ++i) {
        const std::int64_t end = texts.offsets[i + 1];
        for (; cut != cuts.end() && *cut < end; at = *cut++ + 1)
            kept.bytes.append(texts.data + at, static_cast<std::size_t>(*cut - at));
        kept.bytes.append(texts.data + at, static_cast<std::size_t>(end - at));
        at = end;
        kept.end_string();
    }
    return kept;
}

}  // namespace

const char* repair_rules() { return kRules; }

RepairBatch find_repairs(const Column& texts, const std::uint8_t* entities,
                         const RepairOptions& options) {
    check_column(texts);
    RepairBatch batch;
    batch.status.assign(texts.size, 0);
    Finder finder(options, texts.data);
    for (std::size_t i = 0; i < texts.size; ++i)
        if (!finder.read(static_cast<std::int64_t>(i), texts[i], RepairEntities{entities[i]}))
            batch.status[i] = 1;
    batch.spans = std::move(finder.spans);
    batch.changed = !finder.cuts.empty();
    if (batch.changed) {
        batch.texts = without(texts, finder.cuts);
        for (RepairSpan& span : batch.spans)
            span.begin -= texts.offsets[0], span.end -= texts.offsets[0];
    }
    return batch;
}

}  // namespace corpuskit
