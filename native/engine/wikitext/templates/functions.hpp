// Parser functions that need no wiki: {{#if:...}}, {{#switch:...}}, {{#expr:...}}, {{lc:...}},
// {{plural:...}}...
//
// The extractor calls them with arguments that are extracted already, the expander
// (expand/expand.cpp) with arguments that it expands when they are needed. Sources:
// https://www.mediawiki.org/wiki/Help:Magic_words, .../Help:Extension:ParserFunctions,
// https://cldr.unicode.org (plural rules).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "engine/text/ascii.hpp"

namespace corpuskit {

enum class Function : std::uint8_t {
    kUnknown,
    // choose one of their arguments
    kIf, kIfEqual, kSwitch, kIfExpression, kIfError, kIfExists,
    // numbers
    kExpression, kFormatNumber, kPlural,
    // letters
    kLower, kUpper, kLowerFirst, kUpperFirst, kPadLeft, kPadRight,
    kLength, kSubstring, kReplace, kPosition, kLastPosition, kCount, kTitleParts,
    kUrlEncode, kAnchorEncode, kNamespaceName, kTag, kGender, kGrammar,
    // the page's title
    kPageName, kFullPageName, kBasePageName, kSubPageName, kRootPageName, kNamespace,
    // say something to the wiki and nothing to the reader: {{DEFAULTSORT:...}}
    kSilent,
    // {{#invoke:...}}: a Lua module, which is not run
    kInvoke,
};

struct FunctionArgument {
    std::string_view text;  // the whole of it, with a name if it has one
    std::size_t equals = kNone;  // the '=' that ends its name, or npos
};

struct FunctionContext {
    std::string_view language;  // "en"; chooses separators and plural forms
    std::string_view title;     // of the page, with its namespace; empty if it is not known
};

/// Where an error stands in what a function gives; {{#iferror:}} looks for it, and the second pass
/// removes it. The hole stands between two kGlue, as none that a template leaves does.
inline constexpr std::string_view kFunctionError = "\x07\x02\x07";

inline constexpr std::size_t kLongestFunction = 40;  // bytes of a name

/// The function of a name, which is what stands before the first ':' ("#if", "lc"), or all of the
/// name when there is no colon ("PAGENAME"), trimmed.
Function find_function(std::string_view name, bool colon);

/// Appends what a function gives. `arguments[0]` is what follows the colon. Returns false,
/// appending nothing, when it cannot be told: the title is not known, or the function needs the
/// wiki. Linear in the arguments.
bool call_function(Function function, std::span<const FunctionArgument> arguments,
                   const FunctionContext& context, std::string& out);

// What the expander needs apart, to leave arguments alone that are not chosen.

/// Whether two values are equal: as numbers if both are numbers, else as strings.
bool equal_values(std::string_view a, std::string_view b);
bool has_error(std::string_view text);

/// Evaluates {{#expr:}}. Returns false when it is no expression; `result` is then empty.
bool evaluate_expression(std::string_view expression, std::string& result);

/// Appends digits with `group` between thousands, or as in India: 12,34,567.
void put_grouped(std::string_view digits, std::string_view group, bool indian, std::string& out);
/// 1234567.891 -> 1,234,567.891 as the language writes it.
void format_number(std::string_view number, std::string_view language, bool grouped,
                   std::string& out);
/// The reverse of format_number.
void unformat_number(std::string_view number, std::string_view language, std::string& out);
/// Which of the plural forms a language takes for a number: 0 for the first.
std::size_t plural_form(std::string_view number, std::string_view language);

}  // namespace corpuskit
