// Which rules of corpuskit/sources/gutenberg/rules.py may hold for a block: for each a condition
// that it needs, read from the lines without a pattern. Python asks only those, in its order. A
// rule that is `sure` needs nothing else; of the others a bit too many costs time and changes
// nothing.
#include "engine/gutenberg/book.hpp"
#include "engine/gutenberg/speech.hpp"

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

constexpr CharSet kOrnaments(U"*_=\u00b7\u2022.#~+<>|\u2013\u2014o-");
constexpr std::size_t kJoined = 8;  // lines that BlockView.joined holds

class Bits {
  public:
    void set(Rule rule, bool holds) { bits_ |= static_cast<std::uint64_t>(holds) << rule; }
    std::uint64_t value() const { return bits_; }

  private:
    std::uint64_t bits_ = 0;
};

bool is_roman(char32_t c) { return is_in(c, U"IVXLC"); }

/// Whether at least three fifths of the lines are `some`.
bool mostly(std::size_t some, std::size_t count) { return some * 5 >= count * 3; }

/// A line that may have a gap between columns: BlockView.gaps.
template <class C>
bool is_gapped(const Line<C>& line, const Signs& signs) {
    std::size_t spaces = 0, dots = 0, spaced = 0;
    bool twice = false;
    for (std::size_t i = line.indent; i < line.size; ++i) {
        const char32_t c = line[i];
        spaces = c == ' ' ? spaces + 1 : 0;
        dots = c == '.' ? dots + 1 : 0;
        twice = twice || spaces == 2;
        if (c == '.' && i >= line.indent + 2 && line[i - 1] == ' ' && line[i - 2] == '.') ++spaced;
        if (spaces > 2 || dots > 3 || spaced > 2 || c == '\t') return true;
    }
    char32_t end = line.back();
    if (end == '.' && line.size > 1) end = line[line.size - 2];
    return twice && (is_in(end, U"ivxlc") || signs.numeric(end));
}

/// A line that may end in the number of a page, as entries of an index do.
template <class C>
bool may_end_in_number(const Line<C>& line, const Signs& signs) {
    std::size_t i = line.size;
    while (i > 0 && is_in(line[i - 1], U" .;,_=-\u2013")) --i;
    if (i == 0) return false;
    if (is_digit(line[i - 1])) return true;
    std::size_t first = i;
    while (first > 0 && is_in(line[first - 1], U"ivxlc")) --first;
    if (first == i) return false;
    const char32_t before = first > 0 ? line[first - 1] : ' ';
    return before == '_' || before == '=' || signs.is(before, kSpace);
}

/// A line that may be an item: `1.`, `IV)`, `(a)`, `*`.
template <class C>
bool may_be_item(const Line<C>& line, const Signs& signs) {
    const char32_t c = line.at(line.indent);
    if (is_in(c, U"(*\u2022-") || signs.numeric(c)) return true;
    std::size_t i = line.indent;
    while (is_roman(line.at(i))) ++i;
    return i > line.indent && (line.at(i) == '.' || line.at(i) == ')');
}

/// The first letter or number of a line.
template <class C>
std::size_t first_alnum(const Line<C>& line, const Signs& signs) {
    std::size_t i = 0;
    while (i < line.size && !signs.is(line[i], kAlnum)) ++i;
    return i;
}

/// A line that may be a year: `1813`, `MDCCCXIII`.
template <class C>
bool may_be_year(const Line<C>& line, const Signs& signs) {
    const std::size_t at = first_alnum(line, signs);
    const char32_t c = line.at(at), next = line.at(at + 1);
    return (c == '1' && is_in(next, U"456789")) || (c == 'M' && is_in(next, U"DCLXVI"));
}

/// Whether the first letters of a line, in whatever case, are those of one of the words; true for
/// what is not known.
template <class C>
bool begins_with(const Line<C>& line, const Signs& signs, std::u32string_view words,
                 std::size_t letters = 2) {
    const std::size_t at = first_alnum(line, signs);
    if (at + letters > line.size) return true;
    for (std::size_t i = 0; i < words.size(); i += letters + 1) {
        std::size_t same = 0;
        while (same < letters && lower(line[at + same]) == words[i + same]) ++same;
        if (same == letters || line[at + same] >= 0x80) return true;
    }
    return false;
}

/// Whether a line may be a caption's first: `[Illustration`; true for what is not known.
template <class C>
bool may_be_caption(const Line<C>& line) {
    constexpr std::u32string_view kWord = U"illustration";
    const bool bracket = line[0] == '[';
    std::size_t i = bracket ? 1 : 0;
    while (i < line.size && is_in(line[i], U"_* ")) ++i;
    if (i == line.size || (bracket && is_in(lower(line[i]), U"pmhti"))) return true;
    for (std::size_t k = 0; k < kWord.size(); ++k)
        if (const char32_t c = lower(line.at(i + k)); c != kWord[k] && c < 0x80) return false;
    return true;
}

/// Whether a word of a line begins as the name of a month or a day; true for what is not known.
template <class C>
bool may_name_a_day(const Line<C>& line, const Signs& signs) {
    static constexpr std::u32string_view kNames[] = {
        U"jan", U"feb", U"mar", U"apr", U"may", U"jun", U"jul", U"aug", U"sep", U"oct",
        U"nov", U"dec", U"mon", U"tue", U"wed", U"thu", U"fri", U"sat", U"sun"};
    for (std::size_t i = 0; i < line.size; ++i) {
        if (line[i] >= 0x80) return true;
        if (i + 3 > line.size || (i > 0 && signs.is(line[i - 1], kAlnum))) continue;
        for (const auto& name : kNames) {
            std::size_t same = 0;
            while (same < 3 && lower(line[i + same]) == name[same]) ++same;
            if (same == 3 || line[i + same] >= 0x80) return true;
        }
    }
    return false;
}

/// Whether a line ends in a word of those that letters end in; true for what is not known.
template <class C>
bool ends_as_letter(const Line<C>& line) {
    static constexpr std::u32string_view kWords[] = {
        U"your", U"yours", U"ever", U"servant", U"friend", U"sister", U"brother", U"son",
        U"daughter", U"mother", U"father", U"wife", U"husband", U"affectionate", U"affectionately",
        U"truly", U"sincerely", U"faithfully", U"respectfully", U"obligation", U"obliged",
        U"attached", U"c", U"etc"};
    std::size_t stop = line.size;
    while (stop > 0 && is_in(line[stop - 1], U".,;:")) --stop;
    if (stop > 0 && line[stop - 1] >= 0x80) return true;
    for (const auto& word : kWords) {
        if (word.size() > stop) continue;
        const C* at = line.text + (stop - word.size());
        bool same = true;
        for (std::size_t k = 0; k < word.size() && same; ++k)
            same = at[k] >= 0x80 || lower(at[k]) == word[k];
        if (same) return true;
    }
    return false;
}

}  // namespace

/// What the lines of a block say, each once.
template <class C>
struct Book<C>::Facts {
    std::size_t letters = 0, capitals = 0, upper = 0, low = 0, joined = 0;  // of BlockView.joined
    bool ornament = true, number = false;
    std::size_t gapped = 0, ruled = 0, numbered = 0, amounts = 0, items = 0, punctuated = 0;
    std::size_t speeches = 0;
    bool last_gapped = false, open = false, year = false, ended = false, full_stop = false;
    bool starts_low = false, starts_with_digit = false;
    std::size_t words = 0;  // of the first line
};

template <class C>
typename Book<C>::Facts Book<C>::facts_of(const Block& block, const Shape& shape) const {
    const auto lines = lines_of(block);
    Facts facts;
    const std::size_t joined = std::min(kJoined, lines.size());
    char32_t bare = 0, begins = 0;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const Line<C>& line = lines[i];
        const char32_t first = line[line.indent], end = signs_.last_bare(line);
        if (i < joined) {
            facts.joined += line.length() + (i > 0);
            for (std::size_t k = line.indent; k < line.size; ++k) {
                const char32_t c = line[k];
                const std::uint8_t sign = signs_(c);
                facts.letters += (sign & kAlpha) != 0;
                facts.capitals += (sign & kUpper) != 0 && (sign & kAlpha) != 0;
                facts.upper += (sign & kUpper) != 0;
                facts.low += (sign & (kLower | kTitle)) != 0;
                facts.number = facts.number || signs_.numeric(c);
                facts.ornament = facts.ornament && ((sign & kSpace) != 0 || is_in(c, kOrnaments));
            }
            if (begins == 0) begins = signs_.first_bare(line.stripped());
            if (const char32_t last = signs_.last_bare(line.stripped()); last != 0) bare = last;
        }
        facts.last_gapped = is_gapped(line, signs_);
        facts.gapped += facts.last_gapped;
        facts.numbered += may_end_in_number(line, signs_);
        facts.amounts += signs_.numeric(first);
        facts.punctuated += is_in(end, kEnds);
        facts.open = facts.open || line.back() == ',' || line.back() == ';';
        facts.year = facts.year || may_be_year(line, signs_);
        facts.ruled += first == '|' || first == '+' ||
                       std::count(line.text, line.text + line.size, static_cast<C>('|')) > 1;
        if (block.count > 1)
            facts.items += may_be_item(line, signs_) || chapter(line) != Answer::kNo;
        if (shape.speakers) facts.speeches += is_like_speech(line, signs_);
    }
    facts.ended = is_in(bare, kEnds);
    facts.full_stop = bare == '.';
    facts.starts_low = signs_.is(begins, kLower);
    for (std::size_t k = lines[0].indent; k < lines[0].size; ++k)
        facts.words += signs_.is(lines[0][k], kSpace) && !signs_.is(lines[0][k - 1], kSpace);
    ++facts.words;
    return facts;
}

namespace {

/// What several rules ask.
struct Look {
    std::size_t count;
    double width;
    bool capitals, title, brief, centred, at_right, off_middle, slight;
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

Look look_at(const Block& block, const Shape& shape, const auto& facts, const auto& lines) {
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
void pictures_and_plays(Bits& bits, const Block& block, const Shape& shape,
                        const Look& look, bool ornament,
                        bool file, std::span<const Line<C>> lines, const Signs& signs) {
    bits.set(kOrnament, ornament);
    const Line<C> line = lines[0].stripped();
    bits.set(kCaption, may_be_caption(line) || file);
    if (!shape.speakers) return;
    const bool speaker = is_like_speaker(lines[0], signs) || is_like_speaker(line, signs);
    bits.set(kSpeakerAlone, look.count == 1 && block.above < 2 && speaker);
    bits.set(kDirectionAtRight, look.count == 1 && block.sign == '[' && block.indent > 20);
    bits.set(kSpeakerAboveSpeech, look.count > 1 && speaker);
}

template <class C>
void letters(Bits& bits, const Block& block, const Shape& shape, const Look& look,
             const auto& facts, std::span<const Line<C>> lines, const Signs& signs) {
    const Line<C> line = lines[0].stripped();
    const Line<C>& last = lines.back();
    const bool one = look.count == 1, few = look.count == 2 || look.count == 3;
    const auto right = static_cast<double>(block.right);
    bits.set(kNameBelowClosing, one && block.above == 1 && look.capitals);
    bits.set(kNoLetterInANote, is_in(block.sign, U"[fF"));
    bits.set(kTooLongForALetterPart, look.count > 4 || facts.joined > 160);
    bits.set(kCentredTitle, look.capitals && look.at_right && look.off_middle);
    bits.set(kAtRight, look.at_right);
    bool stairs = few;
    for (std::size_t k = 1; k < look.count; ++k)
        stairs = stairs && lines[k - 1].indent < lines[k].indent;
    bits.set(kAddress, stairs && line.back() == ',' && last.back() == '.' && block.right < 40);
    const std::size_t name = line[0] == '_' ? 1 : 0;
    bool initial = false;
    for (std::size_t k = name + 1; k < name + 5; ++k) initial = initial || line.at(k) == '.';
    bits.set(kNameAndOffice,
             few && right < 0.7 * look.width && is_capital(line.at(name)) && initial);
    bool low = false, upper = false;
    for (std::size_t k = 0; k < last.size && !low; ++k) {
        low = signs.is(last[k], kLower | kTitle);
        upper = upper || signs.is(last[k], kUpper);
    }
    const bool closing = begins_with(line, signs, U"i ,be,ev,yo,mo,wi,ve");
    bits.set(kClosingAndName, look.count > 1 && !low && upper && closing);
    bits.set(kDateAtRight, one && facts.gapped > 0 && facts.number);
    const char32_t end = line.back();
    const bool greets = is_in(end, U",:\u2014-") &&
                        begins_with(line, signs, U"my,o ,de,be,ho,si,ma,ge");
    const bool initials = line.size < 16 && is_capital(line.at(name)) && line.at(name + 1) == '.';
    bits.set(kSentenceToSomebody, one && facts.words > 6 && (greets || initials));
    bits.set(kSalutation, one && (greets || initials));
    const bool dated = facts.joined < 60 && facts.number &&
                       std::any_of(lines.begin(), lines.end(), [&signs](const Line<C>& some) {
                           return may_name_a_day(some, signs);
                       });
    bits.set(kDatedSentence, !one && dated &&
                                 static_cast<std::int64_t>(block.inset) < shape.width / 4);
    bits.set(kDateline, dated);
    bool asks = false;
    for (std::size_t k = 0; k < line.size; ++k) asks = asks || line[k] == '!' || line[k] == '?';
    const bool signs_off = ends_as_letter(line) ||
                           ends_as_letter(lines[std::min(kJoined, look.count) - 1]);
    bits.set(kSignature, closing && !asks && signs_off &&
                             right - static_cast<double>(block.indent) < 0.8 * look.width);
}

void columns(Bits& bits, const Block& block, const Shape& shape, const Look& look,
             const auto& facts) {
    const std::size_t count = look.count;
    bits.set(kNoColumnsInANote, is_in(block.sign, U"[fF"));
    bits.set(kRuled, count > 1 && facts.ruled * 2 > count);
    bits.set(kThreeColumns, count > 1 && facts.gapped * 2 > count);
    bits.set(kNoListOfSpeeches, shape.speakers && facts.speeches > 0);
    const bool gapped = facts.gapped * 2 > count || (facts.gapped * 2 == count && count > 2);
    bits.set(kLineAtRight, count == 1 && block.indent > 20 && gapped);
    bits.set(kTwoColumns, gapped);
    bits.set(kLeader, count <= 4 && facts.last_gapped);
    bits.set(kNumbersAtEnds, block.right < 70 && (count > 1 || block.above < 2) &&
                                 mostly(facts.numbered, count));
}

/// The first half of HEADINGS, down to `imprint`.
template <class C>
void headings(Bits& bits, const Block& block, const Look& look, const Place& place,
              const auto& facts, const Line<C>& line, const Signs& signs, bool chapter) {
    const std::size_t count = look.count;
    const bool one = count == 1;
    bits.set(kTooLongForAHeading, count > 12 || (count > 4 && !place.front && !look.capitals) ||
                                      facts.joined > 60 * count + 40);
    bits.set(kYearAlone, one && facts.year && (place.front || block.below >= 3));
    bits.set(kNumberAlone, facts.letters == 0 && one && (place.apart || chapter));
    bits.set(kNoLetters, facts.letters == 0);
    bits.set(kNoHeadingInSpeech,
             is_in(block.sign, kQuotes) &&
                 !(place.apart || look.capitals || (place.front && look.centred)));
    bits.set(kBracketedCapitals, look.title && is_in(block.sign, U"[(") && block.above < 2);
    bits.set(kCapitalsTitle, look.title);
    bits.set(kYear, count <= 6 && facts.year &&
                        static_cast<double>(block.right) < 0.8 * look.width);
    bits.set(kOpenLines, facts.open && !(place.front || look.centred));
    bits.set(kImprint, count <= 3 && begins_with(line, signs, U"cop,all,pri,pub,ent", 3));
    bits.set(kChapterApart, count <= 5 && block.above >= 2 && chapter &&
                                (line.size < 60 || block.above > 3));
    // Of several lines the word may stand on two.
    const bool named = facts.joined < 60 && look.brief && signs.is(block.sign, kUpper) &&
                       (chapter || (!one && line.size < 12));
    bits.set(kSentenceOnAChapter, count <= 4 && (!one || facts.ended) && named);
    bits.set(kChapter, one && named);
    const char32_t first = line.at(first_alnum(line, signs));
    bits.set(kNumberedTitle, count <= 4 && place.apart && look.brief &&
                                 (is_roman(first) || signs.numeric(first) || line.size < 8));
}

/// The second half.
void short_headings(Bits& bits, const Block& block, const Look& look, const Place& place,
                    const auto& facts) {
    const std::size_t count = look.count;
    const bool one = count == 1, apart = place.apart, brief = look.brief, ended = facts.ended;
    const bool few_words = one && facts.full_stop && facts.words <= 4;
    const bool phrase = brief && count <= 3 && !ended;
    bits.set(kSmallLetterApart, apart && facts.starts_low && (phrase || few_words));
    bits.set(kShortApart, apart && phrase);
    bits.set(kAloneInAGap, apart && brief && one && block.below >= 3 && block.above >= 3);
    bits.set(kFewWordsApart, apart && few_words);
    const bool centred = look.centred && count <= 8 && brief;
    bits.set(kCentred, centred);
    bits.set(kCentredSentence, centred);
    const bool front = place.front && brief && (count <= 4 || look.centred);
    bits.set(kTitlePage, front && (!ended || facts.joined < 70));
    bits.set(kSentenceInFront, front);
    bits.set(kBelowHeading, count <= 2 && brief && !ended && !facts.starts_low);
}

void lines_and_blocks(Bits& bits, const Block& block, const Shape& shape, const Look& look,
                      const Place& place, const auto& facts, double score, bool label,
                      bool numeric) {
    const std::size_t count = look.count;
    if (count == 1) {
        const std::int64_t least = place.in_verse ? -1 : (place.beside & 2) != 0 ? 1 : 3;
        const auto indent = static_cast<std::int64_t>(block.indent);
        const bool inset = indent - shape.indent >= least && !facts.starts_low &&
                           static_cast<std::int64_t>(block.right) < shape.width - 3;
        bits.set(kNoteLabel, label);
        bits.set(kNumberedLine, numeric || block.sign == '(');
        // What no rule holds for is prose: these two only keep a line from the next rule.
        bits.set(kLineOfNote, inset && (numeric || is_in(block.sign, U"[*fF")));
        bits.set(kLineBesideProse, inset && place.beside == 1);
        bits.set(kInsetLine, inset);
        return;
    }
    const int known = block.upper + block.lower;
    const double capitals = known ? static_cast<double>(block.upper) / known : 0.5;
    const auto right = static_cast<double>(block.right);
    const bool items = mostly(facts.items, count);
    const bool amounts = count > 2 && right < 0.7 * look.width && mostly(facts.amounts, count);
    const bool bare = count > 2 && (place.beside & 2) == 0 && capitals >= 0.75 &&
                      right <= 0.9 * look.width && facts.punctuated * 5 < count;
    bits.set(kSpeeches, shape.speakers && facts.speeches > 1);
    bits.set(kListOnTitlePage, place.front && count <= 6 && (items || amounts || bare));
    bits.set(kNumberedItems, items);
    bits.set(kAmounts, amounts);
    bits.set(kBareLines, bare);
    bits.set(kNote, score > 0 && is_in(block.sign, U"[*"));
    bits.set(kVerseScore, score > 0);
}

}  // namespace

template <class C>
RuleBits Book<C>::rules_of(std::size_t i, const Shape& shape, const Place& place) const {
    const Block& block = blocks_[i];
    const auto lines = lines_of(block);
    const Facts facts = facts_of(block, shape);
    const Look look = look_at(block, shape, facts, lines);
    const Line<C> line = lines[0].stripped();
    const char32_t letter = lower(line.at(first_alnum(line, signs_)));
    Bits bits;
    // The label of a link may be the first lines of a longer block.
    const bool file = (marks_[i] & kMayBeFile) != 0 || (look.count > kJoined && facts.letters < 14);
    pictures_and_plays(bits, block, shape, look, facts.ornament, file, lines, signs_);
    letters(bits, block, shape, look, facts, lines, signs_);
    columns(bits, block, shape, look, facts);
    const Answer answer = chapter(line);
    headings(bits, block, look, place, facts, line, signs_, answer != Answer::kNo);
    short_headings(bits, block, look, place, facts);
    lines_and_blocks(bits, block, shape, look, place, facts, scores_[i],
                     letter >= 0x80 || begins_with(line, signs_, U"fo"),
                     signs_.numeric(block.sign));
    // What else is proof in this block.
    Bits sure;
    sure.set(kCapitalsTitle, look.title && (look.count < 4 || place.front));
    sure.set(kChapterApart, answer == Answer::kYes);
    sure.set(kChapter, answer == Answer::kYes);
    sure.set(kSentenceOnAChapter, answer == Answer::kYes && look.count == 1);
    return {bits.value(), bits.value() & sure.value()};
}

#define CORPUSKIT_RULES(C)                                                              \
    template RuleBits Book<C>::rules_of(std::size_t, const Shape&, const Place&) const;
CORPUSKIT_RULES(std::uint8_t)
CORPUSKIT_RULES(std::uint16_t)
CORPUSKIT_RULES(char32_t)

const std::vector<RuleBit> kRuleBits = {
    {"ornament", true}, {"caption", false}, {"speaker_alone", false},
    {"direction_at_right", false}, {"speaker_above_speech", false},
    {"name_below_closing", false}, {"no_letter_in_a_note", false},
    {"too_long_for_a_letter_part", true}, {"centred_title", true}, {"at_right", true},
    {"address", true}, {"name_and_office", false}, {"closing_and_name", false},
    {"date_at_right", false}, {"sentence_to_somebody", false}, {"salutation", false},
    {"dated_sentence", false}, {"dateline", false}, {"signature", false},
    {"no_columns_in_a_note", false}, {"ruled", false}, {"three_columns", false},
    {"no_list_of_speeches", false}, {"line_at_right", false}, {"two_columns", false},
    {"leader", false}, {"numbers_at_ends", false},
    {"too_long_for_a_heading", true}, {"year_alone", false}, {"number_alone", false},
    {"no_letters", true}, {"no_heading_in_speech", true}, {"bracketed_capitals", false},
    {"capitals", false}, {"year", false}, {"open_lines", true}, {"imprint", false},
    {"chapter_apart", false}, {"sentence_on_a_chapter", false}, {"chapter", false},
    {"numbered_title", false}, {"small_letter_apart", true}, {"short_apart", true},
    {"alone_in_a_gap", true}, {"few_words_apart", true}, {"centred", false},
    {"centred_sentence", true}, {"title_page", true}, {"sentence_in_front", true},
    {"below_heading", false},
    {"note_label", false}, {"numbered_line", false}, {"line_of_note", false},
    {"line_beside_prose", false}, {"inset_line", false},
    {"speeches", false}, {"list_on_title_page", false}, {"numbered_items", false},
    {"amounts", false}, {"bare_lines", true}, {"note", false}, {"verse_score", true},
};

}  // namespace corpuskit::gutenberg
