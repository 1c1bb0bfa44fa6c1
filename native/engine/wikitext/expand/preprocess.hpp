// The brace structure of a page or a template: text, {{calls}} and {{{parameters}}}, found in one
// pass as MediaWiki's preprocessor finds them (https://www.mediawiki.org/wiki/Preprocessor_ABNF).
// Nothing is expanded here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace corpuskit {

inline constexpr std::uint32_t kNoNode = 0xFFFFFFFF;

struct WikiNode {
    enum class Kind : std::uint8_t { kText, kCall, kParameter };
    Kind kind = Kind::kText;
    std::uint32_t begin = 0, end = 0;  // in the source; of a call with its braces
    std::uint32_t next = kNoNode;      // behind it in the same sequence
    std::uint32_t part = 0, parts = 0;  // of a call or parameter: what stands between its bars
};

/// What stands between two bars: the sequence from `head` on; its name ends at the node `equals`,
/// the text "=".
struct WikiPart {
    std::uint32_t head = kNoNode;
    std::uint32_t equals = kNoNode;
};

struct WikiTree {
    std::string source;
    std::vector<WikiNode> nodes;
    std::vector<WikiPart> parts;
    std::uint32_t head = kNoNode;
    bool too_large = false;  // more nodes and parts than kMostNodes; there are none then

    std::string_view text(const WikiNode& node) const {
        return std::string_view(source).substr(node.begin, node.end - node.begin);
    }
    std::size_t bytes() const {
        return source.size() + table_bytes();
    }
    std::size_t table_bytes() const {
        return nodes.capacity() * sizeof(WikiNode) + parts.capacity() * sizeof(WikiPart);
    }
};

inline constexpr std::size_t kMostNodes = 1'000'000;  // as MediaWiki's limit for a page
inline constexpr std::size_t kDeepestBraces = 2'000;  // open at a time; further ones are text

/// Removes comments and resolves <noinclude>, <includeonly> and <onlyinclude> for a page that is
/// looked at, or for a template that is called.
std::string resolve_inclusion(std::string_view text, bool called);

/// Finds the structure. `variants`: whether -{ }- is one.
WikiTree preprocess_wikitext(std::string source, bool variants);

}  // namespace corpuskit
