// Replays bzip2 files through the block decoder, for builds with sanitizers.
//
// Every file is decoded as it is, with each of its bytes changed in turn, and cut off at each byte.
// With -DCORPUSKIT_LIBFUZZER the same checks are a libFuzzer target.
#include <numeric>
#include <vector>

#include "driver.hpp"
#include "engine/bzip2/blocks.hpp"

namespace {

using Bytes = std::vector<std::uint8_t>;

/// Decodes all there is and checks what must always hold. Returns how many blocks there were.
std::size_t replay(const Bytes& data) {
    static corpuskit::Bz2Decoder decoder;
    const std::uint64_t bits = std::uint64_t{data.size()} * 8;
    std::uint64_t at = 0;
    bool in_stream = false;
    std::size_t blocks = 0;
    while (true) {
        const corpuskit::Bz2Run run = decoder.decode(data.data(), data.size(), at, bits, in_stream,
                                                     8);
        const auto sum = std::accumulate(run.sizes.begin(), run.sizes.end(), std::int64_t{0});
        if (run.bytes.size() != static_cast<std::size_t>(sum)) fail("the sizes do not add up");
        if (run.starts.size() != run.sizes.size()) fail("blocks without a size");
        if (run.next < at || run.next > bits + 7) fail("the place to go on is outside the data");
        blocks += run.starts.size();
        in_stream = run.in_stream;
        if (run.stop == corpuskit::Bz2Stop::kEnd || run.stop == corpuskit::Bz2Stop::kInput)
            return blocks;
        if (run.stop == corpuskit::Bz2Stop::kFull) {
            if (run.starts.empty()) fail("nothing was decoded and nothing is wrong");
            at = run.next;
            continue;
        }
        const std::int64_t found = corpuskit::find_bz2_block(data.data(), data.size(),
                                                             run.next + 1);
        if (found < 0) return blocks;
        if (static_cast<std::uint64_t>(found) <= run.next)
            fail("a block was found before it was looked for");
        at = static_cast<std::uint64_t>(found);
        in_stream = true;
    }
}

}  // namespace

#ifdef CORPUSKIT_LIBFUZZER
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    replay(Bytes(data, data + size));
    return 0;
}
#else
int main(int argc, char** argv) {
    return replay_files(argc, argv, [](const std::string& path) {
        const std::string data = read_file(path);
        const Bytes whole(data.begin(), data.end());
        if (replay(whole) == 0) fail("a file of the corpus holds no block");
        for (std::size_t at = 0; at < whole.size(); ++at) {
            Bytes changed = whole;
            for (const std::uint8_t mask : {0x01, 0x80, 0xFF}) {
                changed[at] = whole[at] ^ mask;
                replay(changed);
            }
            replay(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(at)));
        }
    });
}
#endif
