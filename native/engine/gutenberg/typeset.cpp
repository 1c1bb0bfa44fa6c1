// The text of blocks: corpuskit/sources/gutenberg/reflow.py, for blocks without marks to take out
// and without a hyphen at the end of a line that goes on, which Python does.
#include "engine/gutenberg/book.hpp"

namespace corpuskit::gutenberg {

namespace {

constexpr std::size_t kMostBlank = 2;  // blank lines between two blocks

template <class C>
bool has_ended(const Line<C>& line) {
    std::size_t i = line.size;
    while (i > 0 && is_in(line[i - 1], U"\"'\u201d\u2019\u00bb)]_*\u300d\u300f")) --i;
    return i > 0 && is_in(line[i - 1], U".!?:;\u2026\u3002\uff01\uff1f\uff1a\uff1b\uff0e");
}

bool is_unspaced(char32_t c) {
    return (c >= 0x3000 && c <= 0x9FFF) || (c >= 0xF900 && c <= 0xFAFF) ||
           (c >= 0xFF00 && c <= 0xFF60);
}

/// Whether nothing stands between two lines of a paragraph: dashes, and scripts without spaces.
template <class C>
bool closes_up(const Line<C>& left, const Line<C>& right, const Signs& signs) {
    const auto end = [&left](std::size_t i) {
        return left.size >= i ? left[left.size - i] : char32_t{0};
    };
    const auto word = [&](char32_t c) { return c != 0 && !signs.is(c, kSpace); };
    if (end(1) == '-' && end(2) == '-' && end(3) != '-' && left.size > 2 && word(end(3)))
        return true;
    if (end(1) == 0x2014 && end(2) != 0x2014 && left.size > 1 && word(end(2))) return true;
    const bool dashes = right.at(0) == '-' && right.at(1) == '-' && right.at(2) != '-';
    if (dashes || (right.at(0) == 0x2014 && right.at(1) != 0x2014)) {
        const char32_t behind = right.size > 2 ? right[2] : right.at(1);
        return behind != ' ' && !is_in(end(1), U".!?");
    }
    return is_unspaced(end(1)) && is_unspaced(right.at(0));
}

/// Whether the word that a mark stands in is an address: `_is_in_address` of marks.py.
template <class C>
bool is_in_address(const std::vector<C>& text, std::size_t from, std::size_t mark) {
    constexpr std::size_t kNear = 80;
    const std::size_t near = mark - from > kNear ? mark - kNear : from;
    for (std::size_t i = mark; i-- > near && text[i] != ' ' && text[i] != '\n';) {
        if (is_in(text[i], U"/@\\")) return true;
        if (text[i] == '.' && i >= near + 3 && text[i - 1] == 'w' && text[i - 2] == 'w' &&
            text[i - 3] == 'w')
            return true;
    }
    return false;
}

}  // namespace

template <class C>
bool Book<C>::unwrap(std::size_t from, std::vector<C>& out) const {
    constexpr std::size_t kLongest = 4000;
    std::vector<std::size_t> marks;
    std::size_t others[3] = {};
    for (std::size_t i = from; i < out.size(); ++i) {
        if (out[i] == '_') marks.push_back(i);
        others[0] += out[i] == '=';
        others[1] += out[i] == '~';
        others[2] += out[i] == '+';
    }
    if (marks.size() % 2 != 0 || *std::max_element(others, others + 3) > 1) return false;
    const auto is_word = [&](std::size_t i) { return out[i] == '_' || signs_.is(out[i], kAlnum); };
    for (std::size_t k = 0; k < marks.size(); k += 2) {
        const std::size_t open = marks[k], close = marks[k + 1];
        if (close - open < 2 || close - open - 1 > kLongest) return false;
        if (open > from && is_word(open - 1)) return false;
        if (close + 1 < out.size() && is_word(close + 1)) return false;
        if (signs_.is(out[open + 1], kSpace) || signs_.is(out[close - 1], kSpace)) return false;
        if (is_in_address(out, from, open)) return false;
    }
    out.erase(std::remove(out.begin() + static_cast<std::ptrdiff_t>(from), out.end(),
                          static_cast<C>('_')),
              out.end());
    return true;
}

template <class C>
void Book<C>::paragraphs(std::span<const Line<C>> lines, std::vector<C>& out) const {
    std::size_t usual = lines.size() > 1 ? lines[1].indent : 0;
    for (std::size_t i = 2; i < lines.size(); ++i) usual = std::min(usual, lines[i].indent);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const Line<C>& line = lines[i];
        const Line<C> piece = line.stripped();
        if (i > 0) {
            const std::size_t more = line.at(0) == 0x3000 ? 1 : 2;
            if (line.indent >= usual + more && has_ended(lines[i - 1]))
                out.push_back(static_cast<C>('\n'));
            else if (!closes_up(lines[i - 1].stripped(), piece, signs_))
                out.push_back(static_cast<C>(' '));
        }
        out.insert(out.end(), piece.text, piece.text + piece.size);
    }
}

template <class C>
void Book<C>::typeset(std::size_t first, std::size_t stop, const std::uint8_t* kinds,
                      std::vector<C>& out) const {
    for (std::size_t i = first; i < stop; ++i) {
        const Block& block = blocks_[i];
        const std::size_t gap = i > first ? 1 + std::min(block.above, kMostBlank) : 0;
        out.insert(out.end(), gap, static_cast<C>('\n'));
        const auto lines = raw_lines_of(block);
        const Kind kind = static_cast<Kind>(kinds[i]);
        if (kind == Kind::kProse) {
            paragraphs(lines, out);
            continue;
        }
        std::size_t indent = lines[0].indent;
        for (const auto& line : lines) indent = std::min(indent, line.indent);
        const bool flush = kind == Kind::kHeading || kind == Kind::kLetter || kind == Kind::kBreak;
        for (std::size_t k = 0; k < lines.size(); ++k) {
            const Line<C>& line = lines[k];
            if (k > 0) out.push_back(static_cast<C>('\n'));
            const std::size_t from = flush ? line.indent : indent;
            out.insert(out.end(), line.text + from, line.text + line.size);
        }
    }
}

template <class C>
std::size_t Book<C>::typeset_runs(
    const std::uint8_t* kinds, std::uint8_t* parts,
    const std::function<void(const std::vector<C>&)>& pass_on) const {
    std::vector<C> run;
    std::size_t taken = 0;
    const auto close = [&] {
        if (!run.empty()) pass_on(run);
        run.clear();
    };
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
        if (parts[i] == kAlone || parts[i] == kLeftOut) {
            close();
            if (parts[i] == kAlone) typeset(i, i + 1, kinds, run);
            close();
            continue;
        }
        const std::size_t before = run.size();
        const std::size_t gap = before > 0 ? 1 + std::min(blocks_[i].above, kMostBlank) : 0;
        run.insert(run.end(), gap, static_cast<C>('\n'));
        typeset(i, i + 1, kinds, run);
        if (parts[i] == kInRun) continue;
        const std::size_t size = run.size();
        if (unwrap(before + gap, run)) {
            parts[i] = kInRun;
            taken += size - run.size();
            continue;
        }
        parts[i] = kAlone;
        const std::vector<C> alone(run.begin() + static_cast<std::ptrdiff_t>(before + gap),
                                   run.end());
        run.resize(before);
        close();
        pass_on(alone);
    }
    close();
    return taken;
}

#define CORPUSKIT_TYPESET(C)                                                           \
    template void Book<C>::typeset(std::size_t, std::size_t, const std::uint8_t*,      \
                                   std::vector<C>&) const;                             \
    template bool Book<C>::unwrap(std::size_t, std::vector<C>&) const;                 \
    template std::size_t Book<C>::typeset_runs(                                        \
        const std::uint8_t*, std::uint8_t*,                                            \
        const std::function<void(const std::vector<C>&)>&) const;
CORPUSKIT_TYPESET(std::uint8_t)
CORPUSKIT_TYPESET(std::uint16_t)
CORPUSKIT_TYPESET(char32_t)

}  // namespace corpuskit::gutenberg
