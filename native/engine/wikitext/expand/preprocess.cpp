#include "engine/wikitext/expand/preprocess.hpp"

#include <algorithm>
#include <array>
#include <iterator>

#include "engine/wikitext/marks.hpp"
#include "engine/wikitext/parse/names.hpp"

namespace corpuskit {

namespace {

/// The end of a tag that begins at `at` and has this name ("<name ...>"), or npos.
std::size_t tag_close(std::string_view text, std::size_t at, std::string_view name) {
    const std::string_view rest = text.substr(at);
    if (rest.size() < name.size() + 2 || !equal_folded(rest.substr(1, name.size()), name))
        return kNone;
    const char behind = rest[1 + name.size()];
    if (!is_space(behind) && behind != '>' && behind != '/') return kNone;
    const std::size_t end = rest.find_first_of("<>", 1 + name.size());
    return end == kNone || rest[end] == '<' ? kNone : at + end + 1;
}

/// Where comments, raw extensions and the tags of inclusion are, one after the other.
class Inclusion {
  public:
    Inclusion(std::string_view text, bool called) : text_(text), called_(called) {}

    std::string resolve() {
        while (at_ < text_.size()) {
            const std::size_t angle = find_or_end(text_, '<', at_);
            put(text_.substr(at_, angle - at_));
            at_ = angle;
            if (at_ < text_.size()) tag();
        }
        return only_ ? std::move(chosen_) : std::move(out_);
    }

  private:
    void put(std::string_view piece) {
        if (skipping_) return;
        out_.append(piece);
        if (choosing_) chosen_.append(piece);
    }

    void tag() {
        if (text_.substr(at_, 4) == "<!--") {
            at_ = read_comment(text_, at_).after;
            return;
        }
        const char next = at_ + 1 < text_.size() ? text_[at_ + 1] : ' ';
        if (next == '/' || is_alpha(next)) {
            if (inclusion_tag() || raw()) return;
        }
        put("<");
        ++at_;
    }

    bool inclusion_tag() {
        const bool closing = text_.substr(at_, 2) == "</";
        const std::size_t at = closing ? at_ + 1 : at_;
        for (std::string_view name : {"noinclude", "includeonly", "onlyinclude"}) {
            const std::size_t end = tag_close(text_, at, name);
            if (end == kNone) continue;
            at_ = end;
            const bool empty = !closing && text_[end - 2] == '/';
            if (empty) return true;
            if (name == "onlyinclude") {
                only_ = only_ || (called_ && !closing);
                choosing_ = called_ && !closing;
            } else if ((name == "noinclude") == called_) {
                skipping_ = !closing;
            }
            return true;
        }
        return false;
    }

    /// <nowiki>, <pre>...: comments and tags of inclusion within are text.
    bool raw() {
        static constexpr std::string_view kRaw[] = {"nowiki", "pre", "math", "source",
                                                    "syntaxhighlight"};
        for (std::size_t i = 0; i < std::size(kRaw); ++i) {
            const std::size_t inside = never_closed_[i] ? kNone : tag_close(text_, at_, kRaw[i]);
            if (inside == kNone || text_[inside - 2] == '/') continue;
            const std::size_t close = text_.find(std::string("</").append(kRaw[i]), inside);
            never_closed_[i] = close == kNone;
            if (never_closed_[i]) continue;
            put(text_.substr(at_, close - at_));
            put("<");
            at_ = close + 1;
            return true;
        }
        return false;
    }

    std::string_view text_;
    bool called_;
    std::size_t at_ = 0;
    bool skipping_ = false;  // within what is not for this use
    bool choosing_ = false;  // within <onlyinclude>
    bool only_ = false;      // there was one
    std::array<bool, 5> never_closed_{};
    std::string out_, chosen_;
};

struct Sequence {
    std::uint32_t head = kNoNode, tail = kNoNode;
};

struct Part {
    Sequence all;
    std::uint32_t equals = kNoNode;
};

struct Open {
    char kind;             // '{', '[' or '-'
    std::uint32_t count;   // braces that are open
    std::uint32_t at;      // where they begin in the source
    std::uint32_t first;   // its first entry in parts_
};

class Preprocessor {
  public:
    Preprocessor(std::string source, bool variants) {
        tree_.source = std::move(source);
        for (unsigned char c : std::string_view("{}[]|=<")) special_[c] = true;
        special_[static_cast<unsigned char>('-')] = variants;
        text_ = tree_.source;
    }

    WikiTree run() {
        if (text_.size() >= kNoNode) return give_up();
        while (at_ < text_.size()) {
            const std::size_t begin = at_;
            while (at_ < text_.size() && !special_[static_cast<unsigned char>(text_[at_])]) ++at_;
            literal(begin, at_);
            if (at_ < text_.size()) special();
            if (tree_.nodes.size() + tree_.parts.size() + parts_.size() > kMostNodes)
                return give_up();
        }
        while (!open_.empty()) flatten();
        tree_.head = root_.head;
        return std::move(tree_);
    }

  private:
    WikiTree give_up() {
        tree_.nodes.clear();
        tree_.parts.clear();
        tree_.too_large = true;
        return std::move(tree_);
    }

    Sequence& current() { return open_.empty() ? root_ : parts_.back().all; }

    std::uint32_t append(const WikiNode& node) {
        const auto number = static_cast<std::uint32_t>(tree_.nodes.size());
        tree_.nodes.push_back(node);
        join({number, number});
        return number;
    }

    /// Puts nodes that follow each other behind those of the innermost part.
    void join(const Sequence& nodes) {
        Sequence& to = current();
        if (to.tail == kNoNode) to.head = nodes.head;
        else tree_.nodes[to.tail].next = nodes.head;
        to.tail = nodes.tail;
    }

    void literal(std::size_t begin, std::size_t end) {
        if (begin == end) return;
        const Sequence& to = current();
        if (to.tail != kNoNode) {
            WikiNode& last = tree_.nodes[to.tail];
            const bool joins = last.kind == WikiNode::Kind::kText && last.end == begin &&
                               (open_.empty() || parts_.back().equals != to.tail);
            if (joins) {
                last.end = static_cast<std::uint32_t>(end);
                return;
            }
        }
        append({.begin = static_cast<std::uint32_t>(begin),
                .end = static_cast<std::uint32_t>(end)});
    }

    void take(std::size_t n) {
        literal(at_, at_ + n);
        at_ += n;
    }

    bool push(char kind, std::size_t count) {
        if (open_.size() >= kDeepestBraces) return false;
        open_.push_back({kind, static_cast<std::uint32_t>(count), static_cast<std::uint32_t>(at_),
                         static_cast<std::uint32_t>(parts_.size())});
        parts_.emplace_back();
        at_ += count;
        return true;
    }

    void special() {
        switch (text_[at_]) {
            case '{': return open_braces();
            case '}': return close_braces();
            case '|': return bar();
            case '=': return equals();
            case '<': return angle();
            case '[':
                if (text_.substr(at_, 2) == "[[" && push('[', 2)) return;
                return take(1);
            case ']':
                if (text_.substr(at_, 2) == "]]" && !open_.empty() && open_.back().kind == '[') {
                    flatten();
                    return take(2);
                }
                return take(1);
            default:
                if (text_.substr(at_, 2) == "-{" && text_.substr(at_, 3) != "-{{" && push('-', 2))
                    return;
                return take(1);
        }
    }

    std::size_t run_of(char c) const {
        std::size_t end = at_;
        while (end < text_.size() && text_[end] == c) ++end;
        return end - at_;
    }

    void open_braces() {
        const std::size_t run = run_of('{');
        if (run < 2 || !push('{', run)) take(run);
    }

    void close_braces() {
        std::size_t run = run_of('}');
        if (!open_.empty() && open_.back().kind == '-' && text_.substr(at_, 2) == "}-") {
            flatten();
            return take(2);
        }
        while (run >= 2 && !open_.empty() && open_.back().kind == '{') {
            const std::size_t count = std::min<std::size_t>({run, open_.back().count, 3});
            at_ += count;
            run -= count;
            close(count);
        }
        take(run);
    }

    /// Closes `count` of the innermost braces, 2 for a call and 3 for a parameter; at_ stands
    /// behind them.
    void close(std::size_t count) {
        const Open open = open_.back();
        const auto left = static_cast<std::uint32_t>(open.count - count);
        WikiNode node{.kind = count == 3 ? WikiNode::Kind::kParameter : WikiNode::Kind::kCall,
                      .begin = open.at + left,
                      .end = static_cast<std::uint32_t>(at_),
                      .part = static_cast<std::uint32_t>(tree_.parts.size()),
                      .parts = static_cast<std::uint32_t>(parts_.size() - open.first)};
        for (std::size_t i = open.first; i < parts_.size(); ++i)
            tree_.parts.push_back({parts_[i].all.head, parts_[i].equals});
        parts_.resize(open.first);
        open_.pop_back();
        if (left >= 2) {
            open_.push_back({'{', left, open.at, open.first});
            parts_.emplace_back();
        } else if (left == 1) {
            literal(open.at, open.at + 1);
        }
        append(node);
    }

    /// Gives up the innermost construct: it becomes text of what it stands in, with the calls that
    /// it holds.
    void flatten() {
        const Open open = open_.back();
        const std::vector<Part> parts(parts_.begin() + open.first, parts_.end());
        parts_.resize(open.first);
        open_.pop_back();
        literal(open.at, open.at + open.count);
        std::size_t end = open.at + open.count;
        for (std::size_t i = 0; i < parts.size(); ++i) {
            if (i > 0) literal(bar_before(parts[i], end), bar_before(parts[i], end) + 1);
            const Sequence& all = parts[i].all;
            if (all.head == kNoNode) {
                end += i > 0;
                continue;
            }
            join(all);
            end = tree_.nodes[all.tail].end;
        }
    }

    /// Where the '|' stands that begins a part; `end` is where the part before it ends.
    std::size_t bar_before(const Part& part, std::size_t end) const {
        return part.all.head == kNoNode ? end : tree_.nodes[part.all.head].begin - 1;
    }

    void bar() {
        if (open_.empty() || open_.back().kind != '{') return take(1);
        parts_.emplace_back();
        ++at_;
    }

    void equals() {
        const bool ends_name = !open_.empty() && open_.back().kind == '{' &&
                               parts_.size() > open_.back().first + 1 &&
                               parts_.back().equals == kNoNode;
        if (!ends_name) return take(1);
        parts_.back().equals = append({.begin = static_cast<std::uint32_t>(at_),
                                       .end = static_cast<std::uint32_t>(at_ + 1)});
        ++at_;
    }

    /// An extension tag is text with all that it holds, up to the first closing tag.
    void angle() {
        std::string name;
        std::size_t end = at_ + 1;
        while (end < text_.size() && name.size() < 24 && is_word(text_[end]))
            name.push_back(lower(text_[end++]));
        if (name.empty()) return take(1);
        const TagName tag = find_tag(name);
        const bool opaque = tag.kind == Tag::kDrop || tag.kind == Tag::kReference ||
                            tag.kind == Tag::kNowiki || tag.kind == Tag::kPre ||
                            tag.kind == Tag::kCode || tag.kind == Tag::kMath;
        if (!opaque || never_closed_[tag.index]) return take(1);
        const std::size_t close = text_.find_first_of("<>", end);
        if (close == kNone || text_[close] == '<') return take(1);
        if (text_[close - 1] == '/') return take(close + 1 - at_);
        const std::size_t found = text_.find(std::string("</").append(name), close);
        never_closed_[tag.index] = found == kNone;
        take(found == kNone ? 1 : found + 2 - at_);
    }

    WikiTree tree_;
    std::string_view text_;
    std::size_t at_ = 0;
    Sequence root_;
    std::vector<Open> open_;
    std::vector<Part> parts_;
    std::array<bool, 256> special_{};
    std::array<bool, kTagNames> never_closed_{};
};

}  // namespace

std::string resolve_inclusion(std::string_view text, bool called) {
    return Inclusion(text, called).resolve();
}

WikiTree preprocess_wikitext(std::string source, bool variants) {
    return Preprocessor(std::move(source), variants).run();
}

}  // namespace corpuskit
