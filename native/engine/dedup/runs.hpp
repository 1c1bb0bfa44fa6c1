// Runs of words: what is looked for when texts, or parts of them, repeat each other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/dedup/digest.hpp"
#include "engine/text/segment.hpp"

namespace corpuskit {

/// How long a run is: `words` of the words that blanks part, or `characters` of those that are a
/// letter each. Where both stand in it, shares of the two add up.
struct RunLength {
    std::size_t words, characters;
};

/// Which words of a text are a letter each, in scripts without blanks.
bool stands_apart(std::string_view folded_word);

/// Of each word the shortest run of a length that begins there.
struct Runs {
    std::vector<std::int64_t> until;  // word behind the run; 0 where the text ends too soon
    std::vector<Digest> digests;  // two polynomials modulo 2^61 - 1 over digests of the words
};
/// The runs of a text, in time linear in it; `runs` is made anew.
void find_runs(const Words& words, RunLength length, Runs& runs);

/// Winnowing (Schleimer, Wilkerson, Aiken 2003): of each `run` words in a row the n-gram of `gram`
/// words with the smallest hash, the first of equals. Texts that share `run` words share an entry.
struct Winnowed {
    std::vector<std::uint64_t> hashes;
    std::vector<std::int64_t> places;  // words of the text, ascending
};
void winnow(const Words& words, std::size_t run, std::size_t gram, Winnowed& out);

}  // namespace corpuskit
