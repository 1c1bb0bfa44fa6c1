#include "engine/quality/lines.hpp"

#include <algorithm>

#include "engine/quality/characters.hpp"
#include "engine/quality/sentences.hpp"

namespace corpuskit::quality {

namespace {

constexpr std::size_t kShortLine = 30;

bool ends_in_ellipsis(std::string_view line) {
    return line.ends_with("...") || line.ends_with("\xE2\x80\xA6");
}

std::uint32_t first_flags(std::string_view text) {
    std::size_t at = 0;
    return characters().flags(next_code_point(text, at));
}

/// Calls `use` with each line, which ends at a line feed or at the end of the text.
template <typename Use>
void each_line(std::string_view text, Use use) {
    for (std::size_t at = 0; at <= text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        use(text.substr(at, end - at));
        at = end + 1;
    }
}

/// What Python's str.splitlines gives.
template <typename Use>
void each_split_line(std::string_view text, Use use) {
    const Characters& known = characters();
    std::size_t begin = 0;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t before = at;
        const char32_t c = next_code_point(text, at);
        if ((known.flags(c) & kPythonLineEnd) == 0) continue;
        if (c == '\r' && at < text.size() && text[at] == '\n') ++at;
        use(text.substr(begin, before - begin));
        begin = at;
    }
    if (begin < text.size()) use(text.substr(begin));
}

}  // namespace

LineFigures Lines::read(std::string_view text, const Counted& counted) {
    ascii_ = static_cast<std::size_t>(counted.characters) == text.size();
    LineFigures figures;
    find(text);
    figures.sentences = sentences();
    figures.of_lines = repeats(lines_);
    measure(lines_);
    for (const std::int64_t characters : characters_) figures.of_lines.characters += characters;
    figures.of_text_lines = figures.of_lines;
    count_ends(figures);
    figures.split_lines = figures.lines;
    for (const std::string_view line : lines_) {
        figures.bullet += (first_flags(line) & kBullet) != 0;
        figures.ellipsis += ends_in_ellipsis(line);
    }
    figures.of_paragraphs = repeated_paragraphs();
    figures.paragraphs = figures.of_paragraphs.units;
    return figures;
}

LineFigures Lines::read_as_datatrove(std::string_view text, const Counted& counted) {
    ascii_ = static_cast<std::size_t>(counted.characters) == text.size();
    LineFigures figures;
    find(text);
    figures.sentences = sentences();
    figures.paragraphs = static_cast<std::int64_t>(paragraphs_.size());
    figures.of_lines = datatrove_lines(text, figures);
    count_ends(figures);
    figures.of_text_lines.characters = counted.characters - counted.line_feeds;
    const auto look = [&](std::string_view line) {
        ++figures.split_lines;
        const std::string_view bare = strip_left(line, kPythonSpace);
        figures.bullet += !bare.empty() && (first_flags(bare) & kDatatroveBullet) != 0;
        figures.ellipsis += ends_in_ellipsis(strip_right(line, kPythonSpace));
    };
    if (counted.other_line_ends > 0) {
        each_split_line(text, look);
    } else {
        if (raw_.back().empty()) raw_.pop_back();
        for (const std::string_view line : raw_) look(line);
    }
    find_pieces(strip(text, kPythonSpace));
    figures.of_paragraphs = repeats(units_);
    figures.of_lines.characters = figures.of_paragraphs.characters = counted.characters;
    return figures;
}

/// Lines as they stand, lines with text without the white space around them, and the paragraphs
/// that they form.
void Lines::find(std::string_view text) {
    raw_.clear();
    lines_.clear();
    paragraphs_.clear();
    bool within = false;
    each_line(text, [&](std::string_view raw) {
        raw_.push_back(raw);
        const std::string_view line = strip(raw, kWhiteSpace);
        if (!line.empty()) {
            if (!within) paragraphs_.push_back({lines_.size(), lines_.size(), line});
            lines_.push_back(line);
            Paragraph& paragraph = paragraphs_.back();
            paragraph.last = lines_.size();
            // As they stand: the white space around its lines is white space between them.
            const char* const begin = paragraph.text.data();
            const char* const end = line.data() + line.size();
            paragraph.text = {begin, static_cast<std::size_t>(end - begin)};
        }
        within = !line.empty();
    });
}

std::int64_t Lines::sentences() const {
    std::size_t sentences = 0;
    for (const Paragraph& paragraph : paragraphs_) sentences += count_sentences(paragraph.text);
    return static_cast<std::int64_t>(sentences);
}

/// Repeats of the pieces between runs of line feeds; those of lines with text go to `figures`.
Repeats Lines::datatrove_lines(std::string_view text, LineFigures& figures) {
    lines_.clear(), units_.clear();
    for (const std::string_view line : raw_) {
        if (line.empty()) continue;
        units_.push_back(line);
        if (!strip_left(line, kPythonSpace).empty()) lines_.push_back(line);
    }
    Repeats of_lines = repeats(units_);
    figures.of_text_lines = lines_.size() == units_.size() ? of_lines : repeats(lines_);
    // An empty piece at the beginning, and at the end another one.
    const std::int64_t first = text.empty() || text.front() == '\n';
    const std::int64_t last = !text.empty() && text.back() == '\n';
    of_lines.units += first + last;
    of_lines.repeated += first * last;
    return of_lines;
}

/// The pieces between two or more line feeds, of a text without white space around it.
void Lines::find_pieces(std::string_view text) {
    units_.clear();
    const char *begin = text.data(), *const text_end = begin + text.size();
    const auto take = [&](const char* end) {
        units_.emplace_back(begin, static_cast<std::size_t>(end - begin));
    };
    for (std::size_t i = 1; i + 1 < raw_.size(); ++i) {
        const char* const end = raw_[i - 1].data() + raw_[i - 1].size();
        if (!raw_[i].empty() || end <= begin || end >= text_end) continue;
        take(end);
        while (raw_[i].empty()) ++i;
        begin = raw_[i].data();
    }
    take(text_end);
}

std::int64_t Lines::characters_of(std::string_view unit) const {
    return static_cast<std::int64_t>(ascii_ ? unit.size() : count_characters(unit));
}

bool Lines::is_short(std::string_view line) const {
    return line.size() <= kShortLine || characters_of(line) <= std::int64_t{kShortLine};
}

void Lines::measure(const std::vector<std::string_view>& units) {
    characters_.clear();
    for (const std::string_view unit : units) characters_.push_back(characters_of(unit));
}

/// All but the characters of all units, which are left to who needs them.
Repeats Lines::repeats(const std::vector<std::string_view>& units) {
    Repeats found{static_cast<std::int64_t>(units.size())};
    numbering_.reset(units.size());
    numbers_.clear(), first_.clear();
    for (std::size_t i = 0; i < units.size(); ++i) {
        const std::string_view unit = units[i];
        const std::uint32_t number = numbering_.number(
            hash_bytes(unit), [&](std::uint32_t other) { return units[first_[other]] == unit; });
        if (number == first_.size()) {
            first_.push_back(i);
        } else {
            ++found.repeated;
            found.repeated_characters += characters_of(unit);
        }
        numbers_.push_back(number);
    }
    return found;
}

/// Paragraphs are equal if their lines are, one by one: their numbers stand for them.
Repeats Lines::repeated_paragraphs() {
    Repeats found{static_cast<std::int64_t>(paragraphs_.size())};
    numbering_.reset();
    first_.clear();
    const auto lines = [this](const Paragraph& p) {
        return std::basic_string_view<std::uint32_t>(numbers_.data() + p.first, p.last - p.first);
    };
    for (std::size_t i = 0; i < paragraphs_.size(); ++i) {
        const Paragraph& paragraph = paragraphs_[i];
        std::uint64_t hash = paragraph.last - paragraph.first;
        auto characters = static_cast<std::int64_t>(hash) - 1;  // the line feeds
        for (std::size_t line = paragraph.first; line < paragraph.last; ++line) {
            hash = mix(hash, numbers_[line]);
            characters += characters_[line];
        }
        const std::uint32_t number = numbering_.number(hash, [&](std::uint32_t other) {
            return lines(paragraphs_[first_[other]]) == lines(paragraph);
        });
        if (number == first_.size()) {
            first_.push_back(i);
        } else {
            ++found.repeated;
            found.repeated_characters += characters;
        }
        found.characters += characters;
    }
    return found;
}

void Lines::count_ends(LineFigures& figures) const {
    figures.lines = static_cast<std::int64_t>(lines_.size());
    for (const std::string_view line : lines_) {
        figures.end_mark += (characters().flags(last_code_point(line)) & kEndMark) != 0;
        figures.short_lines += is_short(line);
    }
}

}  // namespace corpuskit::quality
