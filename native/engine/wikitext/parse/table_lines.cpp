// Second pass: the rows of a table as lines.
#include <algorithm>

#include "engine/wikitext/parse/lines.hpp"

namespace corpuskit {

namespace {

// A grid of more cells for each one that the table has is not filled up: a page of n bytes could
// ask for n * n of them.
constexpr std::size_t kMostFilled = 2;
constexpr std::size_t kAlwaysFilled = 10'000;

bool is_empty(const TableText& table, std::size_t row) {
    for (std::size_t i = 0; i < table.size(row); ++i)
        if (has_word(table.cell(row, i))) return false;
    return true;
}

// Stands for an empty cell where a row begins: a bar there would be read as markup.
constexpr std::string_view kNothing = "\u2013";

/// The cells apart by " | ". Empty ones are left out, since a position says little where they are
/// many, but not those of `columns` in a table with cells that span: "a | | d", and "– | b" where
/// the first is empty.
void write_flat(const TableText& table, std::size_t row, const std::vector<bool>& columns,
                std::string& out) {
    bool any = false;
    std::string_view held;  // of a cell that goes on into the next of `columns`
    const auto put = [&](std::string_view text) {
        if (any) out.append(text.empty() ? " |" : " | ");
        out.append(any || !text.empty() ? text : kNothing);
        any = true;
    };
    for (std::size_t i = 0; i < table.size(row); ++i) {
        const std::string_view text = table.cell(row, i);
        if (!text.empty()) held = text;
        if (table.keeps_places() ? !columns[i] : text.empty()) continue;
        put(held);
        held = {};
    }
    if (!held.empty()) put(held);
}

void write_tabs(const TableText& table, std::size_t row, std::string& out) {
    for (std::size_t i = 0; i < table.size(row); ++i) {
        if (i > 0) out.push_back('\t');
        out.append(table.cell(row, i));
    }
}

void write_markdown(const TableText& table, std::size_t row, std::size_t columns,
                    std::string& out) {
    out.push_back('|');
    for (std::size_t i = 0; i < columns; ++i) {
        out.push_back(' ');
        if (i < table.size(row))
            for (char c : table.cell(row, i)) {
                if (c == '|') out.push_back('\\');
                out.push_back(c);
            }
        out.append(" |");
    }
}

}  // namespace

std::vector<bool> TableText::needed_columns() const {
    std::vector<bool> needed(columns_.size());
    bool begun = false;  // whether a cell with text begins behind the last column that is needed
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        begun = begun || (columns_[i] & kBegins) != 0;
        // Where none ends, all go on into the next column.
        if (!begun || (columns_[i] & kEnds) == 0) continue;
        needed[i] = true;
        begun = false;
    }
    return needed;
}

void write_table(const TableText& table, WikitextTables tables, bool markdown, std::string& out) {
    const bool grid = markdown && tables == WikitextTables::kKeep;
    const std::vector<bool> needed = table.needed_columns();
    std::size_t columns = 0, written = 0;
    for (std::size_t row = 0; row < table.rows(); ++row)
        columns = std::max(columns, table.size(row));
    const bool filled = table.rows() * columns <= kAlwaysFilled + kMostFilled * table.cells();
    for (std::size_t row = 0; row < table.rows(); ++row) {
        if (is_empty(table, row)) continue;
        if (written > 0) out.push_back('\n');
        // Markdown wants all columns in the first row alone.
        const std::size_t wanted = filled || written == 0 ? columns : table.size(row);
        if (grid) write_markdown(table, row, wanted, out);
        else if (tables == WikitextTables::kKeep) write_tabs(table, row, out);
        else write_flat(table, row, needed, out);
        if (++written > 1 || !grid) continue;
        out.append("\n|");
        for (std::size_t i = 0; i < columns; ++i) out.append(" --- |");
    }
}

}  // namespace corpuskit
