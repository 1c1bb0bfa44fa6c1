// bzip2 by blocks: finding them at any bit of a file, and decoding a few at a time.
//
// A .bz2 file is one stream or many; a stream is "BZh1".."BZh9", blocks, an end mark with a
// checksum, and zero bits up to the next whole byte. Blocks begin at any bit, with a magic number
// of 48 bits, and can be decoded without those before them. So a file can be cut into runs of
// blocks, whatever its streams are.
//
// Source of the format: bzip2 1.0.8 (Julian Seward), as described by its manual and Joe Tsai's
// "BZIP2: Format Specification". Blocks that are "randomised", which bzip2 stopped writing in 1999,
// are refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace corpuskit {

/// Bytes that a block has before its first run-length coding is undone, at most.
inline constexpr std::size_t kBz2BlockBytes = 900'000;

/// Blocks that are decoded together, at most.
inline constexpr std::size_t kBz2Lanes = 8;

/// Decoded bytes behind which a run is ended, since a block can hold 46 MB of equal bytes.
inline constexpr std::size_t kBz2RunBytes = std::size_t{16} << 20;

/// Why a run of blocks ended.
enum class Bz2Stop : std::int32_t {
    kFull,  ///< as many blocks as were asked for, or fewer where they are large: go on at `next`
    kInput,  ///< the input ends inside a block or between two: give more, or the file is truncated
    kEnd,  ///< the input ends behind a stream, as it should
    kDamaged,  ///< what begins at `next` is no sound block
};

/// Decoded blocks, one behind the other.
struct Bz2Run {
    std::vector<std::uint8_t> bytes;
    std::vector<std::int64_t> starts;  ///< bit at which each block begins
    std::vector<std::int64_t> sizes;   ///< decoded bytes of each block
    std::uint64_t reached = 0;         ///< bit up to which the data was looked at
    std::uint64_t next = 0;  ///< bit at which to go on; that of the bad block after kDamaged
    bool in_stream = true;  ///< whether a block or an end mark stands at `next`, else a stream
    Bz2Stop stop = Bz2Stop::kFull;
    const char* error = "";            ///< what is wrong after kDamaged
};

/// The bit at which the first plausible block from bit `from` on begins; -1 if there is none.
///
/// Plausible: the magic number, followed by a sound description of the block's codes. That it
/// stands somewhere by chance is out of the question for files of any size. A block whose
/// description is cut off by the end of the data is not found.
std::int64_t find_bz2_block(const std::uint8_t* data, std::size_t size, std::uint64_t from);

/// Decodes runs of blocks. Holds its tables between calls; not for several threads at a time.
class Bz2Decoder {
  public:
    Bz2Decoder();
    ~Bz2Decoder();
    Bz2Decoder(const Bz2Decoder&) = delete;
    Bz2Decoder& operator=(const Bz2Decoder&) = delete;

    /// Decodes the blocks from bit `from` on, as long as they begin before bit `until`, and one in
    /// any case.
    ///
    /// Args:
    ///   in_stream: whether `from` is inside a stream, at a block or an end mark; else a stream
    ///     begins there.
    ///   blocks: how many at most; more than kBz2Lanes never are.
    ///
    /// The checksum of every block is verified. That of a stream is not: it says nothing beyond
    /// those.
    Bz2Run decode(const std::uint8_t* data, std::size_t size, std::uint64_t from,
                  std::uint64_t until, bool in_stream, std::size_t blocks);

  private:
    struct Scratch;
    std::unique_ptr<Scratch> scratch_;
};

}  // namespace corpuskit
