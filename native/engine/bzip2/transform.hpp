// Undoing the Burrows-Wheeler transform of several blocks at the same time.
//
// The text of a block is a chain through a table of 3.6 MB in which each step waits for the memory
// (Burrows and Wheeler 1994, section 4.2). One chain alone leaves the processor idle for most of
// the time; several chains side by side wait together. Measured with 8 chains and large memory
// pages: a quarter of the time per byte.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "engine/bzip2/blocks.hpp"

namespace corpuskit::bz2 {

/// Holds a table for each of kBz2Lanes blocks.
class Transforms {
  public:
    Transforms();

    /// Prepares a block: its transformed bytes, at least one, and the row that is the text.
    void add(std::size_t lane, std::uint8_t* bytes, std::size_t size, std::uint32_t origin);

    /// Undoes the transforms of the first `lanes` blocks that were added; the texts replace the
    /// bytes.
    void undo(std::size_t lanes);

  private:
    struct Chain {
        const std::uint32_t* next = nullptr;
        std::uint8_t* out = nullptr;
        std::size_t left = 0;
        std::uint32_t row = 0;
    };
    struct Free {
        void operator()(std::uint32_t* memory) const;
    };
    template <std::size_t kCount>
    static void follow(Chain* const* chains, std::size_t steps);

    std::unique_ptr<std::uint32_t[], Free> tables_;
    std::array<Chain, kBz2Lanes> chains_;
};

}  // namespace corpuskit::bz2
