// A libFuzzer target for the template engine: a data file of rules as a user may write one, and
// calls of its templates. What the input holds up to a line "%%" is the file, the rest is the page.
//
// A file with mistakes must be refused with the number of a line in it, never read wrongly; any
// other must give pages within their budgets, the same ones each time.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "driver.hpp"
#include "engine/wikitext/parse/wikitext.hpp"
#include "engine/wikitext/templates/templates.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    const std::size_t border = std::min(input.find("\n%%\n"), input.size());
    const std::string rules(input.substr(0, border));
    const std::string_view page = input.substr(std::min(border + 4, input.size()));
    for (const char* language : {"en", "fr"}) {
        corpuskit::WikitextOptions options;
        options.language = language;
        try {
            options.templates = corpuskit::read_templates(language, {{"templates", "fuzz", rules}});
        } catch (const corpuskit::TemplateFileError& error) {
            const std::size_t lines =
                1 + static_cast<std::size_t>(std::count(rules.begin(), rules.end(), '\n'));
            if (error.line() > lines) fail("a mistake in a line that there is none of");
            continue;
        }
        extract_twice(page, options);
    }
    return 0;
}
