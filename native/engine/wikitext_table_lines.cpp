// Second pass: the rows of a table as lines.
#include <algorithm>

#include "wikitext_lines.hpp"

namespace corpuskit {

namespace {

// A grid of more cells for each one that the table has is not filled up: a page of n bytes could ask for n * n of them.
constexpr std::size_t kMostFilled = 16;
constexpr std::size_t kAlwaysFilled = 10'000;

bool is_empty(const TableRow& row) {
    return std::none_of(row.begin(), row.end(), [](const TableCell& cell) { return has_content(cell.text); });
}

/// The cells that hold something, apart by " | "; a position says little where empty ones are many.
void write_flat(const TableRow& row, std::string& out) {
    bool any = false;
    for (const TableCell& cell : row) {
        if (cell.text.empty()) continue;
        if (any) out.append(" | ");
        out.append(cell.text);
        any = true;
    }
}

void write_tabs(const TableRow& row, std::string& out) {
    const std::size_t begin = out.size();
    for (std::size_t i = 0; i < row.size(); ++i) {
        if (i > 0) out.push_back('\t');
        out.append(row[i].text);
    }
    while (out.size() > begin && out.back() == '\t') out.pop_back();
}

void write_markdown(const TableRow& row, std::size_t columns, std::string& out) {
    out.push_back('|');
    for (std::size_t i = 0; i < columns; ++i) {
        out.push_back(' ');
        if (i < row.size())
            for (char c : row[i].text) {
                if (c == '|') out.push_back('\\');
                out.push_back(c);
            }
        out.append(" |");
    }
}

}  // namespace

void write_table(const std::vector<TableRow>& rows, WikitextTables tables, bool markdown, std::string& out) {
    const bool grid = markdown && tables == WikitextTables::kKeep;
    std::size_t columns = 0, cells = 0, written = 0;
    for (const TableRow& row : rows) {
        cells += row.size();
        for (std::size_t i = columns; i < row.size(); ++i)
            if (!row[i].text.empty()) columns = i + 1;
    }
    const bool filled = rows.size() * columns <= kAlwaysFilled + kMostFilled * cells;
    for (const TableRow& row : rows) {
        if (is_empty(row)) continue;
        if (written > 0) out.push_back('\n');
        // Markdown wants all columns in the first row alone.
        if (grid) write_markdown(row, filled || written == 0 ? columns : std::min(columns, row.size()), out);
        else if (tables == WikitextTables::kKeep) write_tabs(row, out);
        else write_flat(row, out);
        if (++written > 1 || !grid) continue;
        out.append("\n|");
        for (std::size_t i = 0; i < columns; ++i) out.append(" --- |");
    }
}

}  // namespace corpuskit
