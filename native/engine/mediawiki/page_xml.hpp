// The XML of one page of a MediaWiki dump, as far as it is plain: elements, attributes, text and
// the entities that XML itself defines.
//
// Dumps hold nothing else, and to read that much is several times as fast as a general parser. A
// page with anything else (comments, CDATA, other entities, carriage returns, names outside ASCII)
// and a page that is not well-formed are not read at all: those are for a general parser to judge.
// What is read here is read as XML 1.0 has it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace corpuskit {

/// What is collected of a page. The first four stand in `<page>`, those behind kRevision in
/// `<revision>`.
enum class PageField : std::int32_t {
    kTitle, kNamespace, kId, kRedirect, kRevision, kRevisionId, kTimestamp, kModel, kText,
};

/// A page's fields in the order in which they end; kRevision, which has no value, stands where a
/// revision begins. The value of kRedirect is its attribute `title`. Entities are decoded; white
/// space is kept.
struct PageFields {
    bool understood = false;
    std::vector<PageField> names;
    std::vector<std::string> values;
};

/// Reads one page element and the white space behind it.
PageFields read_page_xml(std::string_view xml);

/// A tag of a page element: where it begins, npos without one, and whether it is `</page>`.
struct PageTag {
    std::size_t at = std::string_view::npos;
    bool closes = false;
};

/// The first tag of a page element from `from` on that is whole up to what tells its name's end.
PageTag find_page_tag(std::string_view xml, std::size_t from);

}  // namespace corpuskit
