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

CORPUSKIT_TARGET(replay, 8192)
