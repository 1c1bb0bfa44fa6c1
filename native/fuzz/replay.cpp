// Replays pages through the wikitext engine, for builds with sanitizers.
//
// A file is one page. A .json file is a list of cases, each string in it is a page; files beyond
// 256 KiB are also read in pieces, so that constructs are cut in odd places. Every page is
// extracted in several languages, and with budgets so small that they must run out. With
// -DCORPUSKIT_LIBFUZZER the same checks are a libFuzzer target.
#include <filesystem>
#include <string>
#include <vector>

#include "driver.hpp"
#include "engine/wikitext/parse/wikitext.hpp"
#include "engine/wikitext/templates/templates.hpp"

namespace {

using corpuskit::WikitextOptions;

/// The rules as users have them, and one whose text is as long as a rule can make it.
std::vector<corpuskit::TemplateFile> template_files() {
    const std::filesystem::path folder = "corpuskit/sources/wikipedia";
    std::vector<corpuskit::TemplateFile> files;
    for (const char* kind : {"words", "units", "templates"}) {
        const std::string name = std::string(kind) + ".tsv";
        files.push_back({kind, name, read_file((folder / name).string())});
        if (files.back().text.empty())
            fail((name + " is not in corpuskit/sources/wikipedia/ of the current folder").c_str());
    }
    std::string many;
    while (many.size() < 4000) many.append("{1}");
    files.push_back({"templates", "long", "*\ta\tformat\t" + many + "\n"});
    return files;
}

std::vector<WikitextOptions> all_options() {
    const std::vector<corpuskit::TemplateFile> files = template_files();
    std::vector<WikitextOptions> all;
    for (const char* language : {"en", "fr", "it", "zh", ""}) {
        WikitextOptions options;
        options.file_prefixes = {"File", "Image", "Fichier"};
        options.category_prefixes = {"Category"};
        options.language = language;
        options.templates = corpuskit::read_templates(language, files);
        options.drop_sections = {"See also", "h"};
        options.template_classes = {"hatnote:main\tMain article: ", "infobox:infobox*", "infobox:a",
                                    "disambiguation:*dab"};
        all.push_back(options);
    }
    for (std::size_t i : {1, 3, 4}) {  // with everything kept, as Markdown and as plain text
        all[i].infobox = all[i].captions = all[i].hatnotes = true;
        all[i].tables = corpuskit::WikitextTables::kKeep;
        if (i != 4) all[i].output = corpuskit::WikitextOutput::kMarkdown;
    }
    all[2].tables = corpuskit::WikitextTables::kDrop;
    WikitextOptions tight = all[1];
    tight.budget = {64, 1, 16, 1, 3};
    all.push_back(tight);
    return all;
}

const std::vector<WikitextOptions>& options() {
    static const std::vector<WikitextOptions> kOptions = all_options();
    return kOptions;
}

void replay(std::string_view page) {
    for (const WikitextOptions& each : options()) extract_twice(page, each);
}

/// The strings of a JSON file, with escapes left as they are: other bytes, but pages all the same.
void replay_json(const std::string& data) {
    std::size_t begin = std::string::npos;
    for (std::size_t i = 0; i < data.size(); ++i) {
        if (data[i] == '\\') {
            ++i;
        } else if (data[i] == '"') {
            if (begin == std::string::npos) {
                begin = i + 1;
            } else {
                replay(std::string_view(data).substr(begin, i - begin));
                begin = std::string::npos;
            }
        }
    }
}

void replay_file(const std::filesystem::path& path) {
    const std::string data = read_file(path.string());
    if (path.extension() == ".json") replay_json(data);
    replay(data);
    constexpr std::size_t kPiece = 65536 + 7;
    if (data.size() > 4 * kPiece)
        for (std::size_t at = 0; at < data.size(); at += kPiece)
            replay(std::string_view(data).substr(at, kPiece));
}

/// Pages that are made to be hard: one opening over and over, and mixtures.
void replay_hostile() {
    const std::vector<std::string> units = {
        "{{", "{{{{", "[[", "[[a|", "{|\n", "\n|}", "<ref>", "<ref name=a>", "''", "'''''", "}}",
        "]]", "[http://a ", "-{", "}-", "<table>", "</table>", "<!--", "<nowiki>", "&#", "&amp;",
        "<poem>\n", "\n*#:;", "\n==", "{{a|b=[[c|", "\n {|", "<ref", "<math>", "{{convert|1|m", "(",
        "\x01\x02\x03\x04\x05\x06\x07", "\xFF\xFE", "__", "{{lang|fr|",
    };
    for (const std::string& a : units) {
        for (const std::string& b : units) {
            std::string page;
            while (page.size() < 3000) page.append(a).append(b);
            replay(page);
        }
    }
}

}  // namespace

#ifdef CORPUSKIT_LIBFUZZER
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    // The last byte chooses the settings, so that each input is quick and all settings are met.
    const std::string_view page(reinterpret_cast<const char*>(data), size);
    if (!page.empty())
        extract_twice(page, options()[static_cast<unsigned char>(page.back()) % options().size()]);
    return 0;
}
#else
int main(int argc, char** argv) {
    replay_hostile();
    return replay_files(argc, argv, replay_file);
}
#endif
