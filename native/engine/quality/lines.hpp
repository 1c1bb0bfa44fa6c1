// Lines and paragraphs of a text; corpuskit/stages/quality/statistics.py says what they are.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/quality/hash.hpp"

namespace corpuskit::quality {

/// Of some lines or paragraphs: how many, how many repeat an earlier one, characters of both.
struct Repeats {
    std::int64_t units = 0, repeated = 0, characters = 0, repeated_characters = 0;
};

struct LineFigures {
    std::int64_t lines = 0, end_mark = 0, short_lines = 0, split_lines = 0, bullet = 0;
    std::int64_t ellipsis = 0, paragraphs = 0, sentences = 0;
    Repeats of_lines, of_paragraphs, of_text_lines;
};

/// What is known of the characters of a text before its lines are read.
struct Counted {
    std::int64_t characters = 0, line_feeds = 0;
    std::int64_t other_line_ends = 0;  // at which str.splitlines cuts too
};

/// Reads the lines of one text after the other; memory is used again.
class Lines {
  public:
    LineFigures read(std::string_view text, const Counted& counted);
    /// Lines and paragraphs as datatrove 0.10.1 counts them.
    LineFigures read_as_datatrove(std::string_view text, const Counted& counted);

  private:
    struct Paragraph {
        std::size_t first, last;  // lines first to last - 1
        std::string_view text;    // without the white space around it
    };
    void find(std::string_view text);
    std::int64_t sentences() const;
    Repeats repeats(const std::vector<std::string_view>& units);
    Repeats repeated_paragraphs();
    void measure(const std::vector<std::string_view>& units);
    void count_ends(LineFigures& figures) const;
    void find_pieces(std::string_view text);
    Repeats datatrove_lines(std::string_view text, LineFigures& figures);
    std::int64_t characters_of(std::string_view unit) const;
    bool is_short(std::string_view line) const;

    std::vector<std::string_view> raw_;    // lines as they stand between line feeds, empty ones too
    std::vector<std::string_view> lines_, units_;
    std::vector<Paragraph> paragraphs_;
    std::vector<std::uint32_t> numbers_;      // of each unit, by first place
    std::vector<std::int64_t> characters_;    // of each unit
    std::vector<std::size_t> first_;
    Numbering numbering_;
    bool ascii_ = false;
};

}  // namespace corpuskit::quality
