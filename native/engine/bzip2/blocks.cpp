#include "engine/bzip2/blocks.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "engine/bzip2/bits.hpp"
#include "engine/bzip2/codes.hpp"
#include "engine/bzip2/transform.hpp"

namespace corpuskit {

using bz2::BitReader;
using bz2::BlockHead;
using bz2::HuffmanTable;

namespace {

/// Tables of the CRC-32 with polynomial 0x04C11DB7, highest bit first, for eight bytes at a time.
struct Checksums {
    std::array<std::array<std::uint32_t, 256>, 8> table;
    Checksums() {
        for (std::uint32_t i = 0; i < 256; ++i) {
            std::uint32_t value = i << 24;
            for (int bit = 0; bit < 8; ++bit)
                value = value << 1 ^ (value & 0x80000000u ? 0x04C11DB7u : 0u);
            table[0][i] = value;
        }
        for (std::uint32_t i = 0; i < 256; ++i)
            for (std::size_t k = 1; k < 8; ++k)
                table[k][i] = table[k - 1][i] << 8 ^ table[0][table[k - 1][i] >> 24];
    }
};

std::uint32_t checksum(const std::uint8_t* data, std::size_t size) {
    static const Checksums kTables;
    const auto& t = kTables.table;
    std::uint32_t crc = 0xFFFFFFFFu;
    std::size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        const std::uint64_t eight = bz2::load_be(data, size, i) ^ std::uint64_t{crc} << 32;
        crc = t[7][eight >> 56] ^ t[6][eight >> 48 & 255] ^ t[5][eight >> 40 & 255] ^
              t[4][eight >> 32 & 255] ^ t[3][eight >> 24 & 255] ^ t[2][eight >> 16 & 255] ^
              t[1][eight >> 8 & 255] ^ t[0][eight & 255];
    }
    for (; i < size; ++i) crc = crc << 8 ^ t[0][crc >> 24 ^ data[i]];
    return ~crc;
}

/// The first place from `at` on where four equal bytes begin; `size` if there is none.
std::size_t find_run(const std::uint8_t* in, std::size_t at, std::size_t size) {
    constexpr std::uint64_t kLow = 0x0101010101010101, kHigh = 0x8080808080808080;
    while (at + 4 <= size) {
        if (at + 9 <= size) {
            std::uint64_t here, behind;
            std::memcpy(&here, in + at, 8);
            std::memcpy(&behind, in + at + 1, 8);
            const std::uint64_t differ = here ^ behind;
            if (((differ - kLow) & ~differ & kHigh) == 0) {  // no byte equals the one behind it
                at += 8;
                continue;
            }
        }
        const std::size_t stop = std::min(at + 8, size - 3);
        for (; at < stop; ++at)
            if (in[at] == in[at + 1] && in[at] == in[at + 2] && in[at] == in[at + 3]) return at;
    }
    return size;
}

/// Undoes bzip2's first run-length coding: behind four equal bytes stands how many more follow.
void expand_runs(const std::uint8_t* in, std::size_t size, std::vector<std::uint8_t>& out) {
    std::size_t at = 0;
    while (at < size) {
        const std::size_t run = find_run(in, at, size);
        const std::size_t end = std::min(run + 4, size);
        out.insert(out.end(), in + at, in + end);
        if (end < size && run < size) out.insert(out.end(), in[end], in[run]);
        at = end + 1;
    }
}

/// The list of bytes that move to the front when they are used.
class Recent {
  public:
    explicit Recent(const BlockHead& head) {
        std::copy_n(head.bytes.begin(), head.used, order_.begin());
    }
    std::uint8_t front() const { return order_[0]; }

    std::uint8_t take(unsigned rank) {
        const std::uint8_t byte = order_[rank];
        // Most ranks are below 8: the bytes before are moved as one number, without a call.
        if (std::endian::native == std::endian::little && rank < 8) {
            std::uint64_t first;
            std::memcpy(&first, order_.data(), 8);
            const std::uint64_t moved = ~std::uint64_t{0} >> (56 - 8 * rank);
            first = (first & ~moved) | ((first << 8 | byte) & moved);
            std::memcpy(order_.data(), &first, 8);
        } else {
            std::memmove(order_.data() + 1, order_.data(), rank);
            order_[0] = byte;
        }
        return byte;
    }

  private:
    std::array<std::uint8_t, 256> order_{};
};

}  // namespace

/// One block between its Huffman code and its text.
struct Block {
    std::uint64_t start = 0;
    std::uint32_t checksum = 0;
    std::uint32_t origin = 0;
    std::size_t size = 0;
    std::unique_ptr<std::uint8_t[]> bytes =
        std::make_unique_for_overwrite<std::uint8_t[]>(kBz2BlockBytes);
};

struct Bz2Decoder::Scratch {
    BlockHead head;
    std::array<HuffmanTable, bz2::kMaxTables> tables;
    std::array<Block, kBz2Lanes> blocks;
    bz2::Transforms transforms;

    const char* read_block(BitReader& in, Block& block);
    const char* read_symbols(BitReader& in, Block& block);
};

/// Reads a block behind its magic number up to the bytes of its transform.
const char* Bz2Decoder::Scratch::read_block(BitReader& in, Block& block) {
    if (const char* error = head.read(in)) return error;
    for (unsigned t = 0; t < head.tables; ++t)
        if (!tables[t].build(head.code_bits[t].data(), head.used + 2))
            return "a code of the block is impossible";
    block.checksum = head.checksum;
    block.origin = head.origin;
    if (const char* error = read_symbols(in, block)) return error;
    return block.origin < block.size ? nullptr : "the block's origin lies outside it";
}

/// Undoes the Huffman code, the run lengths of the front byte, and the moves to the front.
const char* Bz2Decoder::Scratch::read_symbols(BitReader& in, Block& block) {
    constexpr const char* kTooLong = "the block is longer than a block may be";
    Recent recent(head);
    const unsigned end = head.used + 1;
    std::uint8_t* out = block.bytes.get();
    std::size_t filled = 0, run = 0, weight = 1;
    for (unsigned group = 0; group < head.selectors; ++group) {
        if (in.overrun()) return "the block has no end";
        const HuffmanTable& table = tables[head.selector[group]];
        for (unsigned i = 0; i < bz2::kGroupSymbols; ++i) {
            // 56 bits are enough for two codes of 20.
            if ((i & 1) == 0) in.refill();
            unsigned symbol = table.fast[in.peek(bz2::kFastBits)];
            if (symbol != 0) {
                in.skip(symbol & 31);
                symbol >>= 5;
            } else {
                const std::uint32_t prefix = in.peek(bz2::kMaxCodeBits);
                unsigned bits = bz2::kFastBits + 1;
                while (bits <= bz2::kMaxCodeBits && prefix >= table.limit[bits]) ++bits;
                if (bits > bz2::kMaxCodeBits) return "a code of the block stands for nothing";
                const std::uint32_t code = prefix >> (bz2::kMaxCodeBits - bits);
                const std::int64_t index = std::int64_t{code} + table.base[bits];
                if (index < 0 || index >= table.count)
                    return "a code of the block stands for nothing";
                symbol = table.symbols[static_cast<std::size_t>(index)];
                in.skip(bits);
            }
            // The length of a run is a binary number of the digits 1 and 2, lowest first.
            if (symbol <= 1) {
                run += weight << symbol;
                weight <<= 1;
                if (run > kBz2BlockBytes) return kTooLong;
                continue;
            }
            if (run != 0) {
                if (run > kBz2BlockBytes - filled) return kTooLong;
                std::memset(out + filled, recent.front(), run);
                filled += run;
                run = 0;
                weight = 1;
            }
            if (symbol == end) {
                block.size = filled;
                return nullptr;
            }
            if (filled == kBz2BlockBytes) return kTooLong;
            out[filled++] = recent.take(symbol - 1);
        }
    }
    return "the block has no end";
}

std::int64_t find_bz2_block(const std::uint8_t* data, std::size_t size, std::uint64_t from) {
    // However the magic number is shifted, the third byte from its start lies wholly inside it.
    std::array<bool, 256> third{};
    for (unsigned shift = 0; shift < 8; ++shift)
        third[bz2::kBlockMagic >> (24 + shift) & 255] = true;
    BlockHead head;
    for (std::size_t byte = static_cast<std::size_t>(from >> 3); byte + 6 <= size; ++byte) {
        if (!third[data[byte + 2]]) continue;
        for (unsigned shift = 0; shift < 8; ++shift) {
            const std::uint64_t at = std::uint64_t{byte} * 8 + shift;
            if (at < from || bz2::peek48(data, size, at) != bz2::kBlockMagic) continue;
            BitReader in(data, size, at + 48);
            if (head.read(in) == nullptr && !in.overrun()) return static_cast<std::int64_t>(at);
        }
    }
    return -1;
}

Bz2Decoder::Bz2Decoder() : scratch_(std::make_unique<Scratch>()) {}
Bz2Decoder::~Bz2Decoder() = default;

namespace {

/// Where the next block begins: ends of streams and heads of streams are passed over.
///
/// Sets `next`, `in_stream`, and unless a block begins at `next` also `stop` and `error`.
bool seek_block(const std::uint8_t* data, std::size_t size, Bz2Run& run) {
    const std::uint64_t bits = std::uint64_t{size} * 8;
    while (true) {
        if (!run.in_stream) {
            const auto byte = static_cast<std::size_t>(run.next >> 3);
            run.stop = byte >= size ? Bz2Stop::kEnd : Bz2Stop::kInput;
            if (size < byte + 4) {
                const bool fits = byte >= size ||
                                  std::memcmp(data + byte, "BZh",
                                              std::min<std::size_t>(size - byte, 3)) == 0;
                if (!fits) run.stop = Bz2Stop::kDamaged, run.error = "no bzip2 stream begins here";
                return false;
            }
            if (std::memcmp(data + byte, "BZh", 3) != 0 || data[byte + 3] < '1' ||
                data[byte + 3] > '9') {
                run.stop = Bz2Stop::kDamaged;
                run.error = "no bzip2 stream begins here";
                return false;
            }
            run.next += 32;
            run.in_stream = true;
        }
        run.stop = Bz2Stop::kInput;
        if (run.next + 48 > bits) return false;
        const std::uint64_t magic = bz2::peek48(data, size, run.next);
        if (magic == bz2::kBlockMagic) return true;
        if (magic != bz2::kEndMagic) {
            run.stop = Bz2Stop::kDamaged;
            run.error = "neither a block nor the end of a stream";
            return false;
        }
        // The end mark has 48 bits, the stream's checksum 32.
        if (run.next + 80 > bits) return false;
        run.next = (run.next + 80 + 7) / 8 * 8;
        run.in_stream = false;
    }
}

}  // namespace

Bz2Run Bz2Decoder::decode(const std::uint8_t* data, std::size_t size, std::uint64_t from,
                          std::uint64_t until, bool in_stream, std::size_t blocks) {
    Bz2Run run;
    run.next = run.reached = from;
    run.in_stream = in_stream;
    blocks = std::min(blocks, kBz2Lanes);
    std::size_t count = 0;
    while (count < blocks && seek_block(data, size, run)) {
        run.stop = Bz2Stop::kFull;
        if (count != 0 && run.next >= until) break;
        Block& block = scratch_->blocks[count];
        block.start = run.next;
        BitReader in(data, size, run.next + 48);
        const char* error = scratch_->read_block(in, block);
        run.reached = in.at();
        run.stop = in.overrun() ? Bz2Stop::kInput : error ? Bz2Stop::kDamaged : Bz2Stop::kFull;
        if (run.stop == Bz2Stop::kDamaged) run.error = error;
        if (run.stop != Bz2Stop::kFull) break;
        run.next = in.at();
        scratch_->transforms.add(count, block.bytes.get(), block.size, block.origin);
        ++count;
    }
    scratch_->transforms.undo(count);
    // Text hardly grows when its runs are undone.
    run.bytes.reserve(count * (kBz2BlockBytes + kBz2BlockBytes / 64));
    for (std::size_t i = 0; i < count; ++i) {
        const Block& block = scratch_->blocks[i];
        const std::size_t before = run.bytes.size();
        const bool enough = before > kBz2RunBytes;
        if (!enough) expand_runs(block.bytes.get(), block.size, run.bytes);
        if (enough ||
            checksum(run.bytes.data() + before, run.bytes.size() - before) != block.checksum) {
            run.bytes.resize(before);
            run.next = block.start;
            run.in_stream = true;
            run.stop = enough ? Bz2Stop::kFull : Bz2Stop::kDamaged;
            run.error = enough ? "" : "the block's checksum does not fit its data";
            break;
        }
        run.starts.push_back(static_cast<std::int64_t>(block.start));
        run.sizes.push_back(static_cast<std::int64_t>(run.bytes.size() - before));
    }
    return run;
}

}  // namespace corpuskit
