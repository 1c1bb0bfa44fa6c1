// Replays template sets through the expander, what comes out through the extractor, and both
// through the loss meter, for builds with sanitizers.
//
// A file is a page and the templates that it calls, apart by lines "%%%%": the page, then for each
// template its name on a line and its text. With -DCORPUSKIT_LIBFUZZER the same checks are a
// libFuzzer target.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "driver.hpp"
#include "engine/wikitext/audit/loss.hpp"
#include "engine/wikitext/expand/expand.hpp"
#include "engine/wikitext/parse/wikitext.hpp"

namespace {

using namespace corpuskit;

constexpr std::string_view kBorder = "\n%%%%\n";

std::vector<std::string_view> sections(std::string_view data) {
    std::vector<std::string_view> found;
    for (std::size_t at = 0; at <= data.size();) {
        const std::size_t end = std::min(data.find(kBorder, at), data.size());
        found.push_back(data.substr(at, end - at));
        at = end + kBorder.size();
    }
    return found;
}

WikitextOptions settings(const char* language) {
    WikitextOptions options;
    options.language = language;
    options.file_prefixes = {"File"};
    options.category_prefixes = {"Category"};
    options.drop_sections = {"See also"};
    options.template_classes = {"infobox:infobox*", "hatnote:main"};
    return options;
}

std::string expand_twice(const std::vector<std::string_view>& parts, const WikitextOptions& options,
                   const ExpandBudget& budget) {
    TemplateStore store({"Vorlage"});
    for (std::size_t i = 1; i < parts.size(); ++i) {
        const std::size_t line = std::min(parts[i].find('\n'), parts[i].size());
        const std::string_view text = parts[i].substr(std::min(line + 1, parts[i].size()));
        if (text.starts_with("#REDIRECT "))
            store.add_redirect(parts[i].substr(0, line), text.substr(10));
        else store.add(parts[i].substr(0, line), text);
    }
    Strings pages, titles;
    for (int i = 0; i < 2; ++i) pages.add(parts[0]), titles.add("Talk:Page/Sub");
    const auto batch = expand_wikitext(pages.column(), titles.column(), store, options, budget);
    const Column texts = batch.texts.column();
    if (texts[0] != texts[1] || batch.counters[0] != batch.counters[kExpandCounters])
        fail("the same page gave another result the second time");
    return std::string(texts[0]);
}

void measure(std::string_view page, std::string_view text, const WikitextOptions& options) {
    Strings pages, texts;
    pages.add(page), texts.add(text);
    const LossBatch loss = measure_loss(pages.column(), texts.column(), options);
    for (std::size_t kind = 0; kind < kLossKinds; ++kind)
        if (loss.columns[kLossKinds + kind] > loss.columns[kind])
            fail("more words are lost than there are");
}

void replay(std::string_view data) {
    const std::vector<std::string_view> parts = sections(data);
    for (const char* language : {"en", "zh"}) {
        const WikitextOptions options = settings(language);
        for (const ExpandBudget& budget :
             {ExpandBudget{20'000, 16, 4096, 2, 40}, ExpandBudget{64, 1, 16, 1, 2}}) {
            const std::string expanded = expand_twice(parts, options, budget);
            const std::size_t page = parts[0].size();
            const std::size_t most = 2 * (budget.output_base + budget.output_per_byte * page) +
                                     page + data.size();
            if (expanded.size() > most) fail("the page is longer than its budget");
            measure(parts[0], extract_twice(expanded, options), options);
        }
    }
}

/// Openings over and over, beside templates that call themselves, double, and nest.
void replay_hostile() {
    const std::vector<std::string> units = {
        "{{", "}}", "{{{", "}}}", "{{A|", "{{A}}", "{{B|{{{1}}}", "|", "=", "[[", "]]", "{{#if:x|",
        "{{#switch:a|a", "{{#expr:1+", "{{#tag:ref|", "{{lc:", "{{#invoke:M", "<noinclude>",
        "</noinclude>", "<onlyinclude>", "<!--", "<nowiki>", "-{", "}-", "{{subst:", "\xFF",
        "{{padleft:x|400|", "{{#replace:a|a|", "{{!}}", "\x07\x02\x07", "<ref>", "\n{|\n",
    };
    const std::string templates =
        "\n%%%%\nA\n{{A}}{{B|{{{1|x}}}|y=z}}\n%%%%\nB\n{{{1}}}{{{1}}}{{C}}\n%%%%\nC\n{{#invoke:M}}"
        "\n%%%%\nD\n#REDIRECT A";
    for (const std::string& a : units) {
        for (const std::string& b : units) {
            std::string page;
            while (page.size() < 600) page.append(a).append(b);
            replay(page + templates);
            replay("{{A}}{{D|1}}\n%%%%\nA\n" + page);
        }
    }
}

}  // namespace

#ifdef CORPUSKIT_LIBFUZZER
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    replay(std::string_view(reinterpret_cast<const char*>(data), size));
    return 0;
}
#else
int main(int argc, char** argv) {
    replay_hostile();
    return replay_files(argc, argv, [](const std::string& path) { replay(read_file(path)); });
}
#endif
