// Deflate (RFC 1951) of known size, decoded whole: faster than by a stream, which may stop at any
// byte.
#pragma once

#include <cstddef>
#include <cstdint>

namespace corpuskit {

/// Decodes the deflate data at data[from...] into `out`, which it must fill.
///
/// Returns where it ends; 0 where it is damaged, ends too soon, or gives more or less than
/// `out_size` bytes. Reads and writes nothing outside of both. Codes that are not complete are
/// refused but for a single one of distances, as zlib does.
std::size_t inflate(const std::uint8_t* data, std::size_t size, std::size_t from, std::uint8_t* out,
                    std::size_t out_size);

}  // namespace corpuskit
