#include "engine/ngrams/search.hpp"

#include <algorithm>
#include <limits>
#include <string>

namespace corpuskit {

namespace {

/// Tokens of a match from which on it is asked first how many of the next ones end where it does.
constexpr std::size_t kLong = 24;

template <typename Token>
bool fits(std::uint32_t id) {
    return id <= std::numeric_limits<Token>::max();
}

}  // namespace

/// The searches of lines of one width.
template <typename Token>
class TypedSearch {
  public:
    explicit TypedSearch(const NgramSearch& block)
        : block_(block), tokens_(static_cast<const Token*>(block.line_.tokens)) {}

    NgramSearch::Range find(const NgramQuery& query) const {
        for (std::size_t i = 0; i < query.size(); ++i)
            if (!fits<Token>(query[i]) || (query[i] == block_.line_.end && i + 1 < query.size()))
                return {};
        const std::vector<Token> typed(query.begin(), query.end());
        const Probe low = search(typed.data(), typed.size());
        if (low.same < typed.size() || low.rank == block_.count_) return {low.rank, low.rank};
        return {low.rank, end(typed.data(), typed.size(), low.rank)};
    }

    struct Probe {
        std::size_t rank = 0;   // of the first suffix that does not come before the query
        std::size_t same = 0;   // most tokens that one has in common with it
        std::size_t place = 0;  // of that one, in the line
    };

    /// Halves the ranks. What lies between two suffixes has in common with the query what both
    /// have (Manber and Myers, SIAM J. Comput. 22, 1993).
    Probe search(const Token* query, std::size_t size) const {
        Probe best;
        std::size_t high = block_.count_, low_same = 0, high_same = 0;
        while (best.rank < high) {
            const std::size_t middle = best.rank + (high - best.rank) / 2;
            const std::size_t place = block_.start_ + block_.entry(middle);
            const std::size_t same = agree(place, query, size, std::min(low_same, high_same));
            if (same > best.same) best.same = same, best.place = place;
            const bool before = same < size && (place + same == block_.line_.size ||
                                                tokens_[place + same] < query[same]);
            if (before) best.rank = middle + 1, low_same = same;
            else high = middle, high_same = same;
        }
        return best;
    }

  private:
    /// The end of the ranks whose suffixes begin with a query, as that of rank `low` does.
    std::size_t end(const Token* query, std::size_t size, std::size_t low) const {
        std::size_t high = block_.count_, high_same = 0;
        while (high - low > 1) {
            const std::size_t middle = low + (high - low) / 2;
            const std::size_t same =
                agree(block_.start_ + block_.entry(middle), query, size, high_same);
            if (same == size) low = middle;
            else high = middle, high_same = same;
        }
        return high;
    }

    /// How many tokens the line from `place` on has in common with a query, of which `same` are
    /// known to be.
    std::size_t agree(std::size_t place, const Token* query, std::size_t size,
                      std::size_t same) const {
        const std::size_t most = std::min(size, block_.line_.size - place);
        return same >= most ? most
                            : std::mismatch(query + same, query + most, tokens_ + place + same)
                                      .first - query;
    }

    const NgramSearch& block_;
    const Token* tokens_;
};

namespace {

/// Longest matches in all blocks of a line: what begins a token later stands there, too.
template <typename Token>
class Matcher {
  public:
    explicit Matcher(const std::vector<const NgramSearch*>& blocks) {
        for (const NgramSearch* block : blocks) blocks_.emplace_back(*block);
    }

    void match(const NgramQuery& query, std::uint32_t end, std::int64_t* lengths,
               std::int64_t* places) const {
        std::vector<Token> piece;
        for (std::size_t i = 0; i < query.size(); ++i) {
            // A match holds no id that the line cannot hold, and none goes on behind an end.
            if (fits<Token>(query[i])) piece.push_back(static_cast<Token>(query[i]));
            const bool closed = !fits<Token>(query[i]) || query[i] == end;
            if (!closed && i + 1 < query.size()) continue;
            const std::size_t first = i + fits<Token>(query[i]) - piece.size();
            match_piece(piece, lengths + first, places + first);
            piece.clear();
        }
    }

  private:
    void match_piece(const std::vector<Token>& query, std::int64_t* lengths,
                     std::int64_t* places) const {
        for (std::size_t i = 0; i < query.size();) {
            const auto found = longest(query.data() + i, query.size() - i);
            const std::size_t reach = i + found.same;
            std::size_t next = i + 1;
            // A long match is not looked through again for each of its tokens.
            if (found.same >= kLong) next = first_beyond(query, i, reach);
            for (std::size_t j = i; j < next; ++j) {
                const auto length = static_cast<std::int64_t>(reach - j);
                if (length <= lengths[j]) continue;
                lengths[j] = length;
                places[j] = static_cast<std::int64_t>(found.place + (j - i));
            }
            i = next;
        }
    }

    typename TypedSearch<Token>::Probe longest(const Token* query, std::size_t size) const {
        typename TypedSearch<Token>::Probe best;
        for (const auto& block : blocks_) {
            if (best.same == size && size > 0) break;
            if (const auto found = block.search(query, size); found.same > best.same) best = found;
        }
        return best;
    }

    /// The first token behind `i` whose match goes beyond `reach`, where that of `i` ends; `reach`
    /// where there is none. With each token such matches become no shorter, so that it is halved
    /// for, from the end on: there they are short.
    std::size_t first_beyond(const std::vector<Token>& query, std::size_t i,
                             std::size_t reach) const {
        if (reach == query.size()) return reach;
        const auto goes_beyond = [&](std::size_t from) {
            const std::size_t wanted = reach + 1 - from;
            return longest(query.data() + from, wanted).same == wanted;
        };
        std::size_t low = i, high = reach;  // the first does not, the last does
        if (!goes_beyond(high)) return reach;
        for (std::size_t step = 1; high - low > 1; step *= 2) {
            const std::size_t from = reach - low > step ? reach - step : low + 1;
            if (!goes_beyond(from)) {
                low = from;
                break;
            }
            high = from;
        }
        while (high - low > 1) {
            const std::size_t middle = low + (high - low) / 2;
            (goes_beyond(middle) ? high : low) = middle;
        }
        return high;
    }

    std::vector<TypedSearch<Token>> blocks_;
};

}  // namespace

NgramSearch::NgramSearch(const TokenLine& line, std::size_t start, std::size_t count,
                         const std::uint8_t* entries, const std::uint64_t* sums)
    : line_(line), start_(start), count_(count), entries_(entries), sums_(sums),
      checked_(new std::atomic<bool>[pages_of(count)]()) {
    if (line.width != 2 && line.width != 4)
        throw std::invalid_argument("a token has 2 or 4 bytes");
    if (start > line.size || count > line.size - start || count > kMostBlockTokens)
        throw std::invalid_argument("the block lies outside of the line");
}

std::size_t NgramSearch::entry(std::size_t rank) const {
    const std::size_t page = rank / kPageEntries, first = page * kPageEntries;
    if (!checked_[page].load(std::memory_order_relaxed)) {
        if (page_sum(entries_ + kEntryBytes * first, std::min(kPageEntries, count_ - first)) !=
            sums_[page])
            throw NgramDamage("page " + std::to_string(page) + " has another sum");
        checked_[page].store(true, std::memory_order_relaxed);
    }
    const std::uint8_t* const at = entries_ + kEntryBytes * rank;
    const std::size_t place = at[0] | at[1] << 8 | at[2] << 16;
    // Its sum may be right, of something else.
    if (place >= count_) throw NgramDamage("an entry leads out of its block");
    return place;
}

NgramSearch::Range NgramSearch::find(const NgramQuery& query) const {
    return line_.width == 2 ? TypedSearch<std::uint16_t>(*this).find(query)
                            : TypedSearch<std::uint32_t>(*this).find(query);
}

std::vector<std::int64_t> NgramSearch::places(Range range, std::size_t most) const {
    if (range.low > range.high || range.high > count_)
        throw std::invalid_argument("the ranks leave the block");
    std::vector<std::uint32_t> found(range.high - range.low);
    for (std::size_t i = 0; i < found.size(); ++i)
        found[i] = static_cast<std::uint32_t>(entry(range.low + i));
    if (most < found.size()) {
        std::nth_element(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(most),
                         found.end());
        found.resize(most);
    }
    std::sort(found.begin(), found.end());
    std::vector<std::int64_t> places(found.begin(), found.end());
    for (auto& place : places) place += static_cast<std::int64_t>(start_);
    return places;
}

void match_ngrams(const std::vector<const NgramSearch*>& blocks, const NgramQuery& query,
                  std::int64_t* lengths, std::int64_t* places) {
    if (blocks.empty()) return;
    const TokenLine& line = blocks[0]->line();
    for (const NgramSearch* block : blocks)
        if (block->line().tokens != line.tokens || block->line().width != line.width)
            throw std::invalid_argument("the blocks are not of one line");
    if (line.width == 2) Matcher<std::uint16_t>(blocks).match(query, line.end, lengths, places);
    else Matcher<std::uint32_t>(blocks).match(query, line.end, lengths, places);
}

}  // namespace corpuskit
