// Shared by the files of the second pass.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "wikitext_internal.hpp"

namespace corpuskit {

/// Writes the text of one line, without apostrophes, switches and marks, with holes mended.
class LineText {
  public:
    std::string text;
    bool had_hole = false;
    bool disambiguates = false;  // the switch __DISAMBIG__ was met

    /// Writes `line`; what was written before is forgotten. With `markdown` emphasis becomes ** and *.
    void write(std::string_view line, bool markdown);
    /// Bytes that are held beside the text.
    std::size_t table_bytes() const { return runs_.capacity() * sizeof(runs_[0]); }

  private:
    void resolve_apostrophes(std::string_view line);
    void space();
    void new_line(std::size_t count);
    void after_hole(std::string_view line, std::size_t& i);
    bool ends_with(std::string_view what) const { return std::string_view(text).ends_with(what); }
    void trim_end();
    bool drop_separator();
    bool drop_open_bracket();
    bool drop_bracket(std::string_view line, std::size_t& i);

    bool hole_ = false;            // only blanks were written since the last hole
    void apostrophes(std::size_t run, std::size_t kept);
    void write_emphasis();

    std::vector<std::uint32_t> runs_;  // of two or more apostrophes in a line: how many of each are text
    bool markdown_ = false;
    std::string emphasis_;  // buffer
};

struct TableCell {
    std::string text;
    bool head;
};
using TableRow = std::vector<TableCell>;
inline constexpr std::string_view kCells("\x0B\x0C");  // kCell, kHead

/// Writes a table: rows of Markdown, or lines with cells apart by tabs (kKeep) or by " | " (kFlatten).
void write_table(const std::vector<TableRow>& rows, WikitextTables tables, bool markdown, std::string& out);

inline bool has_content(std::string_view text) {
    for (char c : text)
        if (is_word(c)) return true;
    return false;
}

}  // namespace corpuskit
