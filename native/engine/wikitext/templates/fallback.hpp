// What stands in for a template that nothing else writes: within running text its first argument
// that reads as text. A box, a bar or a note for editors stands by itself and goes.
#pragma once

#include <string>
#include <string_view>

#include "engine/wikitext/templates/templates.hpp"

namespace corpuskit {

/// Where a call stands in its wikitext.
enum class CallSite : std::uint8_t {
    kAlone,    // on lines, in a cell or an item of its own
    kNote,     // behind a word or stop without a blank, as the mark of a footnote
    kRunning,  // within running text, or the whole of an argument of another call
};

/// The site of the call `page[begin, end)`. Looks at a bounded stretch on each side.
CallSite find_call_site(std::string_view page, std::size_t begin, std::size_t end);

/// Whether a call of this name (folded) may have a fallback: no parser function, no page of
/// another namespace.
bool may_fall_back(std::string_view name);

/// Appends the first positional argument that is text (see forms.hpp) and no sort key; or the
/// number that is its only one or stands before a unit, with that unit; or a day, its month and
/// year where the month is one of the wiki's language; or a name that is an ordinal ("17th").
/// Appends nothing when there is none, or when all that there is are pieces of a formula.
void put_fallback(const TemplateCall& call, const TemplateTable& table, std::string& out);

/// Whether the call `page[begin, end)` fills a cell of a table that is written with bars.
bool is_whole_cell(std::string_view page, std::size_t begin, std::size_t end);

/// Appends what a template that stands by itself holds of text: an argument that is a list as its
/// items, one that tells what happens as a paragraph. Returns whether there was any.
bool put_blocks(const TemplateCall& call, std::string& out);

/// "17th", "1er": a template without arguments that sets its own name, with letters above the line.
bool is_ordinal(std::string_view name);

/// Whether one of its positional arguments is a number, which may be what a sentence is about.
bool has_number(const TemplateCall& call);

}  // namespace corpuskit
