#include "engine/quality/lines.hpp"

#include <algorithm>

#include "engine/quality/characters.hpp"
#include "engine/quality/sentences.hpp"

namespace corpuskit::quality {

namespace {

constexpr std::int64_t kShortLine = 30;

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

/// The pieces of a text between runs of at least so many line feeds.
void split_at_line_feeds(std::string_view text, std::size_t least,
                         std::vector<std::string_view>& pieces) {
    pieces.clear();
    std::size_t begin = 0, at = 0;
    while ((at = text.find('\n', at)) != std::string_view::npos) {
        const std::size_t end = std::min(text.find_first_not_of('\n', at), text.size());
        if (end - at >= least) {
            pieces.push_back(text.substr(begin, at - begin));
            begin = end;
        }
        at = end;
    }
    pieces.push_back(text.substr(begin));
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

LineFigures Lines::read(std::string_view text, std::int64_t characters) {
    ascii_ = static_cast<std::size_t>(characters) == text.size();
    LineFigures figures;
    figures.sentences = find(text);
    figures.of_lines = figures.of_text_lines = repeats(lines_);
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

LineFigures Lines::read_as_datatrove(std::string_view text, std::int64_t characters) {
    ascii_ = static_cast<std::size_t>(characters) == text.size();
    LineFigures figures;
    figures.sentences = find(text);
    figures.paragraphs = static_cast<std::int64_t>(paragraphs_.size());
    lines_.clear();
    each_line(text, [&](std::string_view line) {
        if (!strip_left(line, kPythonSpace).empty()) lines_.push_back(line);
    });
    figures.of_text_lines = repeats(lines_);
    count_ends(figures);
    figures.of_text_lines.characters = characters - std::count(text.begin(), text.end(), '\n');
    each_split_line(text, [&](std::string_view line) {
        ++figures.split_lines;
        const std::string_view bare = strip_left(line, kPythonSpace);
        figures.bullet += !bare.empty() && (first_flags(bare) & kDatatroveBullet) != 0;
        figures.ellipsis += ends_in_ellipsis(strip_right(line, kPythonSpace));
    });
    split_at_line_feeds(text, 1, units_);
    figures.of_lines = repeats(units_);
    split_at_line_feeds(strip(text, kPythonSpace), 2, units_);
    figures.of_paragraphs = repeats(units_);
    figures.of_lines.characters = figures.of_paragraphs.characters = characters;
    return figures;
}

/// Lines with text, without the white space around them, and the paragraphs that they form.
std::int64_t Lines::find(std::string_view text) {
    lines_.clear();
    paragraphs_.clear();
    bool within = false;
    each_line(text, [&](std::string_view raw) {
        const std::string_view line = strip(raw, kWhiteSpace);
        if (!line.empty()) {
            if (!within) paragraphs_.push_back({lines_.size(), lines_.size()});
            lines_.push_back(line);
            paragraphs_.back().last = lines_.size();
        }
        within = !line.empty();
    });
    std::int64_t sentences = 0;
    for (const Paragraph& paragraph : paragraphs_) {
        // As they stand: the white space around its lines is white space between them.
        const char* const begin = lines_[paragraph.first].data();
        const std::string_view last = lines_[paragraph.last - 1];
        const auto size = static_cast<std::size_t>(last.data() + last.size() - begin);
        sentences += static_cast<std::int64_t>(count_sentences({begin, size}));
    }
    return sentences;
}

Repeats Lines::repeats(const std::vector<std::string_view>& units) {
    Repeats found{static_cast<std::int64_t>(units.size())};
    numbering_.reset();
    numbers_.clear(), characters_.clear(), first_.clear();
    for (std::size_t i = 0; i < units.size(); ++i) {
        const std::string_view unit = units[i];
        const auto characters = 
            static_cast<std::int64_t>(ascii_ ? unit.size() : count_characters(unit));
        const std::uint32_t number = numbering_.number(
            hash_bytes(unit), [&](std::uint32_t other) { return units[first_[other]] == unit; });
        if (number == first_.size()) {
            first_.push_back(i);
        } else {
            ++found.repeated;
            found.repeated_characters += characters;
        }
        found.characters += characters;
        numbers_.push_back(number);
        characters_.push_back(characters);
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

/// Of the lines that were looked at last for repeats.
void Lines::count_ends(LineFigures& figures) {
    figures.lines = static_cast<std::int64_t>(lines_.size());
    for (std::size_t i = 0; i < lines_.size(); ++i) {
        figures.end_mark += (characters().flags(last_code_point(lines_[i])) & kEndMark) != 0;
        figures.short_lines += characters_[i] <= kShortLine;
    }
}

}  // namespace corpuskit::quality
