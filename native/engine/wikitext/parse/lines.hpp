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
    /// `goes_on`: the cell before fills this place, too.
    void add_cell(std::string_view text, bool goes_on) {
        if (!goes_on) end_cell();
        text_.append(text);
        ends_.push_back(static_cast<std::uint32_t>(text_.size()));
        const std::size_t column = ends_.size() - row_begin() - 1;
        if (columns_.size() <= column) columns_.resize(column + 1);
        if (text.empty()) return;
        columns_[column] |= kBegins;
        speaks_ = true;
    }
    /// Ends the row; empty cells at its end are forgotten.
    void end_row() {
        end_cell();
        const std::size_t first = row_begin();
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
    /// Of each column, whether a flat table has it. One that is empty throughout (pictures) says
    /// nothing, and neither does one whose every cell with text fills a column beside it, too:
    /// a flag before a name under one head for both. All other cells stay above each other.
    std::vector<bool> needed_columns() const;
    std::size_t table_bytes() const {
        return text_.capacity() + columns_.capacity() +
               (ends_.capacity() + row_ends_.capacity()) * sizeof(ends_[0]);
    }

  private:
    static constexpr std::uint8_t kBegins = 1, kEnds = 2;  // a cell with text does, in this column

    void end_cell() {
        if (speaks_) columns_[ends_.size() - row_begin() - 1] |= kEnds;
        speaks_ = false;
    }
    std::size_t row_begin() const { return rows() == 0 ? 0 : row_ends_.back(); }
    std::size_t first(std::size_t row) const { return row == 0 ? 0 : row_ends_[row - 1]; }
    std::string_view cell(std::size_t i) const {
        const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
        return std::string_view(text_).substr(begin, ends_[i] - begin);
    }

    std::string text_;
    std::vector<std::uint32_t> ends_;      // of each cell in the text
    std::vector<std::uint32_t> row_ends_;  // of each row, as a number of cells
    std::vector<std::uint8_t> columns_;    // what is known of each
    bool speaks_ = false;                  // whether the last cell has text
    bool places_ = false;
};

/// Writes a table: rows of Markdown, or lines with cells apart by tabs (kKeep) or by " | "
/// (kFlatten).
void write_table(const TableText& table, WikitextTables tables, bool markdown, std::string& out);

}  // namespace corpuskit
