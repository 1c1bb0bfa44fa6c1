// Shared by the files of the second pass.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/wikitext/parse/engine.hpp"

namespace corpuskit {

/// Writes the text of one line, without apostrophes, switches and marks, with holes mended.
class LineText {
  public:
    std::string text;
    bool had_hole = false;
    bool disambiguates = false;  // the switch __DISAMBIG__ was met

    /// Writes `line`; what was written before is forgotten. With `markdown` emphasis becomes ** and
    /// *.
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

    // Of two or more apostrophes in a line: how many of each are text.
    std::vector<std::uint32_t> runs_;
    bool markdown_ = false;
    std::string emphasis_;  // buffer
};

/// The cells of a table, packed: a page may have as many of them as bytes.
class TableText {
  public:
    void add_cell(std::string_view text) {
        text_.append(text);
        ends_.push_back(static_cast<std::uint32_t>(text_.size()));
    }
    /// Ends the row; empty cells at its end are forgotten.
    void end_row() {
        const std::size_t first = rows() == 0 ? 0 : row_ends_.back();
        while (ends_.size() > first && cell(ends_.size() - 1).empty()) ends_.pop_back();
        row_ends_.push_back(static_cast<std::uint32_t>(ends_.size()));
    }
    void clear() { *this = {}; }
    /// Where cells span several places, those that they fill stay empty in lines, too.
    void keep_places() { places_ = true; }
    bool keeps_places() const { return places_; }

    std::size_t rows() const { return row_ends_.size(); }
    std::size_t cells() const { return ends_.size(); }
    std::size_t size(std::size_t row) const { return row_ends_[row] - first(row); }
    std::string_view cell(std::size_t row, std::size_t column) const {
        return cell(first(row) + column);
    }
    std::size_t table_bytes() const {
        return text_.capacity() + (ends_.capacity() + row_ends_.capacity()) * sizeof(ends_[0]);
    }

  private:
    std::size_t first(std::size_t row) const { return row == 0 ? 0 : row_ends_[row - 1]; }
    std::string_view cell(std::size_t i) const {
        const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
        return std::string_view(text_).substr(begin, ends_[i] - begin);
    }

    std::string text_;
    std::vector<std::uint32_t> ends_;      // of each cell in the text
    std::vector<std::uint32_t> row_ends_;  // of each row, as a number of cells
    bool places_ = false;
};

/// Writes a table: rows of Markdown, or lines with cells apart by tabs (kKeep) or by " | "
/// (kFlatten).
void write_table(const TableText& table, WikitextTables tables, bool markdown, std::string& out);

}  // namespace corpuskit
