// Templates that are written as text: the rules, read from data files, and how they are applied.
// Stands on marks.hpp alone; parse/ calls it. The rules themselves are
// corpuskit/sources/wikipedia/templates.tsv.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/wikitext/templates/units.hpp"

namespace corpuskit {

/// A data file of templates: rules ("templates") or lists of words ("words"). `name` is for
/// messages.
struct TemplateFile {
    std::string kind;
    std::string name;
    std::string text;
};

/// A data file of templates that is not as it should be.
class TemplateFileError : public std::runtime_error {
  public:
    TemplateFileError(std::string file, std::size_t line, const std::string& what)
        : std::runtime_error(what), file_(std::move(file)), line_(line) {}
    const std::string& file() const { return file_; }
    std::size_t line() const { return line_; }

  private:
    std::string file_;
    std::size_t line_;
};

/// How a template is written as text; the names stand in the column "how" of the file of rules.
enum class Render : std::uint8_t {
    kDrop,           // nothing is written, for the reason in the last column
    kLost,           // the same, and brackets around it go with it
    kFormat,         // `spec` is a format
    kJoin,           // the positional arguments, joined by `spec`
    kConvert,        // {{convert|1300|mi|km}} -> 1,300 miles (2,100 km)
    kConvertSymbol,  // {{cvt|1300|mi|km}} -> 1,300 mi (2,100 km)
    kVal,            // {{val|1.5|0.2|e=6|u=kg}} -> 1.5±0.2×10^6 kg
    kFraction,       // {{frac|3|1|2}} -> 3 1/2
    kDateFrench,     // {{date|23|6|1912}} -> 23 juin 1912
};

struct TemplateRule {
    Render render = Render::kDrop;
    std::string_view spec;  // with marks in place of its escapes; of kDrop the reason
    bool capitals = false;  // whether it is the code of a country: "ESP" holds, "esp" does not
};

struct TemplateArgument {
    std::string_view name;   // trimmed; empty for a positional argument
    std::string_view value;  // named: trimmed
    std::uint32_t position;  // from 1; 0 for a named argument
};

struct TemplateCall {
    std::string name;     // normalised: lower-case, spaces
    std::string matched;  // what '#' (a number, in capitals) or '*' in the rule's name stands for
    std::vector<TemplateArgument> arguments;

    /// Value of a parameter by name or position ("1"); empty when it is not there.
    std::string_view get(std::string_view parameter) const;
    /// The n-th positional argument (from 1), trimmed.
    std::string_view at(std::size_t position) const;
    std::uint32_t positional() const;
};

/// The rules and words that hold in one language, looked up by name.
class TemplateTable {
  public:
    /// Later files win over earlier ones and rules of the language over rules of all languages.
    /// Throws TemplateFileError, which names the file and the line.
    TemplateTable(std::string_view language, const std::vector<TemplateFile>& files);

    /// The rule for a normalised name, or null; sets `matched` (see TemplateCall).
    const TemplateRule* find(const std::string& name, std::string& matched) const;
    /// The same for a name as a page writes it, `title`, where case tells a code from a word.
    const TemplateRule* find(const std::string& name, std::string_view title,
                             std::string& matched) const;
    /// How a template is written, as the file of rules has it; empty without a rule.
    std::string how(const std::string& name) const;
    /// What `key` (normalised) is in a list of words, or null.
    const std::string* word(std::string_view list, const std::string& key) const;
    /// The unit with a code, or null.
    const Unit* unit(const std::string& code) const;
    const std::string& language() const { return language_; }
    bool inherits(std::string_view language) const;
    /// Whether {{convert}} shows what it computes beside what its author typed.
    bool computes_conversions() const { return conversions_; }
    bool has_words(std::string_view list) const { return words_.contains(std::string(list)); }

  private:
    using Fields = std::vector<std::string_view>;  // of a line of a file
    using Names = std::unordered_map<std::string, TemplateRule>;
    struct Level {
        Names exact;
        Names prefixes;  // names that end with '*', without it
    };
    void add_words(const TemplateFile& file);
    void add_units(const TemplateFile& file);
    void add_rules(const TemplateFile& file);
    void add_rule(const TemplateFile& file, std::size_t line, const Fields& fields);
    int level_of(std::string_view languages) const;
    void merge();

    std::string language_;   // without a variant: "zh" of "zh-hans"
    std::vector<std::string> lineage_;  // languages whose rules hold, weakest first
    std::vector<Level> levels_;  // one per language of the lineage, for the file that is read
    std::deque<std::string> specs_;     // what the rules point to
    Names exact_;
    std::vector<std::pair<std::string, TemplateRule>> prefixes_;  // longest first
    std::unordered_map<std::string, std::unordered_map<std::string, std::string>> words_;
    std::unordered_map<std::string, Unit> units_;
    bool conversions_ = true;
    bool numerals_ = false;  // whether a name has a '#'
};

/// Reads and checks data files of templates for the wikis of one language. Throws
/// TemplateFileError.
std::shared_ptr<const TemplateTable> read_templates(std::string_view language,
                                                    const std::vector<TemplateFile>& files);

/// Resolves the escapes of a format as it stands in the file and checks it. Throws
/// std::invalid_argument with what is wrong.
std::string compile_format(std::string_view written, const TemplateTable& table);

/// Writes a call by its rule. Appends nothing when the arguments that it needs are missing, or when
/// the text would be longer than a few times the arguments.
void render_template(const TemplateRule& rule, const TemplateCall& call, const TemplateTable& table,
                     std::string& out);
bool render_format(std::string_view spec, const TemplateCall& call, const TemplateTable& table,
                   std::string& out);
void render_convert(const TemplateCall& call, const TemplateTable& table, bool symbols,
                    std::string& out);
void render_date_french(const TemplateCall& call, std::string& out);

/// A number as the language writes it, thousands apart: 1234567.5 -> 1,234,567.5. Other text stays
/// as it is.
std::string group_thousands(std::string_view value, const TemplateTable& table);

}  // namespace corpuskit
