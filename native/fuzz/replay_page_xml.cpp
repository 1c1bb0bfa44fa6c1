// Replays the XML of pages through the engine's reader, for builds with sanitizers.
//
// Every file is read as it is, with each of its bytes changed in turn, and cut off at each byte.
// With -DCORPUSKIT_LIBFUZZER the same checks are a libFuzzer target. That what is read is what
// expat reads is shown in Python (tests/sources/wikipedia/test_page_xml.py).
#include <string>

#include "driver.hpp"
#include "engine/mediawiki/page_xml.hpp"

namespace {

/// Reads a page and checks what must always hold.
void replay(const std::string& xml) {
    const corpuskit::PageFields fields = corpuskit::read_page_xml(xml);
    if (fields.names.size() != fields.values.size()) fail("fields without a value");
    if (!fields.understood && !fields.names.empty())
        fail("fields of a page that was not understood");
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
    return replay_files(argc, argv, [](const std::string& path) {
        const std::string whole = read_file(path);
        replay(whole);
        for (std::size_t at = 0; at < whole.size(); ++at) {
            for (const char other : {'<', '>', '&', '"', ';', '/', '\0', '\xC3', '\xF0', '\xFF'}) {
                std::string changed = whole;
                changed[at] = other;
                replay(changed);
            }
            replay(whole.substr(0, at));
        }
    });
}
#endif
