#include "engine/bzip2/transform.hpp"

#include <algorithm>
#include <cstdlib>
#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace corpuskit::bz2 {

namespace {

constexpr std::size_t kPage = std::size_t{2} << 20;
// Entries per lane: a power of two above kBz2BlockBytes.
constexpr std::size_t kTable = std::size_t{1} << 20;
static_assert(kTable >= kBz2BlockBytes);

}  // namespace

void Transforms::Free::operator()(std::uint32_t* memory) const { std::free(memory); }

Transforms::Transforms() {
    constexpr std::size_t kBytes = kBz2Lanes * kTable * sizeof(std::uint32_t);
    tables_.reset(static_cast<std::uint32_t*>(std::aligned_alloc(kPage, kBytes)));
    if (!tables_) throw std::bad_alloc();
#ifdef __linux__
    // Large pages spare a look-up of the page's address at each step. It is a hint: refusal costs
    // speed only.
    madvise(tables_.get(), kBytes, MADV_HUGEPAGE);
#endif
}

void Transforms::add(std::size_t lane, std::uint8_t* bytes, std::size_t size,
                     std::uint32_t origin) {
    std::uint32_t* next = tables_.get() + lane * kTable;
    std::array<std::uint32_t, 256> places{};
    for (std::size_t i = 0; i < size; ++i) {
        next[i] = bytes[i];
        ++places[bytes[i]];
    }
    std::uint32_t sum = 0;
    for (auto& place : places) {
        const std::uint32_t count = place;
        place = sum;
        sum += count;
    }
    // Each row now holds its own byte; above it goes the row in which the byte that follows in the
    // text stands.
    for (std::size_t i = 0; i < size; ++i)
        next[places[bytes[i]]++] |= static_cast<std::uint32_t>(i) << 8;
    chains_[lane] = {next, bytes, size, next[origin] >> 8};
}

template <std::size_t kCount>
void Transforms::follow(Chain* const* chains, std::size_t steps) {
    std::array<const std::uint32_t*, kCount> next;
    std::array<std::uint8_t*, kCount> out;
    std::array<std::uint32_t, kCount> row;
    for (std::size_t c = 0; c < kCount; ++c) {
        next[c] = chains[c]->next;
        out[c] = chains[c]->out;
        row[c] = chains[c]->row;
    }
    for (std::size_t i = 0; i < steps; ++i) {
#pragma GCC unroll 8
        for (std::size_t c = 0; c < kCount; ++c) {
            const std::uint32_t entry = next[c][row[c]];
            out[c][i] = static_cast<std::uint8_t>(entry);
            row[c] = entry >> 8;
        }
    }
    for (std::size_t c = 0; c < kCount; ++c) {
        chains[c]->out += steps;
        chains[c]->left -= steps;
        chains[c]->row = row[c];
    }
}

void Transforms::undo(std::size_t lanes) {
    static constexpr std::array<void (*)(Chain* const*, std::size_t), kBz2Lanes> kFollow = {
        &follow<1>, &follow<2>, &follow<3>, &follow<4>,
        &follow<5>, &follow<6>, &follow<7>, &follow<8>,
    };
    std::array<Chain*, kBz2Lanes> open;
    for (std::size_t lane = 0; lane < lanes; ++lane) open[lane] = &chains_[lane];
    while (lanes != 0) {
        std::size_t steps = open[0]->left;
        for (std::size_t c = 1; c < lanes; ++c) steps = std::min(steps, open[c]->left);
        kFollow[lanes - 1](open.data(), steps);
        const auto closed = [](const Chain* chain) { return chain->left == 0; };
        lanes = static_cast<std::size_t>(
            std::remove_if(open.begin(), open.begin() + lanes, closed) - open.begin());
    }
}

}  // namespace corpuskit::bz2
