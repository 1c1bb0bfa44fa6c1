// The loss meter: words, lines and sections, and the account of what is lost. What nests:
// loss_markup.cpp.
#include <stdexcept>

#include "engine/text/utf8.hpp"
#include "engine/wikitext/audit/loss_meter.hpp"

namespace corpuskit {

namespace {
constexpr std::size_t kExampleBytes = 160;
constexpr auto kGaps = static_cast<std::size_t>(LossKind::kGap);

}  // namespace

bool LossMeter::push(Frame frame) {
    if (frames_.size() >= kDeepest) return false;
    end_word();
    frame.begin = pos_;
    frame.words = words_.size();
    frames_.push_back(frame);
    ++open_[static_cast<std::size_t>(frame.kind)];
    return true;
}

void LossMeter::pop() {
    end_word();
    if (frames_.back().owner)
        uses_[frames_.back().use].end =
            place(std::min(pos_ + (at("}}") || at("]]") ? 2 : 0), page_.size()));
    hide(frames_.back(), false);
    unknown_ -= frames_.back().unknown;
    --open_[static_cast<std::size_t>(frames_.back().kind)];
    frames_.pop_back();
}

void LossMeter::hide(Frame& frame, bool on) {
    if (frame.hidden == on) return;
    frame.hidden = on;
    hidden_ += on ? 1 : -1;
}

void LossMeter::end_word() {
    if (!word_.empty() && !hidden()) put_word(word_.value(), word_use_);
    word_.clear();
    digit_ = false;
}

/// A word of prose outside of all frames can no more be forgotten and comes first anyway: it is
/// settled at once.
void LossMeter::put_word(std::uint64_t hash, std::uint32_t use) {
    if (use == 0 && frames_.empty()) return settle(hash, uses_[0], 0);
    words_.push_back(hash >> kNumberBits << kNumberBits | use);
}

/// Forgets the words of the piece that a frame is in: a name, a target, options.
void LossMeter::drop_piece(Frame& frame) {
    word_.clear();
    digit_ = false;
    words_.resize(std::min(words_.size(), frame.words));
}

std::uint32_t LossMeter::new_use(LossKind kind, std::string_view name, std::size_t start) {
    const std::uint32_t outer = use_now();
    const auto outer_kind = static_cast<LossKind>(rows.table.kinds[uses_[outer].row]);
    // Within a footnote, a dropped section or an infobox the outer one is what decides.
    if (outer_kind >= LossKind::kInfobox && outer_kind >= kind) return outer;
    if (kind == LossKind::kTable && outer_kind == LossKind::kTemplate) return outer;
    // What stands in a table or caption that goes is lost with it.
    if (outer_kind == LossKind::kTable && options_.tables == WikitextTables::kDrop &&
        kind <= LossKind::kCaption)
        return outer;
    if (outer_kind == LossKind::kCaption && !options_.captions && kind <= LossKind::kCaption)
        return outer;
    if (uses_.size() > kMostNumber) return outer;
    uses_.push_back({rows.find(kind, name), place(start), kOpenEnd});
    ++rows.table.uses[uses_.back().row];
    return static_cast<std::uint32_t>(uses_.size() - 1);
}

void LossMeter::letters() {
    while (pos_ < page_.size() && !special_[static_cast<unsigned char>(page_[pos_])]) {
        const char32_t c = next_code_point(page_, pos_);
        const WordPart part = word_part(c);
        if (part == WordPart::kLetter) {
            if (word_.empty()) word_use_ = use_now();
            word_.add(c);
            digit_ = c < 0x80 && is_digit(static_cast<char>(c));
            continue;
        }
        if (digit_ && joins_digits(c) && pos_ < page_.size() && is_digit(page_[pos_])) continue;
        end_word();
        if (part == WordPart::kNone) continue;
        word_use_ = use_now();
        word_.add(c);
        end_word();
    }
}

void LossMeter::special() {
    switch (page_[pos_]) {
        case '\n': return newline();
        case '{': return open_braces();
        case '}': return close_braces();
        case '[': return open_bracket();
        case ']': return close_bracket();
        case '|': return bar();
        case '=': return equals();
        case ':': return colon();
        case '<': return tag();
        case '&': return entity();
        case '!':
            end_word();
            ++pos_;
            if (at("!") && top_is(Open::kTable)) frames_.back().words = words_.size(), ++pos_;
            return;
        case '\'':
            // Bold may stand within a word.
            if (at("''")) while (pos_ < page_.size() && page_[pos_] == '\'') ++pos_;
            else end_word(), ++pos_;
            return;
        default: {  // '_'
            end_word();
            const std::size_t end = at("__") ? page_.substr(0, pos_ + 40).find("__", pos_ + 2)
                                             : kNone;
            pos_ = end != kNone && is_switch(page_.substr(pos_ + 2, end - pos_ - 2)) ? end + 2
                                                                                     : pos_ + 1;
        }
    }
}

// ------------------------------------------------------------------------------------------- lines

void LossMeter::newline() {
    end_word();
    ++pos_;
    if (in_heading_) in_heading_ = false, base_use_ = 0;
    while (!frames_.empty() &&
           (top_is(Open::kExternal) ||
            (top_is(Open::kLink) && !frames_.back().file && !frames_.back().named)))
        pop();
    line_start();
}

void LossMeter::line_start() {
    if (pos_ >= page_.size()) return;
    if (page_[pos_] == '=' && frames_.empty()) return heading();
    std::size_t i = pos_;
    while (i < page_.size() && i < pos_ + 16 && (page_[i] == ' ' || page_[i] == ':')) ++i;
    if (page_.substr(i, 2) == "{|" && frames_.size() < kDeepest) {
        pos_ = i;
        const std::uint32_t use = new_use(LossKind::kTable, "", pos_);
        if (push({.kind = Open::kTable, .owner = uses_[use].start == pos_, .use = use})) {
            pos_ = find_or_end(page_, '\n', pos_);
            return;
        }
    }
    if (top_is(Open::kTable)) {
        pos_ = i;
        table_line();
    }
}

/// What begins a line within a table.
void LossMeter::table_line() {
    if (at("|}")) {
        pos_ += 2;
        return pop();
    }
    if (at("|-")) {
        pos_ = find_or_end(page_, '\n', pos_);
        return;
    }
    if (pos_ < page_.size() && (page_[pos_] == '|' || page_[pos_] == '!')) {
        pos_ += at("|+") ? 2 : 1;
        frames_.back().words = words_.size();
    }
}

/// A heading begins a section, which may be one that is dropped with all that stands under it.
void LossMeter::heading() {
    const std::size_t end = find_or_end(page_, '\n', pos_);
    const std::string_view line = trim(page_.substr(pos_, end - pos_));
    std::size_t level = 0;
    while (level < 6 && 2 * level + 1 < line.size() && line[level] == '=' &&
           line[line.size() - 1 - level] == '=')
        ++level;
    if (level == 0) return;
    if (section_level_ != 0 && level > section_level_) return;
    section_level_ = 0;
    base_use_ = 0;
    const std::string name = fold_name(trim(line.substr(level, line.size() - 2 * level)));
    const bool dropped = sections_.contains(name);
    base_use_ = new_use(dropped ? LossKind::kSection : LossKind::kHeading, "", pos_);
    in_heading_ = !dropped;
    if (dropped) section_level_ = level;
}

// --------------------------------------------------------------------------------------- comparing

std::string LossMeter::example(const Use& use) const {
    std::string line;
    for (char c : page_.substr(
             use.start,
             std::min<std::size_t>(kExampleBytes, std::max(use.end, use.start) - use.start)))
        line.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
    return line;
}

/// Takes each word that waits from those of the text, prose first.
void LossMeter::settle() {
    std::array<bool, kLossKinds> used{};
    for (const Use& use : uses_) used[static_cast<std::size_t>(rows.table.kinds[use.row])] = true;
    const bool gaps = used[kGaps];
    if (gaps) used[kGaps + 1] = true;
    for (std::size_t kind = 0; kind < kLossKinds; ++kind) {
        if (kind == kGaps && gaps) find_fallbacks();
        if (!used[kind]) continue;
        for (const Word word : words_) {
            Use& use = uses_[word & kMostNumber];
            if (rows.table.kinds[use.row] == static_cast<std::int32_t>(kind))
                settle(word, use, kind);
        }
    }
}

/// A gap of which a word stands in the text, and is not prose's, is a fallback.
void LossMeter::find_fallbacks() {
    const auto gap = static_cast<std::int32_t>(LossKind::kGap);
    for (const Word word : words_) {
        Use& use = uses_[word & kMostNumber];
        if (rows.table.kinds[use.row] == gap && counts_.has(word))
            move(use, LossKind::kFallback);
    }
    // Neither may have a word to lose.
    for (const Use& use : uses_)
        if (const auto kind = rows.table.kinds[use.row]; kind == gap || kind == gap + 1)
            if (rows.table.pages[use.row] < 0) note_example(use);
}

void LossMeter::move(Use& use, LossKind kind) {
    const std::uint32_t row = rows.find(kind, rows.name(use.row));
    --rows.table.uses[use.row];
    ++rows.table.uses[row];
    use.row = row;
}

/// Takes a word of the wikitext from those of the text; what is not there any more is lost.
void LossMeter::settle(std::uint64_t hash, Use& use, std::size_t kind) {
    ++columns_[kind];
    ++rows.table.words[use.row];
    if (counts_.take(hash)) return;
    ++columns_[kLossKinds + kind];
    ++rows.table.lost[use.row];
    if (rows.table.pages[use.row] < 0) note_example(use);
}

void LossMeter::note_example(const Use& use) {
    rows.table.pages[use.row] = number_;
    const bool prose = rows.table.kinds[use.row] == static_cast<std::int32_t>(LossKind::kProse);
    rows.examples[use.row] = prose ? std::string() : example(use);
}

void LossMeter::measure(std::string_view page, std::string_view text, std::int64_t number,
                        std::int64_t* columns) {
    page_ = page;
    pos_ = 0;
    frames_.clear();
    open_.fill(0);
    words_.clear();
    uses_.assign(1, {rows.find(LossKind::kProse, ""), 0, kOpenEnd});
    ++rows.table.uses[uses_[0].row];
    base_use_ = 0;
    in_heading_ = false;
    section_level_ = hidden_ = unknown_ = 0;
    word_.clear();
    digit_ = false;
    never_closed_.fill(false);
    next_close_.fill(0);
    number_ = number;
    columns_ = columns;
    counts_.clear();
    count_words(text, counts_);
    line_start();
    while (pos_ < page_.size()) {
        letters();
        if (pos_ < page_.size()) special();
    }
    end_word();
    settle();
    table_bytes = std::max(
        table_bytes, words_.size() * sizeof(Word) + uses_.size() * sizeof(Use) + counts_.bytes());
    columns[2 * kLossKinds] = count_sentences(text);
    count_holes(text, options_.language, columns + 2 * kLossKinds + 1);
    count_leftovers(text, columns + 2 * kLossKinds + 1 + kLossHoles);
}

LossBatch measure_loss(const Column& pages, const Column& texts,
                       const WikitextOptions& options) {
    if (pages.size != texts.size)
        throw std::invalid_argument("there are not as many texts as pages");
    check_column(pages);
    check_column(texts);
    LossMeter meter(options);
    LossBatch batch;
    batch.columns.assign(pages.size * kLossColumns, 0);
    for (std::size_t i = 0; i < pages.size; ++i)
        meter.measure(pages[i], texts[i], static_cast<std::int64_t>(i),
                      batch.columns.data() + i * kLossColumns);
    batch.table_bytes = meter.table_bytes;
    meter.rows.take(batch.table);
    return batch;
}

}  // namespace corpuskit
