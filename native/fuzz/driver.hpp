// What the replays share: each gives its inputs to the engine and checks what must always hold.
//
// Built with sanitizers (`make sanitize`) a replay reads the files that its command line names.
// With -DCORPUSKIT_LIBFUZZER (`make fuzz`) it is a libFuzzer target.
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "engine/wikitext/parse/wikitext.hpp"

[[noreturn]] inline void fail(const std::string& what) {
    std::fprintf(stderr, "replay: %s\n", what.c_str());
    std::abort();
}

inline std::string read_file(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    std::string data((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
    if (!stream && !stream.eof()) fail("cannot read " + path);
    return data;
}

/// The text of a page that is extracted twice in one batch, with what must hold of any page.
inline std::string extract_twice(std::string_view page, const corpuskit::WikitextOptions& options) {
    corpuskit::Strings pages, titles;
    for (int i = 0; i < 2; ++i) pages.add(page), titles.add("Ulm");
    const auto batch = corpuskit::extract_wikitext(pages.column(), titles.column(), options);
    const auto texts = batch.texts.column(), categories = batch.categories.column();
    const auto row = batch.counters.begin() + corpuskit::kWikitextCounters;
    const std::size_t half = categories.size / 2;
    bool same = texts[0] == texts[1] && batch.status[0] == batch.status[1] &&
                batch.flags[0] == batch.flags[1] && categories.size == 2 * half &&
                std::equal(row, batch.counters.end(), batch.counters.begin());
    for (std::size_t i = 0; same && i < half; ++i) same = categories[i] == categories[half + i];
    if (!same) fail("the same page gave another result the second time");
    if (batch.status[0] != 0 && !texts[0].empty()) fail("a page over budget has a text");
    if (texts[0].size() > options.budget.output_base + options.budget.output_per_byte * page.size())
        fail("the text is longer than its budget");
    for (char c : texts[0])
        if (static_cast<unsigned char>(c) < ' ' && c != '\n' && c != '\t')
            fail("a mark was left in the text");
    return std::string(texts[0]);
}

/// Calls `replay` with the path of each file that the command line names; of a folder with all that
/// it holds.
template <typename Replay>
int replay_files(int argc, char** argv, Replay replay) {
    int files = 0;
    const auto file = [&](const std::filesystem::path& path) { replay(path.string()), ++files; };
    for (int i = 1; i < argc; ++i) {
        if (!std::filesystem::is_directory(argv[i])) file(argv[i]);
        else for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i]))
            if (entry.is_regular_file()) file(entry.path());
    }
    if (files == 0) fail("no files are named");
    std::printf("%s: replayed %d files\n", argv[0], files);
    return 0;
}
