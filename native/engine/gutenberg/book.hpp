// The blocks of a book of Project Gutenberg: where they are, their measures, how much they look
// like verse, which rules of corpuskit/sources/gutenberg/rules.py may hold for each, their text.
// Everything is what the Python beside it computes; work is linear in the text.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "engine/gutenberg/signs.hpp"

namespace corpuskit::gutenberg {

/// A run of lines that are not blank; lines and columns count from 0.
struct Block {
    std::size_t first, stop;  // lines
    std::size_t begin, end;   // characters of the text, without the last line end
    std::size_t line;         // its first among those that are not blank
    std::size_t above, below;
    std::size_t inset, right, indent;  // least indent, last column, indent of the first line
    std::size_t hanging;               // least indent of the lines below the first
    std::size_t second;                // indent of the second line
    std::int32_t count, upper, lower, ended;
    char32_t sign;  // its first character
    bool tabs, joins;  // joins: a hyphen at the end of a line, before a letter
};

/// What marks stand in a block, for corpuskit/sources/gutenberg/marks.py; "may" is a sign that is
/// needed, not a proof.
enum Mark : std::uint16_t {
    kEmphasis = 1 << 0,     // one of _ = ~ + twice
    kMayBePage = 1 << 1,    // a bracket with a letter behind it
    kPicture = 1 << 2,      // "[I"
    kMayBeFile = 1 << 3,    // the name of a file of a picture
    kMayBeLone = 1 << 4,    // the number of a page and nothing else
    kSquare = 1 << 5,       // [
    kCurly = 1 << 6,        // {
    kRound = 1 << 7,        // (
    kAngle = 1 << 8,        // <
    kBar = 1 << 9,          // |
    kHyphenJoin = 1 << 10,  // a hyphen at the end of a line, before a letter
    // From here on: one of kSquare to kBar, in their order, that may begin the number of a page.
    kNumbered = 1 << 11,
};

struct Shape {
    std::int64_t width, margin, indent;
    bool speakers;
};

using Counts = std::map<std::size_t, std::size_t>;

/// The kinds of blocks, in the order of blocks.py.
enum class Kind : std::uint8_t {
    kProse, kVerse, kDrama, kTable, kList, kHeading, kLetter, kBreak, kCaption
};
inline constexpr std::size_t kKindCount = 9;

/// Where the text of a block goes: into a run with those beside it, without its marks of italics or
/// with all, by itself, or nowhere.
enum Part : std::uint8_t { kInRun, kAlone, kLeftOut, kUnwrapped, kPartCount };

/// The weights of verse.py, in its order.
enum Weight {
    kBias, kShort, kCapitals, kSmall, kFits, kUnfilled, kShortUnfilled, kEnded, kRagged, kFull,
    kInset, kInsetShort, kInsetAsProse, kQuoteFlush, kBesideVerse, kWeightCount
};

/// What is known of all blocks once the book's shape and its first paragraph are.
struct Told {
    std::vector<std::uint64_t> rules;    // a bit for each rule that may hold, see rules.cpp
    std::vector<std::uint64_t> sure;     // those of them that do hold
    std::vector<std::uint8_t> beside;    // 1: near prose, 2: near verse
    std::vector<std::uint8_t> apart;
    std::vector<std::uint8_t> plain;     // told to be prose by its measures alone
};

/// The rules that may hold for a block, and those of them that do.
struct RuleBits {
    std::uint64_t may, sure;
};

enum class Answer { kNo, kYes, kAsk };

/// Where a block stands: what rules ask beside its lines.
struct Place {
    bool front, apart, in_verse;
    std::uint8_t beside;
    double score;  // with what is beside it
};

inline constexpr std::size_t kJoined = 8;  // lines of a block that rules look at as one
struct Facts;

/// Asks Python whether a line begins with a word of chapters, where letters beyond ASCII matter.
using AskChapter = std::function<bool(const void* text, std::size_t size)>;

template <class C>
class Book {
  public:
    Book(const C* text, std::size_t size, const std::uint8_t* signs, AskChapter ask);

    const std::vector<Block>& blocks() const { return blocks_; }
    const std::vector<std::uint16_t>& marks() const { return marks_; }
    /// Lines that may begin with the name of a speaker, and those that may be nothing else, tabs
    /// expanded: what the reader's pattern has to look at.
    std::vector<std::vector<C>> may_be_speech, may_be_speaker;
    /// The names of those that are nothing else.
    std::vector<std::u32string> lone_speakers() const;
    /// How many lines of what looks like prose have a width or begin at a column; and how many
    /// blocks begin at one.
    Counts widths(std::size_t margin) const;
    Counts margins() const;
    Counts indents(std::size_t margin) const;

    /// The scores of blocks alone.
    void score(const Shape& shape, const double (&weights)[kWeightCount]);
    /// The names that speak, for `tell`.
    void set_speakers(std::set<std::u32string> names) { speakers_ = std::move(names); }
    const std::vector<double>& scores() const { return scores_; }
    /// Which rules may hold; scores of blocks that are not plain get what is beside them.
    Told tell(const Shape& shape, std::size_t story, const double (&weights)[kWeightCount]);

    /// Gives short blocks the kind of what is around them, as SETTLING of rules.py has it, in
    /// order; `kinds` are the places of Kind. Needs `tell`.
    void settle(const Shape& shape, std::uint8_t* kinds) const;

    /// The text of blocks first to stop, two line ends or three between them.
    void typeset(std::size_t first, std::size_t stop, const std::uint8_t* kinds,
                 std::vector<C>& out) const;
    /// Passes on the text of each run of blocks and of each block alone, as their parts (Part) say;
    /// those that were to be unwrapped and stand alone, because there is more to decide, get the
    /// part kAlone, others kInRun. Returns how many marks of italics were taken out.
    std::size_t typeset_runs(const std::uint8_t* kinds, std::uint8_t* parts,
                             const std::function<void(const std::vector<C>&)>& pass_on) const;
    /// Takes out the underscores around words in italics from a block typeset at out[from...];
    /// false and nothing is taken where there is more to decide: one of them is no such mark, or
    /// there are marks of another kind.
    bool unwrap(std::size_t from, std::vector<C>& out) const;

  private:
    void find_blocks();
    void measure(Block& block);
    void look_for_marks(const Block& block);
    void look_for_speakers(const Block& block);
    bool may_name_file(const Block& block) const;
    bool may_be_label(const Block& block) const;
    void expand_tabs(Block& block);
    /// The lines of a block, tabs expanded.
    std::span<const Line<C>> lines_of(const Block& block) const {
        return std::span(lines_).subspan(block.line, static_cast<std::size_t>(block.count));
    }
    /// The same as they are in the text.
    std::span<const Line<C>> raw_lines_of(const Block& block) const;
    double score_of(const Block& block, const Shape& shape, const double (&weights)[kWeightCount]);
    bool is_plain(std::size_t i, const Shape& shape) const;
    std::uint8_t neighbours(std::size_t i) const;
    bool stands_apart(std::size_t i) const;
    Facts facts_of(const Block& block, const Shape& shape, bool bars,
                   bool exact) const;
    RuleBits rules_of(std::size_t i, const Shape& shape, const Place& place) const;
    bool is_among_entries(std::size_t i, const std::uint8_t* kinds) const;
    bool is_chapter(const Block& block) const;
    void paragraphs(std::span<const Line<C>> lines, std::vector<C>& out) const;
    Answer chapter(const Line<C>& line) const;
    bool has_chapter(const Line<C>& line) const;
    /// The name of a speaker that a line is, no word of chapters; empty for none.
    std::u32string speaker(const Line<C>& line) const;
    bool is_speaker(const Line<C>& line) const;
    bool may_be_speech_of_play(const Line<C>& line) const;
    Answer goes_on_counting(std::size_t i) const;
    /// Whether forms.hpp says what patterns do: no character is odd.
    bool is_exact(const Block& block) const;
    /// The first lines of a block as one, see BlockView.joined.
    Line<C> join(std::span<const Line<C>> lines) const;

    const C* text_;
    std::size_t size_;
    Signs signs_;
    AskChapter ask_;
    std::vector<Block> blocks_;
    std::vector<std::uint16_t> marks_;
    std::vector<double> scores_;
    std::vector<Line<C>> lines_;           // all that are not blank
    std::deque<std::vector<C>> expanded_;  // the lines of each block with tabs
    mutable std::vector<Line<C>> raw_;     // of the block with tabs that is looked at
    mutable std::vector<C> joined_;        // lines of the block that is looked at
    std::set<std::u32string> speakers_;
    bool exact_ = true;  // whether no character is odd
};

/// The rules of rules.py in the order of the bits in Told::rules.
extern const std::vector<const char*> kRuleNames;

}  // namespace corpuskit::gutenberg
