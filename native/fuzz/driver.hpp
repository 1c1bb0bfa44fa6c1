// What the replays share: each gives its inputs to the engine and checks what must always hold.
//
// Built with sanitizers (`make sanitize`) a replay reads the files that its command line names.
// With -DCORPUSKIT_LIBFUZZER (`make fuzz`) it is a libFuzzer target. Where there is no clang,
// `make mutate` replays random changes of the files (CORPUSKIT_MUTATIONS, a number).
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

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

/// Gives one input to the engine and checks what must always hold.
using Replay = void (*)(const std::string&);

/// Bytes of the pieces of long inputs; shorter ones are changed byte by byte.
constexpr std::size_t kPiece = 600;

/// Replays an input as it is; a short one with each of its bytes changed in turn, and cut off at
/// each; of a long one pieces from all over it.
inline void replay_variants(const std::string& whole, Replay replay) {
    replay(whole);
    if (whole.size() > kPiece) {
        for (std::size_t i = 0; i < 40; ++i) replay(whole.substr(i * (whole.size() / 40), kPiece));
        return;
    }
    for (std::size_t at = 0; at < whole.size(); ++at) {
        for (const char other : std::string_view("\n &<>\"';/.\0\x80\xC3\xE2\xF0\xFF", 16)) {
            std::string changed = whole;
            changed[at] = other;
            replay(changed);
        }
        replay(whole.substr(0, at));
        replay(whole.substr(at));
    }
}

/// A random change of a piece of a seed: bytes set, turned, taken out, doubled or brought from
/// another seed, some of them one upon the other.
inline std::string mutated(const std::vector<std::string>& seeds, std::size_t most,
                           std::mt19937_64& chance) {
    const auto below = [&](std::size_t limit) { return limit == 0 ? 0 : chance() % limit; };
    const auto piece = [&](std::size_t longest) {
        const std::string& seed = seeds[below(seeds.size())];
        return seed.substr(below(seed.size()), 1 + below(longest));
    };
    std::string text = piece(most);
    for (std::size_t steps = 1 + below(8); steps > 0; --steps) {
        const std::size_t at = below(text.size() + 1);
        switch (below(6)) {
            case 0: text.insert(at, piece(64)); break;
            case 1: text.erase(at, 1 + below(64)); break;
            case 2: text.insert(at, text.substr(at, 1 + below(200))); break;
            case 3: text.insert(at, 1 + below(20), static_cast<char>(below(256))); break;
            default: if (at < text.size()) text[at] ^= static_cast<char>(1 << below(8));
        }
    }
    return text.substr(0, most);
}

/// Replays the files that the command line names and their variants, or so many random changes of
/// them as CORPUSKIT_MUTATIONS says, each of `most` bytes at most; CORPUSKIT_SEED chooses others.
inline int replay_target(int argc, char** argv, Replay replay, std::size_t most) {
    const char* const wanted = std::getenv("CORPUSKIT_MUTATIONS");
    if (wanted == nullptr)
        return replay_files(argc, argv, [replay](const std::string& path) {
            replay_variants(read_file(path), replay);
        });
    std::vector<std::string> seeds;
    replay_files(argc, argv, [&](const std::string& path) { seeds.push_back(read_file(path)); });
    const char* const seed = std::getenv("CORPUSKIT_SEED");
    std::mt19937_64 chance(seed == nullptr ? 1 : std::strtoull(seed, nullptr, 10));
    const std::size_t count = std::strtoull(wanted, nullptr, 10);
    for (std::size_t i = 0; i < count; ++i) {
        const std::string input = mutated(seeds, most, chance);
        // What ends the process lies there, as libFuzzer would leave it.
        std::ofstream(std::string(argv[0]) + ".last", std::ios::binary) << input << std::flush;
        replay(input);
    }
    std::printf("%s: replayed %zu random changes\n", argv[0], count);
    return 0;
}

/// The entry of a target, by its name the one that libFuzzer or that a program has.
#ifdef CORPUSKIT_LIBFUZZER
#define CORPUSKIT_TARGET(replay, most)                                                       \
    extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {     \
        replay(std::string(reinterpret_cast<const char*>(data), size));                      \
        return 0;                                                                            \
    }
#else
#define CORPUSKIT_TARGET(replay, most)                                                       \
    int main(int argc, char** argv) { return replay_target(argc, argv, replay, most); }
#endif
