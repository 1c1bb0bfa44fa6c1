// First pass: internal links, external links, language variants.
#include <algorithm>

#include "engine/wikitext/parse/engine.hpp"

namespace corpuskit {

namespace {
constexpr std::string_view kSchemes[] = {"http://", "https://", "//",       "ftp://",  "mailto:",
                                         "news:",   "irc://",   "ircs://",  "sftp://", "gopher://",
                                         "tel:",    "magnet:",  "geo:",     "svn://",  "git://",
                                         "urn:",    "nntp://",  "telnet://"};
}  // namespace

/// Length of the URL scheme at `at`, or 0.
std::size_t WikitextEngine::url_scheme(std::size_t at) const {
    if (at >= in_.size()) return 0;
    if (in_[at] != '/' && in_.substr(at, 9).find(':') == kNone) return 0;
    for (std::string_view scheme : kSchemes) {
        if (in_.size() - std::min(at, in_.size()) <= scheme.size()) continue;
        if (equal_folded(in_.substr(at, scheme.size()), scheme) &&
            !is_space(in_[at + scheme.size()]))
            return scheme.size();
    }
    return 0;
}

void WikitextEngine::open_bracket() {
    if (starts_with(pos_, "[[") && url_scheme(pos_ + 2) == 0) {
        const std::size_t start = out_.size();
        push({.kind = Kind::kLink, .start = start, .content = start + 2});
        out_.append("[[");
        pos_ += 2;
        return;
    }
    const std::size_t scheme = starts_with(pos_, "[[") ? 0 : url_scheme(pos_ + 1);
    copy();
    if (scheme == 0) return;
    while (top_is(Kind::kExternal)) pop_unclosed();  // links do not hold links
    const std::size_t start = out_.size() - 1;
    push({.kind = Kind::kExternal, .start = start, .content = start + 1});
    std::size_t end = pos_ + scheme;
    const std::string_view stops = open(Kind::kTemplate) > 0 ? " \t\n[]<>|\"{}" : " \t\n[]<>\"{";
    const auto stopped = [&](std::size_t at) {
        return stops.find(in_[at]) != kNone || static_cast<unsigned char>(in_[at]) < 0x20 ||
               starts_with(at, "''") || starts_with(at, "\xE3\x80\x80");
    };
    while (end < in_.size() && !stopped(end)) ++end;
    out_.append(in_, pos_, end - pos_);
    frames_.back().text = out_.size();
    count_step(end - pos_);
    pos_ = end;
}

void WikitextEngine::close_bracket() {
    if (top_is(Kind::kExternal)) {
        ++pos_;
        return finish_external();
    }
    if (starts_with(pos_, "]]") && open(Kind::kLink) > 0) {
        while (top_is(Kind::kVariant)) pop_unclosed();
        if (top_is(Kind::kLink)) {
            // "[[File:a.jpg|thumb|see [1]]]": the first bracket belongs to the text.
            if (starts_with(pos_, "]]]") && !starts_with(pos_, "]]]]")) {
                const std::string_view text = std::string_view(out_).substr(frames_.back().content);
                const std::size_t last = text.find_last_of("[]");
                count_step(
                    std::min<std::size_t>(text.size(), text.size() - (last == kNone ? 0 : last)));
                if (last != kNone && text[last] == '[') return copy();
            }
            pos_ += 2;
            return finish_link();
        }
    }
    copy();
}

bool WikitextEngine::has_prefix(std::string_view target, const NameSet& names) {
    const std::size_t colon = target.substr(0, 80).find(':');
    if (colon == kNone || colon == 0) return false;
    return names.contains(lower_case(trim(target.substr(0, colon))));
}

void WikitextEngine::finish_link() {
    const Frame frame = frames_.back();
    const std::size_t bars = bars_.size() - frame.first_bar;
    const bool piped = bars > 0;
    const std::size_t bar = piped ? bars_[frame.first_bar].at : out_.size();
    const std::string_view target = link_target(frame);
    const std::size_t colon = target.substr(0, 80).find(':');
    bool dropped = frame.file || (!piped && has_prefix(target, file_names_));
    if (frame.file) keep_caption(frame);
    if (!dropped && has_prefix(target, category_names_)) {
        dropped = true;
        add_category(target.substr(colon + 1));
    }
    if (!dropped && colon != kNone && colon > 0)
        dropped = is_interlanguage(target.substr(0, colon));
    pop();
    if (dropped) {
        ++counters_->files;
        cut_back(frame.start);
        return hole();
    }
    if (target.empty()) {  // "[[]]", "[[|x]]": no link
        out_.append("]]");
        return;
    }
    std::size_t from = bar + 1;
    std::size_t length = piped ? out_.size() - from : 0;
    const std::string_view text = piped ? std::string_view(out_).substr(from, length)
                                        : std::string_view();
    const bool blank = piped && trim_marks(text).empty();
    if (blank && length > 0 && text.find(kHole) == kNone) {  // "[[Ulm| ]]" is not seen
        cut_back(frame.start);
        return hole();
    }
    if (!piped || blank) {
        const std::size_t skip = target.front() == ':' ? 1 : 0;
        const std::string_view shown = piped ? trim_pipe(target.substr(skip)) : target.substr(skip);
        from = static_cast<std::size_t>(shown.data() - out_.data());
        length = shown.size();
    }
    count_step(length / 4);
    std::size_t start = frame.start;
    // "[[#History]]" at the start of a line is no item; its brackets leave room for the mark.
    const bool sign = length > 0 && is_any(out_[from], "*#:;=! ");
    if (sign && (frame.start == 0 || out_[frame.start - 1] == '\n')) out_[start++] = kGlue;
    // "l'[[Ulm|''Ulm'']]": the apostrophe before the link is none of the mark's.
    const bool apostrophes = length > 0 && out_[from] == '\'' && start > 0 &&
                             out_[start - 1] == '\'';
    if (apostrophes) out_[start++] = kGlue;
    if (bars > 1) return put_barred(frame.start, std::string(out_, from, length));
    std::copy(out_.begin() + static_cast<std::ptrdiff_t>(from),
              out_.begin() + static_cast<std::ptrdiff_t>(from + length),
              out_.begin() + static_cast<std::ptrdiff_t>(start));
    out_.resize(start + length);
}

/// The text of a link that holds bars: they are text, and no signs of a table around it.
void WikitextEngine::put_barred(std::size_t at, const std::string& text) {
    cut_back(at);
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '|' && (i == 0 || text[i - 1] != kLiteral)) out_.push_back(kLiteral);
        out_.push_back(text[i]);
    }
}

/// "Category:Cities in Ulm" without its prefix, once.
void WikitextEngine::add_category(std::string_view target) {
    constexpr std::size_t kLongestTitle = 255;  // bytes, as in MediaWiki
    std::string name = collapse(plain(target.substr(0, 2 * kLongestTitle)), " \t\n\r_", ' ');
    if (name.empty() || name.size() > kLongestTitle || name.find_first_of("[]{}|<>#") != kNone)
        return;
    if (seen_categories_.insert(name).second) facts_->categories.push_back(std::move(name));
}

/// [[Ulm (city)|]] and [[Help:Links|]] show "Ulm" and "Links".
std::string_view WikitextEngine::trim_pipe(std::string_view target) const {
    const std::size_t colon = target.substr(0, 80).find(':');
    if (colon != kNone && colon + 1 < target.size()) target.remove_prefix(colon + 1);
    if (target.ends_with(')')) {
        const std::size_t open = target.rfind(" (");
        if (open != kNone && open > 0) return target.substr(0, open);
    }
    if (const std::size_t comma = target.find(", "); comma != kNone && comma > 0)
        return target.substr(0, comma);
    return target;
}

/// [url text] -> text; [url] -> nothing.
void WikitextEngine::finish_external() {
    const Frame frame = pop();
    if (trim_marks(std::string_view(out_).substr(frame.text)).empty()) {
        cut_back(frame.start);
        return hole();
    }
    std::size_t from = frame.text;
    while (from < out_.size() && (out_[from] == ' ' || out_[from] == '\t')) ++from;
    while (out_.back() == ' ') out_.pop_back();
    count_step((out_.size() - from) / 2);
    scratch_.assign(out_, from);
    out_.resize(frame.start);
    put_apart(scratch_);
}

/// -{zh-hans:A; zh-hant:B}- -> A; -{text}- -> text; -{H|...}- sets a rule and shows nothing.
void WikitextEngine::finish_variant() {
    const Frame frame = pop();
    std::string_view body = std::string_view(out_).substr(frame.content);
    count_step(body.size());
    const std::size_t bar = body.substr(0, 64).find('|');
    bool hidden = false;
    if (bar != kNone) {
        const std::string_view flags = trim(body.substr(0, bar));
        const bool known = flags.find_first_not_of("ADTRHN-; abcdefghijklmnopqrstuvwxyz") == kNone;
        hidden = known && flags.find_first_of("HT-") != kNone &&
                 flags.find_first_of("abcdefghijklmnopqrstuvwxyz") == kNone;
        if (known) body.remove_prefix(bar + 1);
    }
    static constexpr std::string_view kPreferred[] = {"zh-hans", "zh-cn", "zh",     "zh-hant",
                                                      "zh-tw",   "sr-ec", "sr-cyrl"};
    std::string_view best = body;
    std::size_t best_rank = kNone;
    bool rules = false;
    for (std::size_t at = 0; at < body.size();) {
        const std::size_t end = find_or_end(body, ';', at);
        const std::string_view rule = trim(body.substr(at, end - at));
        const std::size_t colon = rule.find(':');
        at = end + 1;
        if (colon == kNone || colon == 0 || colon > 20) continue;
        std::string_view code = trim(rule.substr(0, colon));
        if (const std::size_t arrow = code.rfind("=>"); arrow != kNone)
            code = trim(code.substr(arrow + 2));
        if (code.find_first_not_of("abcdefghijklmnopqrstuvwxyz-") != kNone) continue;
        const auto* found = std::find(std::begin(kPreferred), std::end(kPreferred), code);
        const auto rank = static_cast<std::size_t>(found - std::begin(kPreferred));
        if (!rules || rank < best_rank) {
            best = trim(rule.substr(colon + 1));
            best_rank = rank;
        }
        rules = true;
    }
    scratch_.assign(hidden ? std::string_view() : best);
    cut_back(frame.start);
    out_.append(scratch_);
    if (hidden) hole();
}

}  // namespace corpuskit
