// The loss meter reads what nests: templates, links, tags.

#include "engine/text/utf8.hpp"
#include "engine/wikitext/audit/loss_meter.hpp"
#include "engine/wikitext/parse/entities.hpp"
#include "engine/wikitext/templates/fallback.hpp"
#include "engine/wikitext/templates/functions.hpp"

namespace corpuskit {

namespace {
constexpr std::size_t kLongestName = 120;  // of a template that is told apart

/// Names of arguments that hold no text: what they say is seen, not read.
bool is_style(std::string_view name) {
    static constexpr std::string_view kStyles[] = {
        "style", "class", "align", "valign", "width", "height", "colspan", "rowspan", "bgcolor",
        "color", "url", "image", "img", "file", "image_size", "imagesize", "access-date",
        "accessdate", "archive-url", "archiveurl", "id", "border", "float", "size", "lang", "isbn",
        "doi", "pmid", "url-status", "format", "upright",
    };
    return contains_folded(kStyles, name);
}

/// Options of a file: what is no caption.
bool is_file_option(std::string_view text) {
    static constexpr std::string_view kOptions[] = {
        "thumb",     "thumbnail", "right",  "left",     "center", "none",      "frame",
        "framed",    "frameless", "border", "upright",  "mini",   "rechts",    "links",
        "zentriert", "vignette",  "droite", "gauche",   "centré", "miniatura", "miniaturadeimagen",
        "derecha",   "izquierda", "destra", "sinistra", "nhỏ",    "phải",      "trái"};
    text = trim(text);
    return text.ends_with("px") || text.find('=') < 16 || contains_folded(kOptions, text);
}

}  // namespace

// --------------------------------------------------------------------------------------- templates

void LossMeter::open_braces() {
    end_word();
    if (!at("{{")) return skip();
    const std::size_t length = at("{{{") && !at("{{{{") ? 3 : 2;
    if (push({.kind = Open::kTemplate, .use = use_now()})) frames_.back().words = words_.size();
    pos_ += length;
}

void LossMeter::close_braces() {
    end_word();
    if (at("}}") && is_open(Open::kTemplate)) {
        while (!top_is(Open::kTemplate)) pop();
        Frame& frame = frames_.back();
        if (!frame.named) {
            template_named(frame, page_.substr(frame.begin, pos_ - frame.begin));
            drop_piece(frame);
        }
        end_argument(frame);
        judge_unknown(frame);
        pop();
        pos_ += at("}}}") && !at("}}}}") ? 3 : 2;
        return;
    }
    ++pos_;
}

/// Of {{convert|10|mi|km}} the numbers stay; codes of units and settings become other words.
void LossMeter::end_argument(Frame& frame) {
    if (frame.converts && !is_number(frame.begin)) drop_piece(frame);
}

bool LossMeter::is_number(std::size_t begin) const {
    const std::string_view text = trim(page_.substr(begin, pos_ - begin));
    return !text.empty() && is_digit(text[is_any(text[0], "-+.") && text.size() > 1 ? 1 : 0]);
}

/// A template that nothing tells of is a gap in running text, until one of its words is found.
void LossMeter::judge_unknown(const Frame& frame) {
    Use& use = uses_[frame.use];
    // Within another such template, a bar perhaps, it is a part of that.
    if (!frame.unknown || !frame.owner || unknown_ > 1 ||
        find_call_site(page_, use.start, pos_ + 2) != CallSite::kRunning)
        return;
    move(use, LossKind::kGap);
}

/// A template that a rule drops is lost on purpose, and a footnote if that is why.
LossKind LossMeter::kind_by_rule(const TemplateRule* rule) const {
    if (rule == nullptr || rule->render != Render::kDrop) return LossKind::kTemplate;
    return rule->spec.starts_with("footnote") ? LossKind::kReference : LossKind::kDropped;
}

/// A template's name is complete: its words are none of the page's, and what follows belongs to it.
void LossMeter::template_named(Frame& frame, std::string_view name) {
    name = trim(name.substr(std::min(name.find_first_not_of('{'), name.size())));
    if (name.size() > kLongestName) name = name.substr(0, 0);
    std::string key = fold_name(name);
    std::string matched;
    const TemplateRule* rule = options_.templates ? options_.templates->find(key, name, matched)
                                                  : nullptr;
    const LossKind ruled = kind_by_rule(rule);
    if (const std::size_t colon = key.find(':');
        colon != kNone && find_function(key.substr(0, colon), true) != Function::kUnknown)
        key.resize(colon);
    const TemplateClass found = classes_.find(key).kind;
    const LossKind kind = found == TemplateClass::kInfobox   ? LossKind::kInfobox
                          : found == TemplateClass::kHatnote ? LossKind::kHatnote
                          : found == TemplateClass::kApart   ? LossKind::kDropped
                                                             : ruled;
    frame.named = true;
    const Frame kept = frame;
    frames_.pop_back();  // what it stands in is what new_use looks at
    const std::uint32_t use = new_use(kind, key, kept.begin);
    frames_.push_back(kept);
    frames_.back().use = use;
    frames_.back().owner = uses_[use].start == kept.begin;
    frames_.back().unknown = rule == nullptr && found == TemplateClass::kNone &&
                             options_.templates && may_fall_back(key);
    unknown_ += frames_.back().unknown;
    frames_.back().converts = rule != nullptr && (rule->render == Render::kConvert ||
                                                  rule->render == Render::kConvertSymbol);
}

/// "{{lc:Text": what follows the colon of such a function is text.
void LossMeter::colon() {
    end_word();
    if (top_is(Open::kTemplate) && !frames_.back().named && pos_ - frames_.back().begin < 24) {
        Frame& frame = frames_.back();
        const std::string name =
            fold_name(trim(page_.substr(frame.begin + 2, pos_ - frame.begin - 2)));
        const Function function = find_function(name, true);
        const bool text = function >= Function::kFormatNumber && function <= Function::kPadRight &&
                          function != Function::kPlural;
        if (text) {
            drop_piece(frame);
            template_named(frame, name);
            frames_.back().words = words_.size();
        }
    }
    ++pos_;
}

void LossMeter::equals() {
    end_word();
    if (top_is(Open::kTemplate) && frames_.back().fresh) {
        Frame& frame = frames_.back();
        frame.fresh = false;
        const std::string_view name = trim(page_.substr(frame.begin, pos_ - frame.begin));
        drop_piece(frame);
        hide(frame, frame.converts || is_style(name));
    }
    ++pos_;
}

// ------------------------------------------------------------------------------------------- links

void LossMeter::open_bracket() {
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
    const bool url = rest.starts_with("http://") || rest.starts_with("https://") ||
                     rest.starts_with("//") || rest.starts_with("ftp://");
    if (url && push({.kind = Open::kExternal, .named = true, .use = use_now()})) {
        pos_ = std::min(page_.find_first_of(" ]\n\t<", pos_), page_.size());
        return;
    }
    ++pos_;
}

void LossMeter::close_bracket() {
    if (top_is(Open::kExternal)) {
        pop();
        ++pos_;
        return;
    }
    if (!at("]]") || !top_is(Open::kLink)) return skip();
    Frame& frame = frames_.back();
    const std::string_view inside = page_.substr(frame.begin + 2, pos_ - frame.begin - 2);
    const std::size_t colon = inside.substr(0, 80).find(':');
    const std::string prefix = colon == kNone || colon == 0
                                   ? std::string()
                                   : fold_name(trim(inside.substr(0, colon)));
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

void LossMeter::bar() {
    if (frames_.empty()) return skip();
    while (top_is(Open::kExternal) && frames_.size() > 1) pop();
    Frame& frame = frames_.back();
    switch (frame.kind) {
        case Open::kTemplate: {
            end_word();
            hide(frame, false);
            end_argument(frame);
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
                const std::string_view target = page_.substr(frame.begin + 2,
                                                             pos_ - frame.begin - 2);
                const std::size_t colon = target.substr(0, 80).find(':');
                frame.file = colon != kNone && colon > 0 &&
                             files_.contains(fold_name(trim(target.substr(0, colon))));
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

// -------------------------------------------------------------------------------------------- tags

void LossMeter::skip_until(std::string_view what) {
    const std::size_t found = page_.find(what, pos_);
    pos_ = found == kNone ? page_.size() : found + what.size();
}

void LossMeter::tag() {
    if (at("<!--")) return skip_until("-->");
    const bool closing = at("</");
    std::size_t end = pos_ + (closing ? 2 : 1);
    std::string name;
    while (end < page_.size() && name.size() < 24 && is_word(page_[end]))
        name.push_back(lower(page_[end++]));
    const TagName known = find_tag(name);
    const std::size_t close = known.kind == Tag::kUnknown ? kNone : page_.find_first_of("<>", end);
    if (close == kNone || page_[close] == '<') return skip();
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
bool LossMeter::has_close(TagName known, std::string_view name, std::size_t from) {
    bool& missing = never_closed_[known.index];
    if (missing) return false;
    std::size_t& next = next_close_[known.index];
    if (next >= from && next != kNone) return true;
    next = page_.find(std::string("</").append(name), from);
    missing = next == kNone;
    return !missing;
}

/// Passes over what is not read as wikitext; `inside` is where it begins.
void LossMeter::opaque(std::string_view name, std::size_t inside) {
    static constexpr std::string_view kHidden[] = {
        "math",         "chem",     "ce",      "timeline", "score", "graph",
        "templatedata", "mapframe", "maplink", "imagemap", "hiero", "templatestyles"};
    static constexpr std::string_view kRaw[] = {"nowiki", "pre", "syntaxhighlight", "source",
                                                "gallery"};
    const bool raw = contains(kRaw, name);
    if (!raw && !contains(kHidden, name)) return;
    const std::size_t end = page_.find(std::string("</").append(name), inside);
    if (end == kNone) return;
    const std::string_view text = page_.substr(inside, end - inside);
    if (name == "gallery") {
        const std::uint32_t use = new_use(LossKind::kCaption, "", inside);
        uses_[use].end = std::min(place(end), uses_[use].end);
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t line_end = find_or_end(text, '\n', at);
            const std::string_view line = text.substr(at, line_end - at);
            if (const std::size_t bar = line.rfind('|'); bar != kNone)
                piece(line.substr(bar + 1), use);
            at = line_end + 1;
        }
    } else if (raw) {
        piece(text, use_now());
    }
    pos_ = end;
}

/// The words of a stretch that is no wikitext.
void LossMeter::piece(std::string_view text, std::uint32_t use) {
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

void LossMeter::entity() {
    std::size_t length = 0;
    const char32_t c = parse_entity(page_.substr(pos_), length);
    if (c == 0) return skip();
    pos_ += length;
    if (digit_ && joins_digits(c) && pos_ < page_.size() && is_digit(page_[pos_])) return;
    if (word_part(c) == WordPart::kNone) return end_word();
    if (word_.empty()) word_use_ = use_now();
    word_.add(c);
}

}  // namespace corpuskit
