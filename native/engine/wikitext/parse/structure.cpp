// First pass: what nests. See wikitext.hpp for the plan.
#include <algorithm>
#include <iterator>
#include <stdexcept>

#include "engine/wikitext/parse/engine.hpp"
#include "engine/wikitext/parse/entities.hpp"
#include "engine/wikitext/templates/fallback.hpp"

namespace corpuskit {

namespace {
// A page of 10 MB of bars must not hold 160 MB of places.
constexpr std::size_t kMostBars = 1 << 20;  // remembered at a time; further ones are text
// Bounded, so that a look is constant work.
constexpr std::size_t kLookBack = 64;  // how far a line is looked back at for the start of a table
}  // namespace

WikitextEngine::WikitextEngine(WikitextOptions options)
    : options_(std::move(options)),
      table_(options_.templates ? options_.templates : read_templates(options_.language, {})),
      classes_(options_.template_classes),
      variants_(has_variants(options_.language)) {
    for (unsigned char c : std::string_view("{}[]|=<&:\n")) special_[c] = true;
    if (variants_) special_['-'] = true;
    for (const std::string& name : options_.file_prefixes) file_names_.insert(lower_case(name));
    for (const std::string& name : options_.category_prefixes)
        category_names_.insert(lower_case(name));
    for (const std::string& name : options_.drop_sections)
        line_options_.drop_sections.insert(lower_case(name));
    line_options_.markdown = options_.output == WikitextOutput::kMarkdown;
    line_options_.hatnotes = options_.hatnotes;
    line_options_.tables = options_.tables;
    for (int c = 0; c < 0x20; ++c) special_[static_cast<std::size_t>(c)] = c != '\t';
    special_[0x7F] = true;
}

WikitextStatus WikitextEngine::extract(std::string_view page, std::string_view title,
                                       std::string& out, WikitextFacts& facts) {
    in_ = page;
    title_ = title;
    pos_ = 0;
    out_.clear();
    out_.reserve(page.size() + page.size() / 16);
    frames_.clear();
    bars_.clear();
    open_.fill(0);
    poems_ = 0;
    gallery_end_ = 0;
    caption_end_ = kNone;
    term_end_ = kNone;
    html_lists_.clear();
    captions_.clear();
    seen_categories_.clear();
    over_nesting_ = false;
    next_close_.fill({});
    next_reference_ = {};
    facts.counters = {};
    facts.flags = 0;
    facts.categories.clear();
    facts_ = &facts;
    WikitextCounters& counters = facts.counters;
    counters_ = &counters;
    const WikitextBudget& budget = options_.budget;
    const auto max_steps =
        static_cast<std::int64_t>(budget.steps_base + budget.steps_per_byte * page.size());
    max_output_ = budget.output_base + budget.output_per_byte * page.size();

    skip_redirect();
    begin_line();
    while (pos_ < in_.size()) {
        // Locals, which stay in registers; four at a time, since most bytes are plain.
        const std::string_view rest = in_.substr(pos_);
        const auto special_at = [&](std::size_t i) {
            return special_[static_cast<unsigned char>(rest[i])];
        };
        std::size_t plain = 0;
        while (plain + 4 <= rest.size() && !(special_at(plain) | special_at(plain + 1) |
                                             special_at(plain + 2) | special_at(plain + 3)))
            plain += 4;
        while (plain < rest.size() && !special_at(plain)) ++plain;
        out_.append(rest.data(), plain);
        pos_ += plain;
        count_step(plain + 1);
        if (pos_ < in_.size()) structure();
        if (over_nesting_) return WikitextStatus::kNesting;
        if (counters.steps > max_steps) return WikitextStatus::kSteps;
        if (out_.size() > max_output_) return WikitextStatus::kOutput;
    }
    while (!frames_.empty()) {
        if (top_is(Kind::kTable) || top_is(Kind::kHtmlTable)) finish_table(true);
        else pop_unclosed();
    }
    if (out_.size() > max_output_) return WikitextStatus::kOutput;
    flush_captions();
    facts.table_bytes = bars_.capacity() * sizeof(Bar) + frames_.capacity() * sizeof(Frame);
    const std::size_t before = out.size();
    write_lines(out_, line_options_, out, facts);
    const bool too_long = out.size() - before > max_output_;
    if (too_long || counters.steps > max_steps) {
        out.resize(before);
        return too_long ? WikitextStatus::kOutput : WikitextStatus::kSteps;
    }
    return WikitextStatus::kOk;
}

/// Handles the byte at pos_, which is special, and moves pos_ past what it handled.
void WikitextEngine::structure() {
    switch (in_[pos_]) {
        case '\n': return newline();
        case '=': return equals();
        case '|': return bar();
        case '{': return open_braces();
        case '}': return close_braces();
        case '[': return open_bracket();
        case ']': return close_bracket();
        case '<': return angle();
        case ':':
            out_.push_back(pos_ == term_end_ ? kTerm : ':');
            ++pos_;
            return;
        case '&': {
            std::size_t length = 0;
            const char32_t code = parse_entity(in_.substr(pos_), length);
            if (code == 0) return copy();
            put_entity(out_, code);
            pos_ += length;
            return;
        }
        case '-':
            if (!starts_with(pos_, "-{") || starts_with(pos_, "-{{")) return copy();
            push({.kind = Kind::kVariant, .start = out_.size(), .content = out_.size() + 2});
            out_.append("-{");
            pos_ += 2;
            return;
        default: ++pos_;  // a control character: not text, and the marks need their meaning
    }
}

void WikitextEngine::newline() {
    while (!frames_.empty()) {
        const Frame& frame = frames_.back();
        const bool link = frame.kind == Kind::kLink && !frame.file;
        // "[[target\n|text]]" is a slip that is plain enough.
        const bool no_text_yet = bars_.size() == frame.first_bar && !starts_with(pos_, "\n|");
        const bool blank_follows = starts_with(pos_, "\n\n") || starts_with(pos_, "\n\r\n");
        if (frame.kind != Kind::kExternal && !(link && (no_text_yet || blank_follows))) break;
        pop_unclosed();
    }
    flush_captions();
    out_.push_back(poems_ > 0 ? kBreak : '\n');
    ++pos_;
    begin_line();
    while (poems_ > 0 && pos_ < in_.size() && in_[pos_] == ':') ++pos_;  // indents a line of verse
}

/// Looks at the line that begins at pos_ for what only the source tells.
void WikitextEngine::begin_line() {
    if (pos_ < gallery_end_) return gallery_line();
    const std::size_t text = std::min(in_.find_first_not_of("*#:;", pos_), in_.size());
    if (text == pos_ || !frames_.empty()) return;
    count_step(text - pos_);
    const char sign = in_[text - 1];
    if (sign != ';' && (sign != ':' || !starts_with(text, "''"))) return;
    const std::size_t end = find_or_end(in_, '\n', text);
    count_step((end - text) / 4);
    // ":''For other uses, see [[Ulm (disambiguation)]].''"
    if (sign == ':' && in_.substr(text, end - text).find("[[") != kNone) out_.push_back(kHat);
    if (sign == ';') term_end_ = term_end(text, end);
}

/// The colon in "; term : what defines it" that is in no link and no tag; npos if there is none.
std::size_t WikitextEngine::term_end(std::size_t from, std::size_t end) const {
    int depth = 0;
    bool tags = true;  // whether a tag may still be closed in the line
    for (std::size_t i = from; i < end; ++i) {
        const char c = in_[i];
        if (c == '[' || c == '{') ++depth;
        if (c == ']' || c == '}') --depth;
        if (c == '<' && tags) {
            const std::size_t close = in_.substr(0, end).find('>', i);
            tags = close != kNone;
            if (!tags) continue;
            if (starts_with(i, "</")) --depth;
            else if (is_alpha(in_[i + 1]) && in_[close - 1] != '/' && !starts_with(i, "<br"))
                ++depth;
            i = close;
        }
        if (c != ':' || depth != 0 || starts_with(i, "://")) continue;
        // The colon of "12:30" ends no term.
        const bool time = i > from && is_digit(in_[i - 1]) && i + 1 < end && is_digit(in_[i + 1]);
        if (!time) return i;
    }
    return kNone;
}

/// "#REDIRECT [[Ulm]]" at the beginning of a page is no text.
void WikitextEngine::skip_redirect() {
    std::size_t at = 0;
    const auto blanks = [&] {
        while (at < in_.size() && is_space(in_[at])) ++at;
    };
    blanks();
    if (!starts_with(at, "#")) return;
    const std::size_t word = ++at;
    constexpr std::size_t kLongest = 48;  // bytes of the word in any language
    while (at < in_.size() && at - word < kLongest && (is_word(in_[at]) || in_[at] == '_')) ++at;
    if (!is_redirect(in_.substr(word, at - word))) return;
    blanks();
    if (starts_with(at, ":")) ++at;
    blanks();
    // Bounded: a page that begins so and has no link is not searched to its end.
    const std::size_t close = starts_with(at, "[[") ? in_.substr(0, at + 600).find("]]", at)
                                                    : kNone;
    if (close != kNone) pos_ = close + 2;
}

void WikitextEngine::equals() {
    if (top_is(Kind::kTemplate) && bars_.size() > frames_.back().first_bar &&
        bars_.back().equals == kNone)
        bars_.back().equals = out_.size();
    copy();
}

void WikitextEngine::bar() {
    if (pos_ == caption_end_) {  // settings of an image in a gallery stand behind its caption
        pos_ = std::min(in_.find('\n', pos_), gallery_end_);
        return;
    }
    const bool line_start = (open(Kind::kTable) > 0) && starts_with(pos_, "|}") && at_line_start();
    if (line_start) {
        // "|}}" may be the end of a table or a bar and the end of a template; the latter when a
        // template is the innermost of the two, or when it is open and the braces fit it exactly.
        while (top_is(Kind::kLink) || top_is(Kind::kExternal) || top_is(Kind::kVariant))
            pop_unclosed();
        const bool two_braces = starts_with(pos_, "|}}") && !starts_with(pos_, "|}}}");
        if (top_is(Kind::kTable) && !(two_braces && open(Kind::kTemplate) > 0)) {
            pos_ += 2;
            return close_table(Kind::kTable);
        }
    }
    while (top_is(Kind::kExternal) && open(Kind::kTemplate) > 0) pop_unclosed();
    if (top_is(Kind::kTemplate) || top_is(Kind::kLink)) {
        Frame& frame = frames_.back();
        if (frame.kind == Kind::kLink && bars_.size() == frame.first_bar)
            frame.file = has_prefix(link_target(frame), file_names_);
        if (bars_.size() < kMostBars) bars_.push_back({out_.size(), kNone});
    }
    copy();
}

bool WikitextEngine::starts_with(std::size_t at, std::string_view what) const {
    return at <= in_.size() && in_.substr(at, what.size()) == what;
}

/// Whether nothing but blanks, marks and list signs stand before this place in its line of output.
bool WikitextEngine::at_line_start() const {
    std::size_t floor = out_.size() > kLookBack ? out_.size() - kLookBack : 0;
    std::size_t argument = 0;
    if (top_is(Kind::kTemplate) && bars_.size() > frames_.back().first_bar) {
        const Bar& bar = bars_.back();
        argument = (bar.equals == kNone ? bar.at : bar.equals) + 1;
    }
    for (std::size_t i = out_.size(); i > floor; --i) {
        const char c = out_[i - 1];
        if (c == '\n' || c == kBreak || c == kBlock || i == argument) return true;
        if (c != ' ' && c != '\t' && c != ':' && c != '*' && c != '#' && c != kHole) return false;
    }
    return floor == 0;
}

bool WikitextEngine::push(Frame frame) {
    if (frames_.size() >= options_.budget.nesting) {
        over_nesting_ = true;
        return false;
    }
    frame.first_bar = bars_.size();
    frames_.push_back(frame);
    ++open_[static_cast<std::size_t>(frame.kind)];
    counters_->nesting = std::max<std::int64_t>(counters_->nesting,
                                                static_cast<std::int64_t>(frames_.size()));
    return true;
}

/// Closes the innermost construct; what it wrote stays in the output.
Frame WikitextEngine::pop() {
    const Frame frame = frames_.back();
    --open_[static_cast<std::size_t>(frame.kind)];
    bars_.resize(frame.first_bar);
    frames_.pop_back();
    return frame;
}

/// Gives up the innermost construct: its opening stays in the output as text.
void WikitextEngine::pop_unclosed() {
    pop();
    ++counters_->unclosed;
}

void WikitextEngine::pop_unclosed_until(Kind kind) {
    while (!frames_.empty() && !top_is(kind)) pop_unclosed();
}

void WikitextEngine::hole() {
    if (out_.empty() || out_.back() != kHole ||
        (out_.size() > 1 && out_[out_.size() - 2] == kLiteral))
        out_.push_back(kHole);
}

/// Appends the text of a template or an address; where it begins a line the mark tells.
void WikitextEngine::put_apart(std::string_view text) {
    if (!text.empty() && frames_.empty() && (is_word(text[0]) || text[0] == '"') && at_line_start())
        out_.push_back(kCalled);
    out_.append(text);
}

/// What stands before the first '|' of the innermost construct.
std::string_view WikitextEngine::before_bars(const Frame& frame) const {
    const std::size_t end = bars_.size() > frame.first_bar ? bars_[frame.first_bar].at
                                                           : out_.size();
    return std::string_view(out_).substr(frame.content, end - frame.content);
}

/// What stands between '|' number `i` and the next one of the innermost construct.
std::string_view WikitextEngine::behind_bar(std::size_t i) const {
    const std::size_t end = i + 1 < bars_.size() ? bars_[i + 1].at : out_.size();
    return std::string_view(out_).substr(bars_[i].at + 1, end - bars_[i].at - 1);
}

/// Forgets the output from `to` on. Bars never point behind it: those of a closed frame are gone.
void WikitextEngine::cut_back(std::size_t to) {
    count_step((out_.size() - to) / 8);
    out_.resize(to);
}

// --------------------------------------------------------------------------------------- templates

void WikitextEngine::open_braces() {
    std::size_t end = pos_;
    while (end < in_.size() && in_[end] == '{') ++end;
    const std::size_t run = end - pos_;
    count_step(run);
    if (run == 1) {
        if (starts_with(pos_, "{|") && !starts_with(pos_, "{|}") && at_line_start())
            return open_table();
        return copy();
    }
    const std::size_t start = out_.size();
    out_.push_back(kOpenTemplate);
    out_.append(run, '{');
    push({.kind = Kind::kTemplate,
          .braces = run,
          .from = pos_,
          .start = start,
          .content = out_.size()});
    pos_ = end;
}

void WikitextEngine::close_braces() {
    std::size_t end = pos_;
    while (end < in_.size() && in_[end] == '}') ++end;
    std::size_t run = end - pos_;
    count_step(run);
    while (run >= 2 && open(Kind::kTemplate) > 0) {
        pop_unclosed_until(Kind::kTemplate);
        // Three braces close a parameter and two a template, as in MediaWiki's preprocessor.
        const std::size_t take = std::min<std::size_t>({run, frames_.back().braces, 3});
        run -= take;
        finish_braces(take, end - run);
        count_step(1);
    }
    if (run == 1 && starts_with(end - 1, "}-") && top_is(Kind::kVariant)) {
        pos_ = end + 1;
        return finish_variant();
    }
    out_.append(run, '}');
    pos_ = end;
}

/// Closes `take` (2: template, 3: parameter) of the braces of the innermost template, which end
/// before `end` in the page.
void WikitextEngine::finish_braces(std::size_t take, std::size_t end) {
    const Frame frame = frames_.back();
    const std::size_t left = frame.braces - take;
    // The last `take` braces are this construct's; one that is left over is text again.
    const std::size_t result_at = left >= 2 ? frame.content - take : frame.start;
    scratch_.clear();
    if (left == 1) scratch_.push_back('{');
    if (take == 2 && finish_function(frame)) {
        if (scratch_.size() == (left == 1 ? 1 : 0)) scratch_.push_back(kHole);
    } else if (take == 2) {
        const std::size_t before = scratch_.size(), begin = frame.from + left;
        finish_template(frame, in_.substr(begin, end - begin));
        if (scratch_.size() == before) scratch_.push_back(kHole);
    } else if (bars_.size() > frame.first_bar) {  // {{{name|default}}}
        scratch_.append(behind_bar(frame.first_bar));
    } else {
        scratch_.push_back(kHole);
    }
    cut_back(result_at);
    if (left >= 2) {
        bars_.resize(frame.first_bar);
        frames_.back().braces = left;
        frames_.back().content = result_at;
    } else {
        pop();
    }
    if (scratch_.size() == 1 && scratch_[0] == kHole) hole();
    else put_apart(scratch_);
    count_step(scratch_.size() / 4);
}

/// Appends what the innermost template gives to scratch_; `call` is all of it in the page.
void WikitextEngine::finish_template(const Frame& frame, std::string_view call) {
    const TemplateRule* rule = read_name(frame);
    const std::size_t before = scratch_.size();
    if (rule != nullptr && rule->render != Render::kDrop) {
        read_arguments(frame);
        render_template(*rule, call_, *table_, scratch_);
        ++counters_->templates_rendered;
        // A rule of numbers says nothing of a template of this name that takes words.
        if (rule->render == Render::kVal && scratch_.size() == before) fall_back(frame, call);
        return;
    }
    if (rule != nullptr || classes_.find(call_.name).kind != TemplateClass::kNone)
        finish_box(frame);
    else
        fall_back(frame, call);
    if (scratch_.size() == before || scratch_.back() == kGap) ++counters_->templates_dropped;
}

/// A template that nothing tells of is written as its first text, where it stands in running text
/// or fills a cell; one that stands by itself as the lists and summaries that it holds.
void WikitextEngine::fall_back(const Frame& frame, std::string_view call) {
    // One without arguments holds no word of the page: a flag, a remark, a sign. One of codes alone
    // does not either, but numbers may be what the sentence is about.
    const bool bare = bars_.size() == frame.first_bar;
    if ((bare && !is_ordinal(call_.name)) || !may_fall_back(call_.name)) return;
    const auto begin = static_cast<std::size_t>(call.data() - in_.data());
    count_step(call.size() / 4 + 32);
    const CallSite site = find_call_site(in_, begin, begin + call.size());
    if (site == CallSite::kNote) return;
    if (call_.arguments.empty() && !bare) read_arguments(frame);
    const std::size_t before = scratch_.size();
    const bool in_table = frames_.size() > 1 && frames_[frames_.size() - 2].kind == Kind::kTable;
    if (site == CallSite::kAlone && !(in_table && is_whole_cell(in_, begin, begin + call.size()))) {
        if (put_blocks(call_, scratch_)) ++counters_->templates_fallback;
        return;
    }
    for (TemplateArgument& argument : call_.arguments) {
        const std::string_view value = trim_marks(argument.value);
        if (has_prefix(value, category_names_) || has_prefix(value, file_names_))
            argument.value = {};
    }
    put_fallback(call_, *table_, scratch_);
    if (scratch_.size() > before) ++counters_->templates_fallback;
    else if (has_number(call_)) scratch_.push_back(kGap);
}

/// Reads the name of the innermost template into call_, and its argument behind a colon. Returns
/// its rule, or null.
const TemplateRule* WikitextEngine::read_name(const Frame& frame) {
    call_.name.clear();
    call_.arguments.clear();
    const std::string_view title = trim_marks(before_bars(frame));
    if (title.size() > 120) return nullptr;  // no rule has such a name
    call_.name = fold_name(title);
    for (std::string_view space : {"template:", "msg:", "modèle:", "vorlage:"})
        if (call_.name.starts_with(space)) call_.name.erase(0, space.size());
    // A parser function: {{formatnum:1234}}
    if (const std::size_t colon = call_.name.find(':'); colon != kNone) {
        const std::size_t at = title.find(':');
        call_.name.resize(colon + 1);
        call_.arguments.push_back({{}, trim(title.substr(at + 1)), 1});
    }
    return table_->find(call_.name, title, call_.matched);
}

/// Reads the arguments of the innermost template into call_; views point into out_.
void WikitextEngine::read_arguments(const Frame& frame) {
    auto position = static_cast<std::uint32_t>(call_.arguments.size());
    count_step(bars_.size() - frame.first_bar);
    for (std::size_t i = frame.first_bar; i < bars_.size(); ++i) {
        const std::string_view text = behind_bar(i);
        const std::size_t equals = equals_of(i);
        if (equals == kNone) call_.arguments.push_back({{}, text, ++position});
        else
            call_.arguments.push_back(
                {trim_marks(text.substr(0, equals)), trim(text.substr(equals + 1)), 0});
    }
}

}  // namespace corpuskit
