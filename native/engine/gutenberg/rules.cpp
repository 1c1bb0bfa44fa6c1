// Which rules of corpuskit/sources/gutenberg/rules.py may hold for a block, and which of them do,
// read from the lines without a pattern. Python asks those alone that may and need not, in its
// order; a bit too many that may costs time and changes nothing.
#include "engine/gutenberg/book.hpp"
#include "engine/gutenberg/facts.hpp"
#include "engine/gutenberg/forms.hpp"

namespace corpuskit::gutenberg {

namespace {

// clang-format off
enum Rule {
    kOrnament, kCaption, kSpeakerAlone, kDirectionAtRight, kSpeakerAboveSpeech,
    kNameBelowClosing, kNoLetterInANote, kTooLongForALetterPart, kCentredTitle, kAtRight, kAddress,
    kNameAndOffice, kClosingAndName, kDateAtRight, kSentenceToSomebody, kSalutation, kDatedSentence,
    kDateline, kSignature,
    kNoColumnsInANote, kRuled, kThreeColumns, kNoListOfSpeeches, kLineAtRight, kTwoColumns, kLeader,
    kNumbersAtEnds,
    kNoEntry, kNoEntryButAParagraph,
    kTooLongForAHeading, kYearAlone, kNumberAlone, kNoLetters, kNoHeadingInSpeech,
    kBracketedCapitals, kCapitalsTitle, kYear, kOpenLines, kImprint, kChapterApart,
    kSentenceOnAChapter, kChapter, kNumberedTitle, kSmallLetterApart, kShortApart, kAloneInAGap,
    kFewWordsApart, kCentred, kCentredSentence, kTitlePage, kSentenceInFront, kBelowHeading,
    kNoteLabel, kNumberedLine, kLineOfNote, kLineBesideProse, kInsetLine,
    kSpeeches, kListOnTitlePage, kNumberedItems, kAmounts, kBareLines, kNote, kVerseScore,
    kRuleCount
};
// clang-format on
static_assert(kRuleCount <= 64);

class Bits {
  public:
    /// exact: whether forms say what patterns do.
    explicit Bits(bool is_exact) : exact(is_exact) {}

    const bool exact;
    /// The rule may hold, and does where it is sure, too.
    void may(Rule rule, bool some, bool sure = false) {
        bits_.may |= static_cast<std::uint64_t>(some) << rule;
        bits_.sure |= static_cast<std::uint64_t>(some && sure) << rule;
    }
    void holds(Rule rule, bool some) { may(rule, some, true); }
    /// The rule holds by a form, and `needed` beside it.
    void reads(Rule rule, bool form, bool needed = true) {
        may(rule, needed && (form || !exact), exact);
    }
    RuleBits value() const { return bits_; }

  private:
    RuleBits bits_{};
};

/// Whether at least three fifths of the lines are `some`.
bool mostly(std::size_t some, std::size_t count) { return some * 5 >= count * 3; }

/// A line that may end as an entry of contents does: _LEADER.
template <class C>
bool may_be_leader(const Line<C>& line) {
    const char32_t end = lower(line.back());
    return is_digit(end) || end >= 0x80 || is_in(end, U"._ivxlce");
}

/// What several rules ask.
struct Look {
    std::size_t count;
    double width;
    bool capitals, title, brief, centred, at_right, off_middle;
};

bool is_centred(double within, const Block& block, double width, const auto& lines) {
    if (block.inset < 4) return false;
    std::size_t near = 0;
    for (const auto& line : lines) {
        const auto both = static_cast<double>(line.indent + line.size);
        near += std::abs(both / 2 - width / 2) <= within;
    }
    return near * 2 > lines.size();
}

Look look_at(const Block& block, const Shape& shape, const Facts& facts, const auto& lines) {
    Look look{};
    look.count = lines.size();
    look.width = static_cast<double>(shape.width);
    const auto inset = static_cast<double>(block.inset), right = static_cast<double>(block.right);
    look.capitals = facts.low == 0 && facts.upper > 0;
    look.title = facts.letters > 1 && static_cast<double>(facts.capitals) /
                                              static_cast<double>(facts.letters) > 0.85;
    look.brief = right - inset < 0.8 * look.width;
    look.centred = is_centred(4, block, look.width, lines);
    look.off_middle = is_centred(7, block, look.width, lines);
    // Python's floor of a width, which is never below zero.
    look.at_right = static_cast<std::int64_t>(block.inset) >= shape.width / 3 &&
                    right >= 0.6 * look.width && !look.centred;
    return look;
}

template <class C>
void letters(Bits& bits, const Block& block, const Shape& shape, const Look& look,
             const Facts& facts, std::span<const Line<C>> lines, const Line<C>& joined,
             const Signs& signs) {
    const Form<C> form(joined, signs);
    const Line<C> line = lines[0].stripped();
    const Line<C>& last = lines.back();
    const bool one = look.count == 1, few = look.count == 2 || look.count == 3;
    const auto right = static_cast<double>(block.right);
    bits.holds(kNameBelowClosing,
               one && block.above == 1 && look.capitals && facts.words <= 4);
    bits.reads(kNoLetterInANote, is_in(block.sign, U"[fF") && form.is_note());
    bits.holds(kTooLongForALetterPart, look.count > 4 || joined.size > 160);
    if (look.count > 4 || joined.size > 160) return;  // nothing is asked behind it
    bits.holds(kCentredTitle, look.capitals && look.at_right && look.off_middle);
    bits.holds(kAtRight, look.at_right);
    bool stairs = few;
    for (std::size_t k = 1; k < look.count; ++k)
        stairs = stairs && lines[k - 1].indent < lines[k].indent;
    bits.holds(kAddress, stairs && line.back() == ',' && last.back() == '.' && block.right < 40);
    const std::size_t name = line[0] == '_' ? 1 : 0;
    bool initial = false;
    for (std::size_t k = name + 1; k < name + 5; ++k) initial = initial || line.at(k) == '.';
    bits.may(kNameAndOffice,
             few && right < 0.7 * look.width && is_capital(line.at(name)) && initial);
    bool low = false, upper = false;
    for (std::size_t k = 0; k < last.size && !low; ++k) {
        low = signs.is(last[k], kLower | kTitle);
        upper = upper || signs.is(last[k], kUpper);
    }
    bits.reads(kClosingAndName, look.count > 1 && !low && upper && form.begins_as_closing() &&
                                    Form<C>(last, signs).words() <= 4);
    bits.may(kDateAtRight,
             one && facts.gapped > 0 && facts.number && (!bits.exact || form.names_a_day()));
    const bool greets = one && form.is_salutation();
    bits.reads(kSentenceToSomebody, facts.words > 6 && greets);
    bits.reads(kSalutation, greets);
    const bool dated = joined.size < 60 && facts.number && form.is_dated();
    bits.reads(kDatedSentence, !one && dated &&
                                   static_cast<std::int64_t>(block.inset) < shape.width / 4);
    bits.reads(kDateline, dated);
    bits.reads(kSignature, right - static_cast<double>(block.indent) < 0.8 * look.width &&
                               (form.is_signed() || (!one && Form<C>(line, signs).is_signed())) &&
                               form.words() <= 16);
}

void columns(Bits& bits, const Block& block, const Shape& shape, const Look& look,
             const Facts& facts, bool note, bool speech, bool leader) {
    const std::size_t count = look.count;
    const auto are_most = [count](std::size_t some) {
        return some * 2 > count || (some * 2 == count && count > 2);
    };
    bits.reads(kNoColumnsInANote, note);
    bits.may(kRuled, count > 1 && facts.ruled * 2 > count);
    bits.may(kThreeColumns, count > 1 && facts.gapped * 2 > count);
    bits.may(kNoListOfSpeeches, shape.speakers && speech);
    const bool gapped = are_most(facts.gapped);
    bits.may(kLineAtRight, count == 1 && block.indent > 20 && gapped);
    bits.may(kTwoColumns, gapped, are_most(facts.surely_gapped));
    bits.may(kLeader, count <= 4 && facts.last_gapped && leader);
    const bool narrow = block.right < 70 && (count > 1 || block.above < 2);
    bits.may(kNumbersAtEnds, narrow && mostly(facts.numbered, count),
             mostly(facts.surely_numbered, count));
}

/// CONTENTS, and the first half of HEADINGS, down to `numbered_title`.
template <class C>
void headings(Bits& bits, const Block& block, const Shape& shape, const Look& look,
              const Place& place, const Facts& facts, const Line<C>& line, const Line<C>& joined,
              const Signs& signs, Answer word) {
    const Form<C> form(joined, signs);
    const std::size_t count = look.count;
    const bool one = count == 1, chapter = word != Answer::kNo, named = word == Answer::kYes;
    bits.holds(kNoEntry, static_cast<std::int64_t>(block.right) > shape.width + 9 ||
                             is_in(block.sign, U"\"'\u201c\u2018"));
    bits.holds(kNoEntryButAParagraph, count > 1 && place.score < -2 && facts.ends_in_stop);
    bits.holds(kTooLongForAHeading, count > 12 ||
                                        (count > 4 && !place.front && !look.capitals) ||
                                        joined.size > 60 * count + 40);
    bits.reads(kYearAlone, one && facts.year && (place.front || block.below >= 3));
    bits.may(kNumberAlone, facts.letters == 0 && one && (place.apart || chapter),
             place.apart || named);
    bits.holds(kNoLetters, facts.letters == 0);
    bits.holds(kNoHeadingInSpeech,
               is_in(block.sign, kQuotes) &&
                   !(place.apart || look.capitals || (place.front && look.centred)));
    const bool surely_title = count < 4 || place.front;
    bits.may(kBracketedCapitals, look.title && is_in(block.sign, U"[(") && block.above < 2,
             surely_title);
    bits.may(kCapitalsTitle, look.title, surely_title);
    bits.reads(kYear, count <= 6 && facts.year &&
                          static_cast<double>(block.right) < 0.8 * look.width);
    bits.holds(kOpenLines, facts.open && !(place.front || look.centred));
    const bool imprint = count <= 3 && (!bits.exact || form.is_imprint());
    bits.may(kImprint, imprint, bits.exact && place.front);
    bits.may(kChapterApart, count <= 5 && block.above >= 2 && chapter &&
                                (line.size < 60 || block.above > 3), named);
    // Of several lines the word may stand on two.
    const bool brief = joined.size < 60 && look.brief && signs.is(block.sign, kUpper) &&
                       (chapter || (!one && line.size < 12));
    bits.may(kSentenceOnAChapter, count <= 4 && (!one || facts.ended) && brief, named && one);
    bits.may(kChapter, one && brief, named);
    bits.reads(kNumberedTitle, count <= 4 && place.apart && look.brief &&
                                   form.is_numbered_title());
}

/// The second half.
void short_headings(Bits& bits, const Block& block, const Look& look, const Place& place,
                    const Facts& facts, std::size_t size) {
    const std::size_t count = look.count;
    const bool one = count == 1, apart = place.apart, brief = look.brief, ended = facts.ended;
    const bool few_words = one && facts.full_stop && facts.words <= 4;
    const bool phrase = brief && count <= 3 && !ended;
    bits.holds(kSmallLetterApart, apart && facts.starts_low && (phrase || few_words));
    bits.holds(kShortApart, apart && phrase);
    bits.holds(kAloneInAGap, apart && brief && one && block.below >= 3 && block.above >= 3);
    bits.holds(kFewWordsApart, apart && few_words);
    const bool centred = look.centred && count <= 8 && brief;
    bits.may(kCentred, centred, apart || place.front || !ended);
    bits.holds(kCentredSentence, centred);
    const bool front = place.front && brief && (count <= 4 || look.centred);
    bits.holds(kTitlePage, front && (!ended || size < 70));
    bits.holds(kSentenceInFront, front);
    // Python asks it, and `name_below_closing`, behind a block of the kind alone that they need.
    bits.holds(kBelowHeading, count <= 2 && brief && !ended && !facts.starts_low);
}

template <class C>
void singles(Bits& bits, const Block& block, const Shape& shape, const Place& place,
             const Facts& facts, const Form<C>& form, Answer in_row) {
    const std::int64_t least = (place.beside & 2) != 0 ? 1 : 3;
    const std::int64_t more = static_cast<std::int64_t>(block.indent) - shape.indent;
    // In a play in verse a speech need not be as far in.
    const bool inset = more >= (place.in_verse ? -1 : least) && !facts.starts_low &&
                       static_cast<std::int64_t>(block.right) < shape.width - 3;
    bits.may(kNoteLabel, !bits.exact || form.may_be_note_label());
    bits.may(kNumberedLine, in_row != Answer::kNo, in_row == Answer::kYes);
    // What no rule holds for is prose: these two only keep a line from the next rule.
    bits.reads(kLineOfNote, form.is_footnote(), inset);
    bits.may(kLineBesideProse, inset && place.beside == 1, !place.in_verse);
    bits.may(kInsetLine, inset, more >= least);
}

template <class C>
void several(Bits& bits, const Block& block, const Shape& shape, const Look& look,
             const Place& place, const Facts& facts, const Form<C>& form) {
    const std::size_t count = look.count;
    const int known = block.upper + block.lower;
    const double capitals = known ? static_cast<double>(block.upper) / known : 0.5;
    const auto right = static_cast<double>(block.right);
    const bool items = mostly(facts.items, count);
    const bool amounts = count > 2 && right < 0.7 * look.width && mostly(facts.amounts, count);
    const bool bare = count > 2 && (place.beside & 2) == 0 && capitals >= 0.75 &&
                      right <= 0.9 * look.width && facts.punctuated * 5 < count;
    bits.may(kSpeeches, shape.speakers && facts.speeches > 1);
    bits.may(kListOnTitlePage, place.front && count <= 6 && (items || amounts || bare));
    bits.may(kNumberedItems, items, mostly(facts.sure_items, count));
    bits.may(kAmounts, amounts, mostly(facts.sure_amounts, count));
    bits.holds(kBareLines, bare);
    bits.reads(kNote, is_in(block.sign, U"[*") && form.is_footnote(), place.score > 0);
    bits.holds(kVerseScore, place.score > 0);
}

}  // namespace

template <class C>
RuleBits Book<C>::rules_of(std::size_t i, const Shape& shape, const Place& place) const {
    const Block& block = blocks_[i];
    const auto lines = lines_of(block);
    const bool exact = is_exact(block);
    const Facts facts = facts_of(block, shape, (marks_[i] & kBar) != 0, exact);
    const Look look = look_at(block, shape, facts, lines);
    const Line<C> line = lines[0].stripped(), joined = join(lines);
    const Form<C> form(joined, signs_);
    const bool one = look.count == 1;
    Bits bits{exact};
    bits.holds(kOrnament, facts.ornament);
    // The label of a link may be the first lines of a longer block.
    const bool file = (marks_[i] & kMayBeFile) != 0 || (look.count > kJoined && facts.letters < 14);
    const bool caption = exact && form.is_caption();
    bits.may(kCaption, caption || file || !exact, caption);
    if (shape.speakers) {
        bits.holds(kSpeakerAlone, one && block.above < 2 && is_speaker(line));
        bits.holds(kDirectionAtRight, one && block.sign == '[' && block.indent > 20);
        bits.holds(kSpeakerAboveSpeech, !one && is_speaker(lines[0]));
    }
    letters(bits, block, shape, look, facts, lines, joined, signs_);
    columns(bits, block, shape, look, facts, is_in(block.sign, U"[fF") && form.is_note(),
            facts.speeches > 0 && may_be_speech_of_play(lines[0]), may_be_leader(lines.back()));
    headings(bits, block, shape, look, place, facts, line, joined, signs_, chapter(line));
    short_headings(bits, block, look, place, facts, joined.size);
    if (one) singles(bits, block, shape, place, facts, form, goes_on_counting(i));
    else several(bits, block, shape, look, place, facts, form);
    return bits.value();
}

#define CORPUSKIT_RULES(C)                                                              \
    template RuleBits Book<C>::rules_of(std::size_t, const Shape&, const Place&) const;
CORPUSKIT_RULES(std::uint8_t)
CORPUSKIT_RULES(std::uint16_t)
CORPUSKIT_RULES(char32_t)

const std::vector<const char*> kRuleNames = {
    "ornament", "caption", "speaker_alone", "direction_at_right", "speaker_above_speech",
    "name_below_closing", "no_letter_in_a_note", "too_long_for_a_letter_part", "centred_title",
    "at_right", "address", "name_and_office", "closing_and_name", "date_at_right",
    "sentence_to_somebody", "salutation", "dated_sentence", "dateline", "signature",
    "no_columns_in_a_note", "ruled", "three_columns", "no_list_of_speeches", "line_at_right",
    "two_columns", "leader", "numbers_at_ends", "no_entry", "no_entry_but_a_paragraph",
    "too_long_for_a_heading", "year_alone", "number_alone", "no_letters", "no_heading_in_speech",
    "bracketed_capitals", "capitals", "year", "open_lines", "imprint", "chapter_apart",
    "sentence_on_a_chapter", "chapter", "numbered_title", "small_letter_apart", "short_apart",
    "alone_in_a_gap", "few_words_apart", "centred", "centred_sentence", "title_page",
    "sentence_in_front", "below_heading", "note_label", "numbered_line", "line_of_note",
    "line_beside_prose", "inset_line", "speeches", "list_on_title_page", "numbered_items",
    "amounts", "bare_lines", "note", "verse_score",
};

}  // namespace corpuskit::gutenberg
