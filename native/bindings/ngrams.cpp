#include "bindings/ngrams.hpp"

#include <nanobind/stl/pair.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <limits>
#include <utility>
#include <variant>
#include <vector>

#include "bindings/convert.hpp"
#include "engine/ngrams/block.hpp"
#include "engine/ngrams/search.hpp"

namespace corpuskit::binding {

namespace {

/// A token line as it lies in a shard.
using Tokens = std::variant<Input<std::uint16_t>, Input<std::int32_t>>;

TokenLine line_of(const Tokens& tokens, std::uint32_t end) {
    return std::visit(
        [&](const auto& array) {
            return TokenLine{array.data(), array.size(), static_cast<int>(sizeof *array.data()),
                             end};
        },
        tokens);
}

nb::tuple build_block(const Tokens& tokens, std::uint32_t end, std::size_t start,
                      std::size_t count) {
    NgramBlock built;
    {
        nb::gil_scoped_release release;
        built = build_ngram_block(line_of(tokens, end), start, count);
    }
    const std::size_t bytes = built.entries.size(), pages = built.sums.size();
    return nb::make_tuple(own<std::uint8_t>(std::move(built.entries), bytes),
                          own<std::uint64_t>(std::move(built.sums), pages));
}

NgramQuery query_of(const Input<std::int64_t>& ids) {
    // No token is so great.
    constexpr std::int64_t kNone = std::numeric_limits<std::uint32_t>::max();
    NgramQuery query;
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const std::int64_t id = ids.data()[i];
        query.push_back(static_cast<std::uint32_t>(id < 0 || id > kNone ? kNone : id));
    }
    return query;
}

/// A search with the arrays that it reads.
class Block {
  public:
    Block(Tokens tokens, std::uint32_t end, std::size_t start, std::size_t count,
          Input<std::uint8_t> entries, Input<std::uint64_t> sums)
        : tokens_(std::move(tokens)), entries_(std::move(entries)), sums_(std::move(sums)),
          search_(line_of(tokens_, end), start, count, entries_.data(), sums_.data()) {
        if (entries_.size() != kEntryBytes * count || sums_.size() != pages_of(count))
            throw nb::value_error("entries and sums are not those of so many tokens");
    }

    std::pair<std::size_t, std::size_t> find(const Input<std::int64_t>& ids) const {
        const NgramQuery query = query_of(ids);
        nb::gil_scoped_release release;
        const auto [low, high] = search_.find(query);
        return {low, high};
    }
    auto places(std::size_t low, std::size_t high, std::size_t most) const {
        std::vector<std::int64_t> found;
        {
            nb::gil_scoped_release release;
            found = search_.places({low, high}, most);
        }
        const std::size_t n = found.size();
        return own<std::int64_t>(std::move(found), n);
    }
    const NgramSearch* search() const { return &search_; }

  private:
    Tokens tokens_;
    Input<std::uint8_t> entries_;
    Input<std::uint64_t> sums_;
    NgramSearch search_;
};

nb::tuple match_ngrams(const std::vector<const Block*>& blocks, const Input<std::int64_t>& ids) {
    const NgramQuery query = query_of(ids);
    const std::size_t n = query.size();
    std::vector<const NgramSearch*> searches;
    for (const Block* block : blocks) searches.push_back(block->search());
    std::vector<std::int64_t> lengths(n), places(n, -1);
    {
        nb::gil_scoped_release release;
        corpuskit::match_ngrams(searches, query, lengths.data(), places.data());
    }
    return nb::make_tuple(own<std::int64_t>(std::move(lengths), n),
                          own<std::int64_t>(std::move(places), n));
}

}  // namespace

void bind_ngrams(nb::module_& module) {
    nb::exception<NgramDamage>(module, "NgramDamageError", PyExc_ValueError);
    module.attr("NGRAM_BLOCK_TOKENS") = kMostBlockTokens;
    module.def("build_ngram_block", &build_block, nb::arg("tokens"), nb::arg("end"),
               nb::arg("start"), nb::arg("count"));
    nb::class_<Block>(module, "NgramBlock")
        .def(nb::init<Tokens, std::uint32_t, std::size_t, std::size_t, Input<std::uint8_t>,
                      Input<std::uint64_t>>(),
             nb::arg("tokens"), nb::arg("end"), nb::arg("start"), nb::arg("count"),
             nb::arg("entries"), nb::arg("sums"))
        .def("find", &Block::find, nb::arg("query"))
        .def("places", &Block::places, nb::arg("low"), nb::arg("high"), nb::arg("most"));
    module.def("match_ngrams", &match_ngrams, nb::arg("blocks"), nb::arg("query"));
}

}  // namespace corpuskit::binding
