#include "engine/bpe/lines.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace corpuskit {

namespace {

/// The greatest of some ids; 0 of none.
std::uint32_t greatest(const std::uint32_t* ids, std::size_t count) {
    std::uint32_t most = 0;
    for (std::size_t i = 0; i < count; ++i) most = std::max(most, ids[i]);
    return most;
}

}  // namespace

void check_sequences(const Sequences& sequences) {
    std::int64_t before = 0;
    for (std::size_t i = 0; i < sequences.count; ++i) {
        if (sequences.ends[i] < before)
            throw std::invalid_argument("the ends of sequences must ascend");
        before = sequences.ends[i];
    }
    if (static_cast<std::size_t>(before) > sequences.tokens)
        throw std::invalid_argument("a sequence ends behind the last id");
}

template <typename Token>
void token_line(const Sequences& sequences, Token end_of_text, Token* line) {
    check_sequences(sequences);
    if (greatest(sequences.ids, sequences.tokens) >
        static_cast<std::uint32_t>(std::numeric_limits<Token>::max()))
        throw std::invalid_argument("an id is too large for the type of the tokens");
    std::size_t at = 0;
    for (std::size_t i = 0; i <= sequences.count; ++i) {
        const bool ends = i < sequences.count;
        const auto end = ends ? static_cast<std::size_t>(sequences.ends[i]) : sequences.tokens;
        line = std::transform(sequences.ids + at, sequences.ids + end, line,
                              [](std::uint32_t id) { return static_cast<Token>(id); });
        if (ends) *line++ = end_of_text;
        at = end;
    }
}

template <typename Length>
void sequence_bytes(const Sequences& sequences, const Length* lengths, std::size_t vocabulary,
                    std::int64_t* sizes) {
    check_sequences(sequences);
    if (sequences.tokens > 0 && greatest(sequences.ids, sequences.tokens) >= vocabulary)
        throw std::invalid_argument("an id is outside of the vocabulary");
    std::size_t at = 0;
    for (std::size_t i = 0; i <= sequences.count; ++i) {
        const auto end = i < sequences.count ? static_cast<std::size_t>(sequences.ends[i])
                                             : sequences.tokens;
        std::int64_t size = 0;
        for (; at < end; ++at) size += lengths[sequences.ids[at]];
        sizes[i] = size;
    }
}

std::string joined_tokens(const Column& tokens, const std::uint32_t* ids, std::size_t count) {
    if (count > 0 && greatest(ids, count) >= tokens.size)
        throw std::invalid_argument("an id is outside of the vocabulary");
    std::string joined;
    joined.reserve(6 * count);
    for (std::size_t i = 0; i < count; ++i) {
        const std::int64_t start = tokens.offsets[ids[i]], end = tokens.offsets[ids[i] + 1];
        if (start < 0 || end < start || static_cast<std::size_t>(end) > tokens.bytes)
            throw std::invalid_argument("offsets must ascend within the bytes");
        joined.append(tokens.data + start, static_cast<std::size_t>(end - start));
    }
    return joined;
}

template void token_line(const Sequences&, std::uint16_t, std::uint16_t*);
template void token_line(const Sequences&, std::int32_t, std::int32_t*);
template void sequence_bytes(const Sequences&, const std::uint8_t*, std::size_t, std::int64_t*);
template void sequence_bytes(const Sequences&, const std::uint32_t*, std::size_t, std::int64_t*);

}  // namespace corpuskit
