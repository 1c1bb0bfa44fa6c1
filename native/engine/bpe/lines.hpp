// Between the ids of an encoder and the tokens of a file: lines with ends, the bytes of sequences.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/text/column.hpp"

namespace corpuskit {

/// Ids of sequences, one behind the other: sequence i is ids[ends[i - 1], ends[i]).
struct Sequences {
    const std::uint32_t* ids;
    std::size_t tokens;
    const std::int64_t* ends;  // ascending within [0, tokens]; what follows the last goes on later
    std::size_t count;
};

/// Throws std::invalid_argument when the ends do not ascend within the tokens.
void check_sequences(const Sequences& sequences);

/// Writes the ids as tokens of a file, an end of text behind each sequence: tokens + count of them.
/// Throws std::invalid_argument for an id that the type does not hold, and as check_sequences.
template <typename Token>
void token_line(const Sequences& sequences, Token end_of_text, Token* line);

/// Sums up the bytes of each sequence's ids, and of those behind the last: count + 1 numbers.
/// Throws std::invalid_argument for an id without a length, and as check_sequences.
template <typename Length>
void sequence_bytes(const Sequences& sequences, const Length* lengths, std::size_t vocabulary,
                    std::int64_t* sizes);

/// The bytes of some ids, one behind the other, where string i of the column is what id i stands
/// for. Throws std::invalid_argument for an id outside of it, and for offsets that do not ascend.
std::string joined_tokens(const Column& tokens, const std::uint32_t* ids, std::size_t count);

}  // namespace corpuskit
