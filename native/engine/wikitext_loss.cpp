#include "wikitext_loss.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <stdexcept>
#include <unordered_map>

#include "text_case.hpp"
#include "wikitext_internal.hpp"
#include "wikitext_loss_internal.hpp"

namespace corpuskit {

namespace {

constexpr std::size_t kNone = std::string::npos;
constexpr std::size_t kDeepest = 200;      // frames; what opens beyond is text
constexpr std::size_t kLongestName = 120;  // of a template that is told apart
constexpr std::size_t kExampleBytes = 160;

/// A word that waits for its turn: its hash without the lowest bits, where the number of its use stands.
using Word = std::uint64_t;

constexpr std::uint32_t kOpenEnd = 0xFFFFFFFF;

/// One use of a template, table, file...; use 0 of a page is its prose. Places beyond 4 GiB are cut off: they serve
/// an example only.
struct Use {
    std::uint32_t row;    // of the table
    std::uint32_t start;  // in the page
    std::uint32_t end;    // kOpenEnd while it is open
};
std::uint32_t place(std::size_t at) { return static_cast<std::uint32_t>(std::min<std::size_t>(at, kOpenEnd)); }

enum class Open : std::uint8_t { kTemplate, kLink, kExternal, kTable, kReference };

struct Frame {
    Open kind;
    bool named = false;      // a template: its name is behind us; a link: its target is
    bool file = false;       // a link to a file
    bool hidden = false;     // what comes until the next '|' is no text: an argument that styles
    bool owner = false;      // whether its use is its own, not that of what it stands in
    bool fresh = false;      // an argument in which no '=' was met yet
    std::uint32_t use = 0;   // what its words belong to
    std::size_t begin = 0;   // in the page
    std::size_t words = 0;   // how many there were when its current piece began
};

/// Names of arguments that hold no text: what they say is seen, not read.
bool is_style(std::string_view name) {
    static constexpr std::string_view kStyles[] = {
        "style", "class", "align", "valign", "width", "height", "colspan", "rowspan", "bgcolor", "color", "url",
        "image", "img", "file", "image_size", "imagesize", "access-date", "accessdate", "archive-url", "archiveurl",
        "id", "border", "float", "size", "lang", "isbn", "doi", "pmid", "url-status", "format", "upright"};
    return std::any_of(std::begin(kStyles), std::end(kStyles), [&](auto s) { return equal_folded(s, name); });
}

/// Options of a file: what is no caption.
bool is_file_option(std::string_view text) {
    static constexpr std::string_view kOptions[] = {"thumb", "thumbnail", "right", "left", "center", "none", "frame",
        "framed", "frameless", "border", "upright", "mini", "rechts", "links", "zentriert", "vignette", "droite",
        "gauche", "centré", "miniatura", "miniaturadeimagen", "derecha", "izquierda", "destra", "sinistra", "nhỏ", "phải", "trái"};
    text = trim(text);
    return text.ends_with("px") || text.find('=') < 16 ||
           std::any_of(std::begin(kOptions), std::end(kOptions), [&](auto s) { return equal_folded(s, text); });
}

/// Rows of the table by kind and name.
class Rows {
  public:
    std::uint32_t find(LossKind kind, std::string_view name) {
        std::string key(1, static_cast<char>(kind));
        key.append(name);
        const auto [it, added] = index_.emplace(std::move(key), static_cast<std::uint32_t>(table.kinds.size()));
        if (!added) return it->second;
        table.kinds.push_back(static_cast<std::int32_t>(kind));
        table.names.bytes.append(name);
        table.names.end_string();
        for (auto* column : {&table.uses, &table.words, &table.lost}) column->push_back(0);
        table.pages.push_back(-1);
        examples.emplace_back();
        return it->second;
    }

    LossTable table;
    std::vector<std::string> examples;

  private:
    std::unordered_map<std::string, std::uint32_t> index_;
};

class Meter {
  public:
    explicit Meter(const WikitextOptions& options) : options_(options), classes_(options.template_classes) {
        for (unsigned char c : std::string_view("{}[]|=<&\n'_!:")) special_[c] = true;
        const auto fill = [](const std::vector<std::string>& from, NameSet& to) {
            for (const std::string& name : from) to.insert(fold_name(trim(name)));
        };
        fill(options.file_prefixes, files_);
        fill(options.category_prefixes, categories_);
        fill(options.drop_sections, sections_);
    }

    void measure(std::string_view page, std::string_view text, std::int64_t number, std::int64_t* columns);

    Rows rows;
    std::size_t table_bytes = 0;  // see LossBatch

  private:
    // reading the wikitext
    void special();
    void letters();
    void newline();
    void line_start();
    void heading();
    void table_line();
    void open_braces();
    void close_braces();
    void open_bracket();
    void close_bracket();
    void bar();
    void equals();
    void colon();
    void tag();
    bool has_close(TagName known, std::string_view name, std::size_t from);
    void opaque(std::string_view name, std::size_t inside);
    void entity();
    void skip_until(std::string_view what);
    void piece(std::string_view text, std::uint32_t use);

    bool at(std::string_view what) const { return page_.substr(pos_, what.size()) == what; }
    bool top_is(Open kind) const { return !frames_.empty() && frames_.back().kind == kind; }
    bool is_open(Open kind) const { return open_[static_cast<std::size_t>(kind)] > 0; }
    bool push(Frame frame);
    void pop();
    std::uint32_t use_now() const { return frames_.empty() ? base_use_ : frames_.back().use; }
    std::uint32_t new_use(LossKind kind, std::string_view name, std::size_t start);
    void end_word();
    void put_word(std::uint64_t hash, std::uint32_t use);
    void drop_piece(Frame& frame);
    void template_named(Frame& frame, std::string_view name);
    LossKind kind_by_rule(const std::string& key) const;
    bool hidden() const { return hidden_ > 0; }
    void hide(Frame& frame, bool on);
    // comparing
    void settle();
    void settle(std::uint64_t hash, Use& use, std::size_t kind);
    std::string example(const Use& use) const;

    const WikitextOptions& options_;
    TemplateClasses classes_;
    NameSet files_, categories_, sections_;
    std::array<bool, 256> special_{};
    std::string_view page_;
    std::size_t pos_ = 0;
    std::vector<Frame> frames_;
    std::array<std::size_t, 5> open_{};
    // In blocks: a page of 10 MB may have five million words, and growing a vector would hold them twice.
    std::deque<Word> words_;
    std::deque<Use> uses_;
    std::uint32_t base_use_ = 0;    // of prose, or of a section that is dropped
    bool in_heading_ = false;       // base_use_ is a heading's
    std::size_t section_level_ = 0;  // of the section that is dropped
    std::size_t hidden_ = 0;
    WordHash word_;
    std::uint32_t word_use_ = 0;
    bool digit_ = false;            // whether the word ends with a digit
    WordCounts counts_;             // words of the text that are not yet taken
    std::int64_t number_ = 0;       // of the page in its batch
    std::int64_t* columns_ = nullptr;
    std::array<bool, kTagNames> never_closed_{};
    std::array<std::size_t, kTagNames> next_close_{};  // 0 while it is not known
};

bool Meter::push(Frame frame) {
    if (frames_.size() >= kDeepest) return false;
    end_word();
    frame.begin = pos_;
    frame.words = words_.size();
    frames_.push_back(frame);
    ++open_[static_cast<std::size_t>(frame.kind)];
    return true;
}

void Meter::pop() {
    end_word();
    if (frames_.back().owner) uses_[frames_.back().use].end = place(std::min(pos_ + (at("}}") || at("]]") ? 2 : 0), page_.size()));
    hide(frames_.back(), false);
    --open_[static_cast<std::size_t>(frames_.back().kind)];
    frames_.pop_back();
}

void Meter::hide(Frame& frame, bool on) {
    if (frame.hidden == on) return;
    frame.hidden = on;
    hidden_ += on ? 1 : -1;
}

void Meter::end_word() {
    if (!word_.empty() && !hidden()) put_word(word_.value(), word_use_);
    word_.clear();
    digit_ = false;
}

/// A word of prose outside of all frames can no more be forgotten and comes first anyway: it is settled at once.
void Meter::put_word(std::uint64_t hash, std::uint32_t use) {
    if (use == 0 && frames_.empty()) return settle(hash, uses_[0], 0);
    words_.push_back(hash >> kNumberBits << kNumberBits | use);
}

/// Forgets the words of the piece that a frame is in: a name, a target, options.
void Meter::drop_piece(Frame& frame) {
    word_.clear();
    digit_ = false;
    words_.resize(std::min(words_.size(), frame.words));
}

std::uint32_t Meter::new_use(LossKind kind, std::string_view name, std::size_t start) {
    const std::uint32_t outer = use_now();
    const auto outer_kind = static_cast<LossKind>(rows.table.kinds[uses_[outer].row]);
    // Within a footnote, a dropped section or an infobox the outer one is what decides.
    if (outer_kind >= LossKind::kInfobox && outer_kind >= kind) return outer;
    if (kind == LossKind::kTable && outer_kind == LossKind::kTemplate) return outer;
    // What stands in a table or caption that goes is lost with it.
    if (outer_kind == LossKind::kTable && options_.tables == WikitextTables::kDrop && kind <= LossKind::kCaption) return outer;
    if (outer_kind == LossKind::kCaption && !options_.captions && kind <= LossKind::kCaption) return outer;
    if (uses_.size() > kMostNumber) return outer;
    uses_.push_back({rows.find(kind, name), place(start), kOpenEnd});
    ++rows.table.uses[uses_.back().row];
    return static_cast<std::uint32_t>(uses_.size() - 1);
}

void Meter::letters() {
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

void Meter::special() {
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
            if (at("''")) while (pos_ < page_.size() && page_[pos_] == '\'') ++pos_;  // bold may stand within a word
            else end_word(), ++pos_;
            return;
        default: {  // '_'
            end_word();
            const std::size_t end = at("__") ? page_.substr(0, pos_ + 40).find("__", pos_ + 2) : kNone;
            pos_ = end != kNone && is_switch(page_.substr(pos_ + 2, end - pos_ - 2)) ? end + 2 : pos_ + 1;
        }
    }
}

// ----------------------------------------------------------------------------------------------- lines

void Meter::newline() {
    end_word();
    ++pos_;
    if (in_heading_) in_heading_ = false, base_use_ = 0;
    while (!frames_.empty() && (top_is(Open::kExternal) || (top_is(Open::kLink) && !frames_.back().file && !frames_.back().named)))
        pop();
    line_start();
}

void Meter::line_start() {
    if (pos_ >= page_.size()) return;
    if (page_[pos_] == '=' && frames_.empty()) return heading();
    std::size_t i = pos_;
    while (i < page_.size() && i < pos_ + 16 && (page_[i] == ' ' || page_[i] == ':')) ++i;
    if (page_.substr(i, 2) == "{|" && frames_.size() < kDeepest) {
        pos_ = i;
        const std::uint32_t use = new_use(LossKind::kTable, "", pos_);
        if (push({.kind = Open::kTable, .owner = uses_[use].start == pos_, .use = use})) {
            pos_ = std::min(page_.find('\n', pos_), page_.size());
            return;
        }
    }
    if (top_is(Open::kTable)) {
        pos_ = i;
        table_line();
    }
}

/// What begins a line within a table.
void Meter::table_line() {
    if (at("|}")) {
        pos_ += 2;
        return pop();
    }
    if (at("|-")) {
        pos_ = std::min(page_.find('\n', pos_), page_.size());
        return;
    }
    if (pos_ < page_.size() && (page_[pos_] == '|' || page_[pos_] == '!')) {
        pos_ += at("|+") ? 2 : 1;
        frames_.back().words = words_.size();
    }
}

/// A heading begins a section, which may be one that is dropped with all that stands under it.
void Meter::heading() {
    const std::size_t end = std::min(page_.find('\n', pos_), page_.size());
    const std::string_view line = trim(page_.substr(pos_, end - pos_));
    std::size_t level = 0;
    while (level < 6 && 2 * level + 1 < line.size() && line[level] == '=' && line[line.size() - 1 - level] == '=') ++level;
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

// ------------------------------------------------------------------------------------------- templates

void Meter::open_braces() {
    end_word();
    if (!at("{{")) {
        ++pos_;
        return;
    }
    const std::size_t length = at("{{{") && !at("{{{{") ? 3 : 2;
    if (push({.kind = Open::kTemplate, .use = use_now()})) frames_.back().words = words_.size();
    pos_ += length;
}

void Meter::close_braces() {
    end_word();
    if (at("}}") && is_open(Open::kTemplate)) {
        while (!top_is(Open::kTemplate)) pop();
        Frame& frame = frames_.back();
        if (!frame.named) {
            template_named(frame, page_.substr(frame.begin, pos_ - frame.begin));
            drop_piece(frame);
        }
        pop();
        pos_ += at("}}}") && !at("}}}}") ? 3 : 2;
        return;
    }
    ++pos_;
}

/// A template that a rule drops is lost on purpose, and a footnote if that is why.
LossKind Meter::kind_by_rule(const std::string& key) const {
    std::string matched;
    const TemplateRule* rule = options_.templates ? options_.templates->find(key, matched) : nullptr;
    if (rule == nullptr || rule->render != Render::kDrop) return LossKind::kTemplate;
    return rule->spec.starts_with("footnote") ? LossKind::kReference : LossKind::kDropped;
}

/// A template's name is complete: its words are none of the page's, and what follows belongs to it.
void Meter::template_named(Frame& frame, std::string_view name) {
    name = trim(name.substr(std::min(name.find_first_not_of('{'), name.size())));
    if (name.size() > kLongestName) name = name.substr(0, 0);
    std::string key = fold_name(name);
    const LossKind ruled = kind_by_rule(key);
    if (const std::size_t colon = key.find(':'); colon != kNone && find_function(key.substr(0, colon), true) != Function::kUnknown)
        key.resize(colon);
    const TemplateClass found = classes_.find(key).kind;
    const LossKind kind = found == TemplateClass::kInfobox   ? LossKind::kInfobox
                          : found == TemplateClass::kHatnote ? LossKind::kHatnote
                                                             : ruled;
    frame.named = true;
    const Frame kept = frame;
    frames_.pop_back();  // what it stands in is what new_use looks at
    const std::uint32_t use = new_use(kind, key, kept.begin);
    frames_.push_back(kept);
    frames_.back().use = use;
    frames_.back().owner = uses_[use].start == kept.begin;
}

/// "{{lc:Text": what follows the colon of such a function is text.
void Meter::colon() {
    end_word();
    if (top_is(Open::kTemplate) && !frames_.back().named && pos_ - frames_.back().begin < 24) {
        Frame& frame = frames_.back();
        const std::string name = fold_name(trim(page_.substr(frame.begin + 2, pos_ - frame.begin - 2)));
        const Function function = find_function(name, true);
        const bool text = function >= Function::kFormatNumber && function <= Function::kPadRight && function != Function::kPlural;
        if (text) {
            drop_piece(frame);
            template_named(frame, name);
            frames_.back().words = words_.size();
        }
    }
    ++pos_;
}

void Meter::equals() {
    end_word();
    if (top_is(Open::kTemplate) && frames_.back().fresh) {
        Frame& frame = frames_.back();
        frame.fresh = false;
        const std::string_view name = trim(page_.substr(frame.begin, pos_ - frame.begin));
        drop_piece(frame);
        hide(frame, is_style(name));
    }
    ++pos_;
}

// ----------------------------------------------------------------------------------------------- links

void Meter::open_bracket() {
    if (at("[[")) {
        const std::uint32_t use = use_now();
        const WordHash before = word_;  // "foo[[bar]]" is one word: it goes on in the link
        const bool digit = digit_;
        if (frames_.size() < kDeepest) {
            word_.clear();
            push({.kind = Open::kLink, .use = use});
            word_ = before;
            digit_ = digit;
        }
        pos_ += 2;
        return;
    }
    end_word();
    const std::string_view rest = page_.substr(pos_ + 1, 8);
    const bool url = rest.starts_with("http://") || rest.starts_with("https://") || rest.starts_with("//") || rest.starts_with("ftp://");
    if (url && push({.kind = Open::kExternal, .named = true, .use = use_now()})) {
        pos_ = std::min(page_.find_first_of(" ]\n\t<", pos_), page_.size());
        return;
    }
    ++pos_;
}

void Meter::close_bracket() {
    if (top_is(Open::kExternal)) {
        pop();
        ++pos_;
        return;
    }
    if (!at("]]") || !top_is(Open::kLink)) {
        end_word();
        ++pos_;
        return;
    }
    Frame& frame = frames_.back();
    const std::string_view inside = page_.substr(frame.begin + 2, pos_ - frame.begin - 2);
    const std::size_t colon = inside.substr(0, 80).find(':');
    const std::string prefix = colon == kNone || colon == 0 ? std::string() : fold_name(trim(inside.substr(0, colon)));
    const std::size_t bar = frame.file ? inside.rfind('|') : kNone;
    bool drop = !prefix.empty() && (categories_.contains(prefix) || is_interlanguage(prefix) ||
                                    (!frame.named && files_.contains(prefix)));
    drop = drop || (frame.file && bar != kNone && is_file_option(inside.substr(bar + 1)));
    if (drop) drop_piece(frame);
    if (frame.file || drop) {
        pop();
    } else {  // the word may go on behind the link
        --open_[static_cast<std::size_t>(Open::kLink)];
        frames_.pop_back();
    }
    pos_ += 2;
}

void Meter::bar() {
    if (frames_.empty()) {
        end_word();
        ++pos_;
        return;
    }
    while (top_is(Open::kExternal) && frames_.size() > 1) pop();
    Frame& frame = frames_.back();
    switch (frame.kind) {
        case Open::kTemplate: {
            end_word();
            hide(frame, false);
            if (!frame.named) {
                template_named(frame, page_.substr(frame.begin, pos_ - frame.begin));
                drop_piece(frames_.back());
            }
            Frame& now = frames_.back();
            now.fresh = true;
            now.begin = pos_ + 1;
            now.words = words_.size();
            break;
        }
        case Open::kLink: {
            const bool first = !frame.named;
            if (first) {
                const std::string_view target = page_.substr(frame.begin + 2, pos_ - frame.begin - 2);
                const std::size_t colon = target.substr(0, 80).find(':');
                frame.file = colon != kNone && colon > 0 && files_.contains(fold_name(trim(target.substr(0, colon))));
                frame.named = true;
                if (frame.file) {
                    drop_piece(frame);
                    const std::uint32_t use = new_use(LossKind::kCaption, "", frame.begin);
                    frames_.back().use = use;
                    frames_.back().owner = uses_[use].start == frame.begin;
                }
            }
            if (first || frame.file) drop_piece(frames_.back());
            break;
        }
        case Open::kTable:
            end_word();
            if (at("||")) ++pos_, frame.words = words_.size();
            else drop_piece(frame), frame.words = words_.size();
            break;
        default: end_word();
    }
    ++pos_;
}

// ------------------------------------------------------------------------------------------------ tags

void Meter::skip_until(std::string_view what) {
    const std::size_t found = page_.find(what, pos_);
    pos_ = found == kNone ? page_.size() : found + what.size();
}

void Meter::tag() {
    if (at("<!--")) return skip_until("-->");
    const bool closing = at("</");
    std::size_t end = pos_ + (closing ? 2 : 1);
    std::string name;
    while (end < page_.size() && name.size() < 24 && is_word(page_[end])) name.push_back(lower(page_[end++]));
    const TagName known = find_tag(name);
    const std::size_t close = known.kind == Tag::kUnknown ? kNone : page_.find_first_of("<>", end);
    if (close == kNone || page_[close] == '<') {
        end_word();
        ++pos_;
        return;
    }
    const bool self_closing = page_[close - 1] == '/';
    const bool joins = known.kind == Tag::kInline;  // "H<sub>2</sub>O" is one word
    if (!joins) end_word();
    if (known.kind == Tag::kReference) {
        const std::size_t begin = pos_;
        pos_ = close + 1;
        if (closing && is_open(Open::kReference)) {
            while (!top_is(Open::kReference)) pop();
            pop();
        } else if (!closing && !self_closing && has_close(known, name, close)) {
            const std::uint32_t use = new_use(LossKind::kReference, "", begin);
            push({.kind = Open::kReference, .owner = uses_[use].start == begin, .use = use});
        }
        return;
    }
    pos_ = close + 1;
    if (!closing && !self_closing && has_close(known, name, close)) opaque(name, close + 1);
}

/// Whether a tag is closed somewhere behind `from`. The answer "no" holds for the rest of the page.
bool Meter::has_close(TagName known, std::string_view name, std::size_t from) {
    bool& missing = never_closed_[known.index];
    if (missing) return false;
    std::size_t& next = next_close_[known.index];
    if (next >= from && next != kNone) return true;
    next = page_.find(std::string("</").append(name), from);
    missing = next == kNone;
    return !missing;
}

/// Passes over what is not read as wikitext; `inside` is where it begins.
void Meter::opaque(std::string_view name, std::size_t inside) {
    static constexpr std::string_view kHidden[] = {"math", "chem", "ce", "timeline", "score", "graph", "templatedata",
                                                   "mapframe", "maplink", "imagemap", "hiero", "templatestyles"};
    static constexpr std::string_view kRaw[] = {"nowiki", "pre", "syntaxhighlight", "source", "gallery"};
    const bool hide = std::find(std::begin(kHidden), std::end(kHidden), name) != std::end(kHidden);
    const bool raw = std::find(std::begin(kRaw), std::end(kRaw), name) != std::end(kRaw);
    if (!hide && !raw) return;
    const std::size_t end = page_.find(std::string("</").append(name), inside);
    if (end == kNone) return;
    const std::string_view text = page_.substr(inside, end - inside);
    if (name == "gallery") {
        const std::uint32_t use = new_use(LossKind::kCaption, "", inside);
        uses_[use].end = std::min(place(end), uses_[use].end);
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t line_end = std::min(text.find('\n', at), text.size());
            const std::string_view line = text.substr(at, line_end - at);
            if (const std::size_t bar = line.rfind('|'); bar != kNone) piece(line.substr(bar + 1), use);
            at = line_end + 1;
        }
    } else if (raw) {
        piece(text, use_now());
    }
    pos_ = end;
}

/// The words of a stretch that is no wikitext.
void Meter::piece(std::string_view text, std::uint32_t use) {
    WordHash word;
    for (std::size_t at = 0; at <= text.size();) {
        const char32_t c = at < text.size() ? next_code_point(text, at) : (++at, U' ');
        const WordPart part = word_part(c);
        if (part != WordPart::kNone) word.add(c);
        if (part == WordPart::kLetter || word.empty()) continue;
        if (!hidden()) put_word(word.value(), use);
        word.clear();
    }
}

void Meter::entity() {
    std::size_t length = 0;
    const char32_t c = parse_entity(page_.substr(pos_), length);
    if (c == 0) {
        end_word();
        ++pos_;
        return;
    }
    pos_ += length;
    if (digit_ && joins_digits(c) && pos_ < page_.size() && is_digit(page_[pos_])) return;
    if (word_part(c) == WordPart::kNone) return end_word();
    if (word_.empty()) word_use_ = use_now();
    word_.add(c);
}

// ------------------------------------------------------------------------------------------- comparing

std::string Meter::example(const Use& use) const {
    std::string line;
    for (char c : page_.substr(use.start, std::min<std::size_t>(kExampleBytes, std::max(use.end, use.start) - use.start)))
        line.push_back(static_cast<unsigned char>(c) < 0x20 ? ' ' : c);
    return line;
}

/// Takes each word that waits from those of the text, prose first.
void Meter::settle() {
    for (std::size_t kind = 0; kind < kLossKinds; ++kind) {
        for (const Word word : words_) {
            Use& use = uses_[word & kMostNumber];
            if (rows.table.kinds[use.row] == static_cast<std::int32_t>(kind)) settle(word, use, kind);
        }
    }
}

/// Takes a word of the wikitext from those of the text; what is not there any more is lost.
void Meter::settle(std::uint64_t hash, Use& use, std::size_t kind) {
    ++columns_[kind];
    ++rows.table.words[use.row];
    if (counts_.take(hash)) return;
    ++columns_[kLossKinds + kind];
    ++rows.table.lost[use.row];
    if (rows.table.pages[use.row] >= 0) return;
    rows.table.pages[use.row] = number_;
    rows.examples[use.row] = kind == 0 ? std::string() : example(use);
}

void Meter::measure(std::string_view page, std::string_view text, std::int64_t number, std::int64_t* columns) {
    page_ = page;
    pos_ = 0;
    frames_.clear();
    open_.fill(0);
    words_.clear();
    uses_.assign(1, {rows.find(LossKind::kProse, ""), 0, kOpenEnd});
    ++rows.table.uses[uses_[0].row];
    base_use_ = 0;
    in_heading_ = false;
    section_level_ = hidden_ = 0;
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
    table_bytes = std::max(table_bytes, words_.size() * sizeof(Word) + uses_.size() * sizeof(Use) + counts_.bytes());
    columns[2 * kLossKinds] = count_sentences(text);
    count_holes(text, options_.language, columns + 2 * kLossKinds + 1);
    count_leftovers(text, columns + 2 * kLossKinds + 1 + kLossHoles);
}

}  // namespace

LossBatch measure_loss(const WikitextColumn& pages, const WikitextColumn& texts, const WikitextOptions& options) {
    if (pages.size != texts.size) throw std::invalid_argument("there are not as many texts as pages");
    check_column(pages);
    check_column(texts);
    Meter meter(options);
    LossBatch batch;
    batch.columns.assign(pages.size * kLossColumns, 0);
    for (std::size_t i = 0; i < pages.size; ++i)
        meter.measure(pages[i], texts[i], static_cast<std::int64_t>(i), batch.columns.data() + i * kLossColumns);
    batch.table_bytes = meter.table_bytes;
    batch.table = std::move(meter.rows.table);
    for (const std::string& example : meter.rows.examples) {
        batch.table.examples.bytes.append(example);
        batch.table.examples.end_string();
    }
    return batch;
}

}  // namespace corpuskit
