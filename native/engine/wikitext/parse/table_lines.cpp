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

/// The cells apart by " | ". Empty ones are left out, since a position says little where they are
/// many, but not in a table with cells that span: "a | | d", and "| b" where the first is empty.
/// Those behind the last cell that says something go in both.
void write_flat(const TableText& table, std::size_t row, std::string& out) {
    std::size_t last = table.size(row);
    while (last > 0 && table.cell(row, last - 1).empty()) --last;
    bool any = false;
    for (std::size_t i = 0; i < last; ++i) {
        const std::string_view text = table.cell(row, i);
        if (text.empty() && !table.keeps_places()) continue;
        if (any) out.append(out.ends_with('\n') || out.empty() ? "|" : " |");
        if (!text.empty()) out.append(any ? " " : "").append(text);
        any = true;
    }
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

void write_table(const TableText& table, WikitextTables tables, bool markdown, std::string& out) {
    const bool grid = markdown && tables == WikitextTables::kKeep;
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
        else write_flat(table, row, out);
        if (++written > 1 || !grid) continue;
        out.append("\n|");
        for (std::size_t i = 0; i < columns; ++i) out.append(" --- |");
    }
}

}  // namespace corpuskit
