// Replays the XML of pages through the engine's reader, for builds with sanitizers.
//
//   g++ -std=c++20 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -Inative
//       native/fuzz/replay_page_xml.cpp native/engine/page_xml.cpp -o replay_page_xml
//   ./replay_page_xml FILE...
//
// Every file is read as it is, with each of its bytes changed in turn, and cut off at each byte. With
// -DCORPUSKIT_LIBFUZZER the same checks are a libFuzzer target. That what is read is what expat reads is shown in
// Python (tests/sources/wikipedia/test_page_xml.py).
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "engine/mediawiki/page_xml.hpp"

namespace {

void fail(const char* what) {
    std::fprintf(stderr, "replay_page_xml: %s\n", what);
    std::abort();
}

/// Reads a page and checks what must always hold.
void replay(const std::string& xml) {
    const corpuskit::PageFields fields = corpuskit::read_page_xml(xml);
    if (fields.names.size() != fields.values.size()) fail("fields without a value");
    if (!fields.understood && !fields.names.empty()) fail("fields of a page that was not understood");
    std::size_t size = 0;
    for (const std::string& value : fields.values) size += value.size();
    if (size > xml.size()) fail("more was read than there is");
}

}  // namespace

#ifdef CORPUSKIT_LIBFUZZER
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    replay(std::string(reinterpret_cast<const char*>(data), size));
    return 0;
}
#else
int main(int argc, char** argv) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: replay_page_xml FILE...\n");
        return 2;
    }
    for (int i = 1; i < argc; ++i) {
        std::ifstream stream(argv[i], std::ios::binary);
        const std::string whole((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
        replay(whole);
        for (std::size_t at = 0; at < whole.size(); ++at) {
            for (const char other : {'<', '>', '&', '"', ';', '/', '\0', '\xC3', '\xF0', '\xFF'}) {
                std::string changed = whole;
                changed[at] = other;
                replay(changed);
            }
            replay(whole.substr(0, at));
        }
    }
    std::printf("replayed %d pages of XML, each byte of them changed and cut\n", argc - 1);
    return 0;
}
#endif
