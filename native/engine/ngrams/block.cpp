#include "engine/ngrams/block.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string_view>

#include "engine/ngrams/suffixes.hpp"
#include "engine/text/xxhash.hpp"

namespace corpuskit {

namespace {

using Symbols = std::vector<std::int32_t>;

/// Ids up to here are symbols as they are; sparser ones are numbered first.
constexpr std::int32_t kDense = 1 << 20;

/// How far a line is equal, from each place on, to a model.
///
/// One place behind the other by the Z-algorithm (Gusfield, "Algorithms on Strings, Trees, and
/// Sequences", 1997, 1.3): tokens that a match has covered are not compared again.
template <typename Token>
class Agreement {
  public:
    /// `model` are the tokens that are compared with, `size` of them, of which `known` places are
    /// asked for.
    Agreement(const Token* model, std::size_t size, std::size_t known)
        : model_(model), size_(size), own_(std::min(size, known)) {
        if (size > std::numeric_limits<std::uint32_t>::max())
            throw std::invalid_argument("a document has 2^32 tokens or more");
        Window window;
        for (std::size_t i = 1; i < own_.size(); ++i)
            own_[i] = static_cast<std::uint32_t>(extend(model, size, i, window));
    }

    struct Window {
        std::size_t begin = 0, end = 0;
    };
    /// How many tokens of the line from `at` on are those of the model; asked for in order.
    std::size_t extend(const Token* line, std::size_t line_size, std::size_t at,
                       Window& window) const {
        std::size_t same = 0;
        if (at < window.end) same = std::min<std::size_t>(window.end - at, own_[at - window.begin]);
        if (at + same >= window.end) {
            const std::size_t most = std::min(size_, line_size - at);
            while (same < most && line[at + same] == model_[same]) ++same;
            window = {at, at + same};
        }
        return same;
    }

  private:
    const Token* model_;
    std::size_t size_;
    std::vector<std::uint32_t> own_;  // how far the model is equal to itself, from each place on
};

/// Marks the places of a block, by their tokens, whose suffix comes after what follows the block:
/// of a token equal to the block's last one those whose next suffix is the greater, and the last
/// one itself between the two kinds. So a comparison never has to leave the block.
///
/// Kaerkkaeinen and Kempa, "Engineering a Lightweight External Memory Suffix Array Construction
/// Algorithm", Math. Comput. Sci. 11, 2017 (3.2).
template <typename Token>
void tell_apart(const Token* block, std::size_t count, std::size_t tail, bool ended,
                Symbols& symbols) {
    const Token* const behind = block + count;
    const std::int32_t last = symbols.back();
    const Agreement<Token> agreement(behind, tail, count);
    typename Agreement<Token>::Window window;
    symbols[0] += symbols[0] > last ? 2 : 0;
    for (std::size_t i = 0; i < count; ++i) {
        // Whether the suffix from i on comes after the one behind the block.
        const std::size_t same = agreement.extend(block, count + tail, i, window);
        const bool greater = same == tail ? !ended : block[i + same] > behind[same];
        if (i == 0) continue;
        symbols[i] += symbols[i] > last ? 2 : 0;
        if (symbols[i - 1] == last && greater) symbols[i - 1] += 2;
    }
    symbols[count - 1] = last + 1;
}

/// Numbers the symbols anew, in their order and without gaps.
void make_dense(Symbols& symbols) {
    Symbols known(symbols);
    std::sort(known.begin(), known.end());
    known.erase(std::unique(known.begin(), known.end()), known.end());
    for (auto& symbol : symbols)
        symbol = static_cast<std::int32_t>(
            std::lower_bound(known.begin(), known.end(), symbol) - known.begin());
}

template <typename Token>
Symbols symbols_of(const TokenLine& line, std::size_t start, std::size_t count) {
    const Token* const tokens = static_cast<const Token*>(line.tokens);
    const Token* const block = tokens + start;
    const std::uint32_t most = *std::max_element(block, block + count);
    if (most > static_cast<std::uint32_t>(std::numeric_limits<std::int32_t>::max()))
        throw std::invalid_argument("a token is 2^31 or more");
    Symbols symbols(block, block + count);
    if (most > kDense) make_dense(symbols);
    const std::size_t after = start + count;
    if (after == line.size || tokens[after - 1] == line.end) return symbols;
    // What follows of the document that the block ends within, with its end.
    const Token* const found = std::find(tokens + after, tokens + line.size, line.end);
    const bool ended = found != tokens + line.size;
    const std::size_t tail = static_cast<std::size_t>(found - (tokens + after)) + ended;
    tell_apart(block, count, tail, ended, symbols);
    return symbols;
}

}  // namespace

NgramBlock build_ngram_block(const TokenLine& line, std::size_t start, std::size_t count) {
    if (line.width != 2 && line.width != 4)
        throw std::invalid_argument("a token has 2 or 4 bytes");
    if (start > line.size || count > line.size - start)
        throw std::invalid_argument("the block lies outside of the line");
    if (count > kMostBlockTokens) throw std::invalid_argument("a block has up to 2^24 tokens");
    NgramBlock built;
    if (count == 0) return built;
    std::vector<std::int32_t> order(count);
    {
        const Symbols symbols = line.width == 2 ? symbols_of<std::uint16_t>(line, start, count)
                                                : symbols_of<std::uint32_t>(line, start, count);
        const std::int32_t alphabet = *std::max_element(symbols.begin(), symbols.end()) + 1;
        sort_suffixes(symbols.data(), static_cast<std::int32_t>(count), alphabet, order.data());
    }
    built.entries.resize(kEntryBytes * count);
    auto* to = built.entries.data();
    for (const std::int32_t place : order)
        for (int shift = 0; shift < 24; shift += 8)
            *to++ = static_cast<std::uint8_t>(place >> shift);
    for (std::size_t first = 0; first < count; first += kPageEntries)
        built.sums.push_back(page_sum(built.entries.data() + kEntryBytes * first,
                                      std::min(kPageEntries, count - first)));
    return built;
}

std::uint64_t page_sum(const std::uint8_t* page, std::size_t entries) {
    return xxh64({reinterpret_cast<const char*>(page), kEntryBytes * entries});
}

}  // namespace corpuskit
