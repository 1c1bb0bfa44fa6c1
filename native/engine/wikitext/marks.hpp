// Marks, and the strings of wikitext that may hold them.
//
// The lowest floor of engine/wikitext. templates/ stands on it: rules and parser functions take
// strings and give strings. parse/, the extractor, calls templates/ when braces close. expand/ and
// audit/ stand on parse/, for the names and settings of a wiki, and know nothing of each other.
// Below all of them lies engine/text, which knows nothing of wikitext, as does engine/bzip2.
#pragma once

#include <string>
#include <string_view>

#include "engine/text/ascii.hpp"

namespace corpuskit {

// Control characters that stand for something between the two passes. The input's own are removed,
// so that no page can write one: text is never control.
inline constexpr char kLiteral = '\x01';       // the next byte is text, whatever it looks like
inline constexpr char kHole = '\x02';          // something was removed here
inline constexpr char kBreak = '\x03';         // a new line that does not start a line of wikitext
inline constexpr char kBlock = '\x04';         // a border between paragraphs
inline constexpr char kOpenTemplate =
    '\x05';  // a template begins here; stays if it is never closed
inline constexpr char kOpenTable = '\x06';     // the same for a table
inline constexpr char kGlue = '\x07';          // nothing, but keeps what stands beside it apart
inline constexpr char kLine = '\x08';          // at the start of a line: it stands by itself
inline constexpr char kCell = '\x0B';          // a cell of a table begins
inline constexpr char kHead = '\x0C';          // a cell that names a row or column begins
inline constexpr char kRow = '\x0E';           // at the start of a line: it is a row of a table
inline constexpr char kTerm = '\x10';          // between a term and what defines it
inline constexpr char kLost = '\x11';  // a value that nobody knows: brackets around it say nothing
// At the start of a line: its text begins with that of a template or an address.
inline constexpr char kCalled = '\x13';
inline constexpr char kGap = '\x12';  // something was removed that may have been text: not mended
inline constexpr char kHat = '\x0F';  // at the start of a line: italic, indented, with a link

inline bool is_mark(char c) {
    return c >= kLiteral && c < ' ' && c != '\t' && c != '\n' && c != '\r';
}

std::string_view trim(std::string_view s);        // spaces and new lines
std::string_view trim_marks(std::string_view s);  // the same, and marks other than kLiteral
std::string_view skip_blank(std::string_view s);  // the same at its start alone
inline bool is_blank(std::string_view s) { return trim_marks(s).empty(); }
/// A name as names are compared: in lower case, with blanks for "_". Bytes that are no UTF-8 stay.
std::string fold_name(std::string_view name);
std::string plain(std::string_view s);            // without marks, trimmed: for names and numbers

/// With one `by` for each run of `blanks`, and none at the ends.
std::string collapse(std::string_view s, std::string_view blanks, char by);

/// A comment: where it ends, and where reading goes on, which is a line further when it has its
/// lines to itself.
struct Comment {
    std::size_t end, after;
    bool closed;
    bool alone() const { return after != end; }
};
/// The comment that begins at `at`; one that never ends runs to the end.
Comment read_comment(std::string_view text, std::size_t at);

/// Appends `c` so that the second pass takes it for text.
inline void put_literal(std::string& out, char c) {
    if (!is_word(c)) out.push_back(kLiteral);
    out.push_back(c);
}
/// The same for a string; new lines become kBreak.
void put_literal(std::string& out, std::string_view s);

/// Appends a text of several lines as one line: items apart by "; ", <br> by `line_break`, other
/// lines by a blank.
void append_flat(std::string_view text, std::string_view line_break, std::string& out);

}  // namespace corpuskit
