// Replays texts through the n-gram index, for builds with sanitizers.
//
// Each byte is a token, a line feed ends a document. Blocks of several sizes must be sorted as
// comparing suffixes one by one says, what is found must be what reading the line finds, and of a
// damaged index nothing may be read but its end. With -DCORPUSKIT_LIBFUZZER the same checks are a
// libFuzzer target.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "driver.hpp"
#include "engine/ngrams/block.hpp"
#include "engine/ngrams/search.hpp"

namespace {

using namespace corpuskit;

constexpr std::size_t kMostBytes = 300;  // of a text that is searched by reading it, too
constexpr std::uint32_t kEnd = '\n';

template <typename Token>
struct Index {
    std::vector<Token> tokens;
    std::vector<std::size_t> starts;
    std::vector<NgramBlock> blocks;
    std::vector<std::unique_ptr<NgramSearch>> searches;

    Index(std::vector<Token> line, std::size_t block) : tokens(std::move(line)) {
        for (std::size_t start = 0; start < tokens.size(); start += block) {
            starts.push_back(start);
            blocks.push_back(build_ngram_block(view(), start, size(start, block)));
        }
        for (std::size_t i = 0; i < starts.size(); ++i)
            searches.push_back(std::make_unique<NgramSearch>(
                view(), starts[i], size(starts[i], block), blocks[i].entries.data(),
                blocks[i].sums.data()));
    }
    std::size_t size(std::size_t start, std::size_t block) const {
        return std::min(block, tokens.size() - start);
    }
    TokenLine view() const {
        return {tokens.data(), tokens.size(), static_cast<int>(sizeof(Token)), kEnd};
    }
    /// The tokens from a place on, with the end of its document.
    std::vector<Token> document(std::size_t place) const {
        const auto first = tokens.begin() + static_cast<std::ptrdiff_t>(place);
        auto last = std::find(first, tokens.end(), kEnd);
        return {first, last == tokens.end() ? last : last + 1};
    }
    void check_order() const {
        for (std::size_t i = 0; i < blocks.size(); ++i) {
            const auto& entries = blocks[i].entries;
            std::vector<bool> met(entries.size() / 3);
            std::vector<Token> before;
            for (std::size_t at = 0; at < entries.size(); at += 3) {
                const std::size_t place =
                    entries[at] | entries[at + 1] << 8 | entries[at + 2] << 16;
                if (place >= met.size() || met[place]) fail("a place is missing in the order");
                met[place] = true;
                std::vector<Token> own = document(starts[i] + place);
                if (own < before) fail("suffixes are not in order");
                before = std::move(own);
            }
        }
    }
    void check_search(const NgramQuery& query) const {
        const bool broken = std::find(query.begin(), query.end() - 1, kEnd) != query.end() - 1;
        std::vector<std::int64_t> expected, found;
        for (std::size_t p = 0; !broken && p + query.size() <= tokens.size(); ++p)
            if (std::equal(query.begin(), query.end(), tokens.begin() + static_cast<long>(p)))
                expected.push_back(static_cast<std::int64_t>(p));
        for (const auto& search : searches) {
            const auto range = search->find(query);
            for (const auto place : search->places(range, tokens.size())) found.push_back(place);
            search->places(range, 1);
        }
        if (found != expected) fail("other places than by reading the line");
    }
    void check_match(const NgramQuery& query) const {
        std::vector<const NgramSearch*> all;
        for (const auto& search : searches) all.push_back(search.get());
        std::vector<std::int64_t> lengths(query.size()), places(query.size(), -1);
        match_ngrams(all, query, lengths.data(), places.data());
        for (std::size_t i = 0; i < query.size(); ++i) {
            std::int64_t best = 0;
            for (std::size_t p = 0; p < tokens.size(); ++p)
                best = std::max(best, same(query, i, p));
            const auto at = static_cast<std::size_t>(places[i]);
            if (lengths[i] != best || (best > 0 && same(query, i, at) < best))
                fail("another longest match than by reading the line");
        }
    }
    std::int64_t same(const NgramQuery& query, std::size_t i, std::size_t p) const {
        std::int64_t length = 0;
        for (; i < query.size() && p < tokens.size() && query[i] == tokens[p]; ++i, ++p) {
            ++length;
            if (tokens[p] == kEnd) break;
        }
        return length;
    }
    /// What is not as it was written is told, and never followed.
    void check_damage(const NgramQuery& query, std::size_t at) {
        auto& entries = blocks[0].entries;
        entries[at % entries.size()] ^= static_cast<std::uint8_t>(1 + at % 255);
        const NgramSearch search(view(), 0, entries.size() / 3, entries.data(),
                                 blocks[0].sums.data());
        try {
            search.find(NgramQuery(1, tokens[0]));
            fail("a damaged page was read");
        } catch (const NgramDamage&) {
        }
        auto sums = blocks[0].sums;  // Right again, of what is wrong.
        for (std::size_t page = 0; page < sums.size(); ++page) {
            const std::size_t first = page * kPageEntries;
            sums[page] = page_sum(entries.data() + 3 * first,
                                  std::min(kPageEntries, entries.size() / 3 - first));
        }
        const NgramSearch forged(view(), 0, entries.size() / 3, entries.data(), sums.data());
        std::vector<std::int64_t> lengths(query.size()), places(query.size());
        try {
            forged.places(forged.find(query), 5);
            match_ngrams({&forged}, query, lengths.data(), places.data());
        } catch (const NgramDamage&) {
        }
    }
};

template <typename Token>
void replay_as(const std::string& text, Token factor, std::size_t block) {
    std::vector<Token> line;
    NgramQuery query;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        line.push_back(byte == kEnd ? static_cast<Token>(kEnd) : static_cast<Token>(byte * factor));
    }
    Index<Token> index(line, block);
    if (text.empty() || text.size() > kMostBytes) return;
    index.check_order();
    for (std::size_t i = 0; i < line.size(); i += 1 + line.size() / 8) {
        query.assign(line.begin() + static_cast<long>(i),
                     line.begin() + static_cast<long>(std::min(line.size(), i + 1 + i % 40)));
        index.check_search(query);
        query.back() ^= 1;
        index.check_search(query);
        query.insert(query.end(), line.begin(), line.begin() + static_cast<long>(i));
        index.check_match(query);
    }
    if (index.blocks[0].sums.size() == 1) index.check_damage(query, line.size());
}

void replay(const std::string& text) {
    for (const std::size_t block : {std::size_t{7}, text.size() / 3 + 1, kMostBlockTokens}) {
        if (block == 7 && text.size() > kMostBytes) continue;
        replay_as<std::uint16_t>(text, 1, block);
        replay_as<std::uint32_t>(text, 8000000, block);
    }
}

}  // namespace

#ifdef CORPUSKIT_LIBFUZZER
CORPUSKIT_TARGET(replay, kMostBytes)
#else
int main(int argc, char** argv) {
    for (const char* const worst : {"a", "\n", "ab", "abaababaabaab", "a\na\n", "\n\n\n"}) {
        std::string text;
        while (text.size() < 5000) text += worst;
        for (const std::size_t size : {1, 2, 3, 13, 50, 290, 5000}) replay(text.substr(0, size));
        replay(text.substr(0, 290) + "\n");
    }
    return replay_target(argc, argv, replay, kMostBytes);
}
#endif
