// What the replays share: each gives its inputs to the engine and checks what must always hold.
//
// Built with sanitizers (`make sanitize`) a replay reads the files that its command line names.
// With -DCORPUSKIT_LIBFUZZER (`make fuzz`) it is a libFuzzer target.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

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
