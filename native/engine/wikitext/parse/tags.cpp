// First pass: comments and tags. Extensions such as <ref> are opaque: MediaWiki takes everything up
// to the first closing tag, and so do we. Where the closing tag is missing only the tag goes, not
// the page.
#include <algorithm>

#include "engine/wikitext/parse/engine.hpp"
#include "engine/wikitext/parse/entities.hpp"

namespace corpuskit {

namespace {
constexpr std::size_t kLongestName = 24;
constexpr std::size_t kDeepestList = 12;
constexpr std::size_t kLongestQuoted = 128;  // an attribute's value that may hold '>'

/// The value of an attribute, quoted or not; only what a name may hold.
std::string_view attribute(std::string_view attributes, std::string_view name) {
    const std::size_t at = attributes.find(name);
    if (at == kNone) return {};
    std::string_view value = attributes.substr(at + name.size());
    while (!value.empty() &&
           (is_space(value[0]) || value[0] == '=' || value[0] == '"' || value[0] == '\''))
        value.remove_prefix(1);
    std::size_t end = 0;
    while (end < value.size() && end < kLongestName &&
           (is_word(value[end]) || value[end] == '+' || value[end] == '-'))
        ++end;
    return value.substr(0, end);
}

/// The value of an attribute between quotes, whatever it holds.
std::string_view quoted_attribute(std::string_view attributes, std::string_view name) {
    const std::size_t at = attributes.find(std::string(name) + "=");
    if (at == kNone) return {};
    const std::string_view value = attributes.substr(at + name.size() + 1);
    if (value.empty() || (value[0] != '"' && value[0] != '\'')) return {};
    const std::size_t close = value.find(value[0], 1);
    return close == kNone ? std::string_view() : value.substr(1, close - 1);
}

/// What stands in <pre> without the tag <nowiki>, which does nothing there.
std::string without_nowiki(std::string_view text) {
    std::string result;
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t length = text.substr(i, 8) == "<nowiki>"    ? 8
                                   : text.substr(i, 9) == "</nowiki>" ? 9
                                                                      : 0;
        if (length == 0) result.push_back(text[i]);
        i += std::max<std::size_t>(length, 1);
    }
    return result;
}

bool matches_at(std::string_view text, std::size_t at, std::string_view lower_case) {
    if (text.size() - at < lower_case.size()) return false;
    for (std::size_t i = 0; i < lower_case.size(); ++i)
        if (lower(text[at + i]) != lower_case[i]) return false;
    return true;
}
}  // namespace

void WikitextEngine::angle() {
    if (starts_with(pos_, "<!--")) return comment();
    const bool closing = starts_with(pos_, "</");
    const std::size_t name_begin = pos_ + (closing ? 2 : 1);
    std::size_t end = name_begin;
    std::string name;
    while (end < in_.size() && end - name_begin < kLongestName &&
           (is_alpha(in_[end]) || is_digit(in_[end])))
        name.push_back(lower(in_[end++]));
    const bool ends_well = end < in_.size() &&
                           (is_space(in_[end]) || in_[end] == '>' || in_[end] == '/');
    const TagName tag = ends_well ? find_tag(name) : TagName{};
    bool self_closing = false;
    const std::size_t close = tag.kind == Tag::kUnknown ? kNone : tag_end(end, self_closing);
    if (close == kNone) return copy();
    count_step(close - pos_);
    pos_ = close + 1;
    if (closing) closing_tag(tag, name);
    else opening_tag(tag, name, in_.substr(end, close - end), self_closing);
}

/// Removes a comment; if it has its lines to itself they go too.
void WikitextEngine::comment() {
    const Comment comment = read_comment(in_, pos_);
    count_step(comment.end - pos_);
    if (!comment.closed) ++counters_->unclosed;
    pos_ = comment.after;
    while (comment.alone() && !out_.empty() && (out_.back() == ' ' || out_.back() == '\t'))
        out_.pop_back();
}

/// Finds the '>' of a tag whose name ends at `at`; npos if it has none. Stops at '<', as a tag
/// holds none.
std::size_t WikitextEngine::tag_end(std::size_t at, bool& self_closing) const {
    for (std::size_t i = at; i < in_.size(); ++i) {
        const char c = in_[i];
        if (c == '>') {
            std::size_t last = i;
            while (last > at && is_space(in_[last - 1])) --last;
            self_closing = last > at && in_[last - 1] == '/';
            return i;
        }
        if (c == '<') return kNone;
        if ((c == '"' || c == '\'') && i > at && in_[i - 1] == '=') {
            const std::size_t close = in_.substr(i + 1, kLongestQuoted).find(c);
            if (close == kNone) continue;
            const std::string_view quoted = in_.substr(i + 1, close);
            if (quoted.find('\n') == kNone) i += close + 1;
        }
    }
    return kNone;
}

/// Finds the next closing tag of `name` from `from` on; `after` is the place behind it. Each
/// stretch of the page is searched once per name, because the last answer holds until it is passed.
std::size_t WikitextEngine::find_close(std::string_view name, std::uint32_t index, std::size_t from,
                                       std::size_t& after) {
    NextClose& next = next_close_[index];
    if (next.known && from >= next.from && from <= next.at) {
        after = next.after;
        return next.at;
    }
    next = {.from = from, .at = kNone, .after = kNone, .known = true};
    std::size_t at = from;
    while ((at = in_.find("</", at)) != kNone) {
        if (matches_at(in_, at + 2, name)) {
            std::size_t end = at + 2 + name.size();
            const std::size_t limit = std::min(in_.size(), end + kLongestQuoted);
            while (end < limit && is_space(in_[end])) ++end;
            if (end < in_.size() && in_[end] == '>') {
                next.at = at;
                next.after = end + 1;
                break;
            }
        }
        at += 2;
    }
    count_step((std::min(next.at, in_.size()) - from) / 8);
    after = next.after;
    return next.at;
}

/// An opening tag, which ends at pos_.
void WikitextEngine::opening_tag(TagName tag, std::string_view name, std::string_view attributes,
                                 bool self_closing) {
    switch (tag.kind) {
        case Tag::kInline: return inline_tag(name, self_closing);
        case Tag::kSuper: return super_tag();
        case Tag::kBlock:
        case Tag::kRule: return out_.push_back(kBlock);
        case Tag::kBreak: return out_.push_back(kBreak);
        case Tag::kList:
            if (html_lists_.size() < kDeepestList) html_lists_.push_back(name == "ol" ? '#' : '*');
            return out_.push_back('\n');
        case Tag::kItem: return item_tag();
        case Tag::kTable:
            if (self_closing) return;
            if (push({.kind = Kind::kHtmlTable, .start = out_.size(), .content = out_.size()}))
                put_attributes(attributes);
            return out_.push_back('\n');
        case Tag::kTablePart: return table_tag(name, attributes);
        case Tag::kRubyText: return out_.push_back('(');
        case Tag::kGallery: return gallery_tag(tag, attributes, self_closing);
        case Tag::kPoem:
            out_.push_back(kBlock);
            // One that is never closed must not turn the rest of the page into verse.
            if (std::size_t after = 0;
                !self_closing && find_close("poem", tag.index, pos_, after) != kNone)
                ++poems_;
            return;
        default:
            if (!self_closing) return opaque_tag(tag, name, attributes);
            if (tag.kind == Tag::kReference) ++counters_->references;
            if (tag.kind == Tag::kNowiki) out_.push_back(kGlue);
            else hole();
    }
}

/// <gallery>: its lines are read one by one (gallery_line) where captions stay, else passed over.
void WikitextEngine::gallery_tag(TagName tag, std::string_view attributes, bool self_closing) {
    std::size_t after = 0;
    const std::size_t end = self_closing ? kNone : find_close("gallery", tag.index, pos_, after);
    hole();
    if (end == kNone) return;
    out_.push_back(kBlock);
    if (!options_.captions) {
        count_step((after - pos_) / 8);
        pos_ = after;
        return;
    }
    if (const std::string_view title = quoted_attribute(attributes, "caption"); !title.empty()) {
        out_.append("\n").push_back(kLine);
        put_literal(out_, title);
        out_.push_back('\n');
    }
    gallery_end_ = end;
    begin_line();
}

/// <li> begins an item as a sign at the start of a line does; what stands before its text is blank.
void WikitextEngine::item_tag() {
    std::size_t floor = frames_.empty() ? 0 : frames_.back().content;
    if (!bars_.empty()) floor = std::max(floor, bars_.back().at + 1);
    while (out_.size() > floor && (out_.back() == '\n' || out_.back() == ' ') &&
           !out_.ends_with("\x01 "))
        out_.pop_back();
    out_.push_back('\n');
    if (html_lists_.empty()) out_.push_back('*');
    else out_.append(html_lists_);
    out_.push_back(' ');
    std::size_t after = pos_;
    while (after < in_.size() && is_space(in_[after])) ++after;
    if (after < in_.size() && !is_any(in_[after], "*#:;{|=")) pos_ = after;
}

/// A tag inside a line leaves its text; in Markdown emphasis and code keep their marks.
void WikitextEngine::inline_tag(std::string_view name, bool self_closing) {
    if (!line_options_.markdown || self_closing) return;
    if (name == "b" || name == "strong") out_.append("'''");
    else if (name == "i" || name == "em") out_.append("''");
    else if (name == "code" || name == "tt") put_code_mark();
}

/// A closing tag, which ends at pos_.
void WikitextEngine::closing_tag(TagName tag, std::string_view name) {
    switch (tag.kind) {
        case Tag::kBlock: return out_.push_back(kBlock);
        case Tag::kList:
            if (!html_lists_.empty()) html_lists_.pop_back();
            return out_.push_back('\n');
        case Tag::kBreak: return out_.push_back(kBreak);  // </br> is a common slip
        case Tag::kRubyText: return out_.push_back(')');
        case Tag::kGallery:
            gallery_end_ = 0;
            out_.append("\n\n");
            return;
        case Tag::kPoem:
            if (poems_ > 0) --poems_;
            return out_.push_back(kBlock);
        case Tag::kTable: {
            if (open(Kind::kHtmlTable) == 0) return;
            // A template that is open inside the table keeps it open, as it would in MediaWiki.
            for (auto it = frames_.rbegin(); it != frames_.rend() && it->kind != Kind::kHtmlTable;
                 ++it) {
                count_step(1);
                if (it->kind == Kind::kTemplate) return;
            }
            return close_table(Kind::kHtmlTable);
        }
        case Tag::kInline: return inline_tag(name, false);
        default: return;  // the end of an extension that was never opened
    }
}

/// An extension whose opening tag ends at pos_.
void WikitextEngine::opaque_tag(TagName tag, std::string_view name, std::string_view attributes) {
    std::size_t after = 0;
    const std::size_t close = find_close(name, tag.index, pos_, after);
    if (tag.kind == Tag::kReference) return reference(close, after);
    if (close == kNone) {  // never closed: only the tag goes
        ++counters_->unclosed;
        return hole();
    }
    const std::string_view text = in_.substr(pos_, close - pos_);
    count_step(text.size());
    pos_ = after;
    switch (tag.kind) {
        case Tag::kNowiki: put_text(text, true); break;
        case Tag::kPre: put_block_text(without_nowiki(text), "", true); break;
        case Tag::kCode:
            if (attributes.find("inline") == kNone) {
                put_block_text(text, attribute(attributes, "lang"), false);
                break;
            }
            put_code_mark();
            put_text(text, false);
            put_code_mark();
            break;
        case Tag::kMath:
            put_math(text, name == "math" ? "" : name, attributes.find("block") != kNone);
            break;
        default: hole();
    }
}

/// Where the next <ref> that is not self-closing begins, searched like find_close.
std::size_t WikitextEngine::find_open_reference(std::size_t from) {
    NextClose& next = next_reference_;
    if (next.known && from >= next.from && from <= next.at) return next.at;
    next = {.from = from, .at = kNone, .after = kNone, .known = true};
    std::size_t at = from;
    while ((at = in_.find('<', at)) != kNone) {
        if (matches_at(in_, at + 1, "ref") && at + 4 < in_.size() &&
            (is_space(in_[at + 4]) || in_[at + 4] == '>')) {
            bool self_closing = false;
            const std::size_t end = tag_end(at + 4, self_closing);
            if (end != kNone) count_step(end - at);
            if (end != kNone && !self_closing) {
                next.at = at;
                break;
            }
        }
        ++at;
    }
    count_step((std::min(next.at, in_.size()) - from) / 8);
    return next.at;
}

/// Drops a footnote. When another one is opened before this one closes, this one was never closed.
void WikitextEngine::reference(std::size_t close, std::size_t after) {
    ++counters_->references;
    hole();
    const std::size_t next = find_open_reference(pos_);
    if (close != kNone && close <= next) {
        count_step((close - pos_) / 8);
        pos_ = after;
        return;
    }
    unclosed_reference(std::min(next, in_.size()));
}

/// A footnote without an end: what it begins with goes, at most the rest of its line.
void WikitextEngine::unclosed_reference(std::size_t limit) {
    ++counters_->unclosed;
    std::size_t at = pos_;
    while (at < limit && in_[at] == ' ') ++at;
    if (starts_with(at, "{{")) return;  // goes by itself
    const char stop = starts_with(at, "[") && !starts_with(at, "[[") ? ']' : '\n';
    while (at < limit && in_[at] != '\n' && in_[at] != stop) ++at;
    if (at < limit && in_[at] == ']') ++at;
    count_step(at - pos_);
    pos_ = at;
}

/// <sup>: "10<sup>6</sup>" must not become 106.
void WikitextEngine::super_tag() {
    if (out_.empty() || pos_ >= in_.size() || !is_digit(out_.back())) return;
    const char c = in_[pos_];
    const bool minus = c == '-' || c == '+' || starts_with(pos_, "\xE2\x88\x92") ||
                       starts_with(pos_, "&minus;");
    if (is_digit(c) || minus) put_literal(out_, '^');
}

/// Text that is no wikitext.
void WikitextEngine::put_text(std::string_view text, bool entities) {
    std::size_t i = 0;
    while (i < text.size()) {
        std::size_t length = 0;
        const char32_t code = entities && text[i] == '&' ? parse_entity(text.substr(i), length) : 0;
        if (code != 0) {
            put_entity(out_, code);
            i += length;
            continue;
        }
        put_literal(out_, text.substr(i, 1));
        ++i;
    }
}

/// Code inside a line stands between backticks in Markdown.
void WikitextEngine::put_code_mark() {
    if (line_options_.markdown) put_literal(out_, '`');
}

/// Lines as they are; in Markdown between fences with the name of their language.
void WikitextEngine::put_block_text(std::string_view text, std::string_view language,
                                    bool entities) {
    if (text.starts_with('\n')) text.remove_prefix(1);
    while (text.ends_with('\n')) text.remove_suffix(1);
    out_.push_back(kBlock);
    if (line_options_.markdown) {
        put_literal(out_, "```");
        put_literal(out_, language);
        out_.push_back(kBreak);
    }
    put_text(text, entities);
    if (line_options_.markdown) {
        out_.push_back(kBreak);
        put_literal(out_, "```");
    }
    out_.push_back(kBlock);
}

/// A formula as LaTeX between dollar signs, on one line; one of chemistry in the command \\ce.
void WikitextEngine::put_math(std::string_view text, std::string_view command, bool block) {
    std::string line;
    for (char c : trim(text)) {
        const bool blank = is_space(c);
        if (!blank) line.push_back(c);
        else if (!line.empty() && line.back() != ' ') line.push_back(' ');
    }
    if (line.empty()) return hole();
    if (!command.empty()) line = "\\ce{" + line + "}";
    put_literal(out_, block ? "$$" : "$");
    put_text(line, true);
    put_literal(out_, block ? "$$" : "$");
}

}  // namespace corpuskit
