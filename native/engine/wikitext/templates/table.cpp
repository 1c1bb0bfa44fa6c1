// The data files of templates: read, checked, looked up. Their format is told in
// corpuskit/sources/wikipedia/templates.tsv.
#include <algorithm>
#include <array>
#include <iterator>

#include "engine/wikitext/marks.hpp"
#include "engine/wikitext/templates/templates.hpp"

namespace corpuskit {

namespace {
constexpr std::size_t kLongestLine = 1 << 14;  // bytes; what a rule may hold is bounded by its line

struct How {
    std::string_view name;
    Render render;
    bool takes_spec;
};
constexpr How kHow[] = {
    {"drop", Render::kDrop, false},           {"lost", Render::kLost, false},
    {"format", Render::kFormat, true},
    {"join", Render::kJoin, true},            {"convert", Render::kConvert, false},
    {"cvt", Render::kConvertSymbol, false},   {"val", Render::kVal, false},
    {"fraction", Render::kFraction, false},   {"date-fr", Render::kDateFrench, false},
};

/// Calls `use(number, fields)` for each line that is no comment.
template <typename Use>
void each_line(const TemplateFile& file, Use use) {
    const std::string_view text(file.text);
    std::size_t number = 0;
    std::vector<std::string_view> fields;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = find_or_end(text, '\n', at);
        std::string_view line = text.substr(at, end - at);
        at = end + 1;
        ++number;
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.empty() || line.starts_with("# ") || line == "#") continue;
        if (line.size() > kLongestLine)
            throw TemplateFileError(file.name, number, "the line is longer than 16 KiB");
        for (char c : line)
            if (static_cast<unsigned char>(c) < 0x20 && c != '\t')
                throw TemplateFileError(file.name, number, "a control character");
        fields.clear();
        each_part(line, '\t', [&](std::string_view field) { fields.push_back(field); });
        use(number, fields);
    }
}

std::string quoted(std::string_view s) { return "\"" + std::string(s) + "\""; }

}  // namespace

std::shared_ptr<const TemplateTable> read_templates(std::string_view language,
                                                    const std::vector<TemplateFile>& files) {
    return std::make_shared<const TemplateTable>(language, files);
}

TemplateTable::TemplateTable(std::string_view language, const std::vector<TemplateFile>& files)
    : language_(fold_name(language.substr(0, language.find('-')))) {
    // "inherits  *  simple  en": rules of English hold in Simple English, below its own.
    std::unordered_map<std::string, std::string> parents;
    for (const TemplateFile& file : files)
        if (file.kind == "words")
            each_line(file, [&](std::size_t, const Fields& fields) {
                if (fields.size() == 4 && fields[0] == "inherits")
                    parents[std::string(fields[2])] = fields[3];
            });
    lineage_ = {language_};
    // The bound ends a circle in the data.
    while (parents.contains(lineage_.front()) && lineage_.size() < 4)
        lineage_.insert(lineage_.begin(), parents[lineage_.front()]);
    lineage_.insert(lineage_.begin(), "*");
    for (const TemplateFile& file : files)
        if (file.kind == "words") add_words(file);
    for (const TemplateFile& file : files) {
        if (file.kind == "templates") add_rules(file);
        else if (file.kind == "units") add_units(file);
        else if (file.kind != "words")
            throw TemplateFileError(file.name, 0, "no such kind of file: " + quoted(file.kind));
    }
    const std::string* conversions = word("setting", "conversions");
    conversions_ = conversions == nullptr || *conversions != "author";
    // The longest beginning that fits wins.
    std::stable_sort(prefixes_.begin(), prefixes_.end(),
                     [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
}

/// The strongest language of the lineage that is in a list ("de,fr"), or -1.
int TemplateTable::level_of(std::string_view languages) const {
    int level = -1;
    each_part(languages, ',', [&](std::string_view language) {
        for (std::size_t i = 0; i < lineage_.size(); ++i)
            if (lineage_[i] == language) level = std::max(level, static_cast<int>(i));
    });
    return level;
}

void TemplateTable::add_words(const TemplateFile& file) {
    std::unordered_map<std::string, int> levels;  // of what is known so far
    each_line(file, [&](std::size_t number, const Fields& fields) {
        if (fields.size() != 4)
            throw TemplateFileError(file.name, number,
                                    "a line has 4 columns (list, language, keys, word), not " +
                                        std::to_string(fields.size()));
        auto& list = words_[std::string(fields[0])];
        const int level = level_of(fields[1]);
        if (level < 0) return;
        each_part(fields[2], '|', [&](std::string_view key) {
            std::string name = fold_name(key);
            auto [known, fresh] = levels.try_emplace(std::string(fields[0]) + '\t' + name, level);
            if (!fresh && known->second == level)
                throw TemplateFileError(file.name, number,
                                        quoted(name) + " stands twice in " + quoted(fields[0]));
            if (!fresh && known->second > level) return;
            known->second = level;
            list[std::move(name)] = fields[3];
        });
    });
}

void TemplateTable::add_units(const TemplateFile& file) {
    each_line(file, [&](std::size_t number, const Fields& fields) {
        const auto fail = [&](const std::string& what) {
            throw TemplateFileError(file.name, number, what);
        };
        if (fields.size() != 8)
            fail(
                "a line has 8 columns (codes, symbol, one, many, kind, scale, offset, default), "
                "not " +
                std::to_string(fields.size()));
        Unit unit;
        if (fields[1] != "-") unit.symbol = fields[1];
        unit.one = fields[2];
        unit.many = fields[3];
        unit.kind = fields[4];
        unit.scale = fields[4] == "-" ? 0 : parse_decimal(fields[5]);
        unit.offset = fields[6].empty() ? 0 : parse_decimal(fields[6]);
        unit.into = fields[7];
        if (unit.one.empty() || unit.many.empty())
            fail("a unit needs its name, for one and for many");
        if (fields[4] != "-" && !(unit.scale > 0))
            fail("the scale " + quoted(fields[5]) + " is no number above 0");
        each_part(fields[0], '|', [&](std::string_view code) {
            if (!units_.emplace(std::string(code), unit).second)
                fail("the code " + quoted(code) + " stands twice");
        });
    });
}

const Unit* TemplateTable::unit(const std::string& code) const {
    const auto found = units_.find(code);
    return found == units_.end() ? nullptr : &found->second;
}

bool TemplateTable::inherits(std::string_view language) const {
    return std::find(lineage_.begin(), lineage_.end(), language) != lineage_.end();
}

void TemplateTable::add_rules(const TemplateFile& file) {
    levels_.assign(lineage_.size(), {});
    each_line(file, [&](std::size_t number, const Fields& fields) {
        add_rule(file, number, fields);
    });
    merge();
}

void TemplateTable::add_rule(const TemplateFile& file, std::size_t line, const Fields& fields) {
    const auto fail = [&](const std::string& what) {
        throw TemplateFileError(file.name, line, what);
    };
    if (fields.size() < 3 || fields.size() > 5)
        fail("a line has 3 to 5 columns (language, names, how, spec, why), not " +
             std::to_string(fields.size()));
    const auto* how = std::find_if(std::begin(kHow), std::end(kHow),
                                   [&](const How& h) { return h.name == fields[2]; });
    if (how == std::end(kHow)) {
        std::string names;
        for (const How& h : kHow) names.append(names.empty() ? "" : ", ").append(h.name);
        fail("how " + quoted(fields[2]) + ": it is one of " + names);
    }
    const std::string_view written = fields.size() > 3 ? fields[3] : std::string_view();
    const bool reason = fields.size() > 4 && !fields[4].empty();
    const bool drops = how->render == Render::kDrop || how->render == Render::kLost;
    if (drops && !reason) fail("a template that is dropped needs a reason in the fifth column");
    if (!how->takes_spec && !written.empty())
        fail(quoted(how->name) + " takes nothing in the fourth column");
    if (how->render == Render::kFormat && written.empty())
        fail("the format is empty; how \"drop\" writes nothing");
    std::string spec;
    try {
        spec = compile_format(written, *this);
    } catch (const std::invalid_argument& error) {
        fail(error.what());
    }
    const int level = level_of(fields[0]);
    if (level < 0) return;
    if (how->render == Render::kDrop) spec = fields[4];
    specs_.push_back(std::move(spec));
    TemplateRule rule{how->render, specs_.back()};
    each_part(fields[1], '|', [&](std::string_view name) {
        std::string folded = fold_name(name);
        if (folded.empty()) fail("an empty name");
        const bool prefix = folded.size() > 1 && folded.back() == '*';
        if (prefix) folded.pop_back();
        auto& names = prefix ? levels_[static_cast<std::size_t>(level)].prefixes
                             : levels_[static_cast<std::size_t>(level)].exact;
        rule.capitals = name.size() == 3 && rule.spec == "{0:nations}" &&
                        std::all_of(name.begin(), name.end(),
                                    [](char c) { return c >= 'A' && c <= 'Z'; });
        numerals_ = numerals_ || folded.front() == '#';
        if (!names.emplace(folded, rule).second)
            fail("the name " + quoted(name) + " stands twice for this language");
    });
}

void TemplateTable::merge() {
    for (Level& level : levels_) {
        for (auto& [name, rule] : level.exact) exact_[name] = rule;
        for (auto& [prefix, rule] : level.prefixes) {
            // Older compilers let no lambda use a structured binding.
            const std::string& name = prefix;
            const auto known = std::find_if(prefixes_.begin(), prefixes_.end(),
                                            [&](const auto& entry) { return entry.first == name; });
            if (known == prefixes_.end()) prefixes_.emplace_back(name, rule);
            else known->second = rule;
        }
    }
    levels_.clear();
}

const std::string* TemplateTable::word(std::string_view list, const std::string& key) const {
    const auto found = words_.find(std::string(list));
    if (found == words_.end()) return nullptr;
    const auto entry = found->second.find(key);
    return entry == found->second.end() ? nullptr : &entry->second;
}

const TemplateRule* TemplateTable::find(const std::string& name, std::string_view title,
                                        std::string& matched) const {
    const TemplateRule* rule = find(name, matched);
    // The case of the first letter says nothing to MediaWiki.
    const bool small = !title.empty() && title.back() >= 'a' && title.back() <= 'z';
    return rule != nullptr && rule->capitals && small ? nullptr : rule;
}

const TemplateRule* TemplateTable::find(const std::string& name, std::string& matched) const {
    matched.clear();
    if (name.empty()) return nullptr;
    if (const auto found = exact_.find(name); found != exact_.end()) {
        matched = name;
        return &found->second;
    }
    for (const auto& [prefix, rule] : prefixes_)
        if (name.starts_with(prefix)) {
            matched = trim(std::string_view(name).substr(prefix.size()));
            return &rule;
        }
    if (!numerals_) return nullptr;
    const auto is_roman = [](char c) { return is_any(c, "ivxlcdm"); };
    std::size_t end = 0;
    while (end < name.size() && (is_digit(name[0]) ? is_digit(name[end]) : is_roman(name[end])))
        ++end;
    if (end == 0) return nullptr;
    const auto found = exact_.find("#" + name.substr(end));
    if (found == exact_.end()) return nullptr;
    for (char c : std::string_view(name).substr(0, end))
        matched.push_back(is_digit(c) ? c : static_cast<char>(c - 32));
    return &found->second;
}

std::string TemplateTable::how(const std::string& name) const {
    std::string matched;
    const TemplateRule* rule = find(fold_name(name), matched);
    if (rule == nullptr) return {};
    return std::find_if(std::begin(kHow), std::end(kHow),
                        [&](const How& h) { return h.render == rule->render; })
        ->name.data();
}

}  // namespace corpuskit
