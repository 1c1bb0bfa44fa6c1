#include "bindings/dedup.hpp"

#include <algorithm>
#include <stdexcept>

#include "bindings/convert.hpp"
#include "engine/dedup/minhash.hpp"
#include "engine/dedup/shingles.hpp"
#include "engine/dedup/similar.hpp"
#include "engine/text/nfc.hpp"

namespace corpuskit::binding {

namespace {

using Output = nb::ndarray<std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

void check(bool holds, const char* message) {
    if (!holds) throw std::invalid_argument(message);
}

/// Of each text whether it is in NFC for certain.
auto surely_in_nfc(const StringArrays& texts) {
    const Column texts_column = column("texts", texts);
    std::vector<std::uint8_t> found(texts_column.size);
    {
        nb::gil_scoped_release release;
        check_column(texts_column);
        for (std::size_t i = 0; i < found.size(); ++i) found[i] = surely_nfc(texts_column[i]);
    }
    const std::size_t rows = found.size();
    return own<bool>(std::move(found), rows);
}

/// Signatures (texts, 128), whether each text has one (texts,), digests (texts, 2).
nb::tuple minhash(const StringArrays& texts, std::size_t ngram, const Input<std::uint32_t>& a,
                  const Input<std::uint32_t>& b, int lanes) {
    const Column texts_column = column("texts", texts);
    check(ngram > 0, "ngram must be at least 1");
    check(a.size() == kPermutations && b.size() == kPermutations, "a and b must be 128 numbers");
    check(lanes >= -1 && lanes <= 2, "lanes must be -1 to 2");
    Signatures made;
    {
        nb::gil_scoped_release release;
        check_column(texts_column);
        Permutations permutations;
        std::copy_n(a.data(), kPermutations, permutations.a);
        std::copy_n(b.data(), kPermutations, permutations.b);
        made = signatures(texts_column, ngram, permutations,
                          lanes < 0 ? widest_lanes() : static_cast<Lanes>(lanes));
    }
    const std::size_t rows = made.there.size();
    return nb::make_tuple(own<std::uint32_t>(std::move(made.values), rows, kPermutations),
                          own<bool>(std::move(made.there), rows),
                          own<std::uint64_t>(std::move(made.digests), rows, 2));
}

auto hash_bands(const Input<std::uint32_t>& signatures, std::size_t bands, std::size_t rows) {
    check(signatures.size() % kPermutations == 0, "signatures must be 128 numbers each");
    check(bands > 0 && rows > 0 && rows <= kPermutations && bands <= kPermutations / rows,
          "bands and rows must be at least 1 and no more than 128 together");
    std::vector<std::uint64_t> keys;
    const std::size_t count = signatures.size() / kPermutations;
    {
        nb::gil_scoped_release release;
        keys = band_keys(signatures.data(), count, bands, rows);
    }
    return own<std::uint64_t>(std::move(keys), count, bands);
}

/// Where each set ends (texts + 1,), and the hashes.
nb::tuple hash_shingles(const StringArrays& texts, std::size_t ngram) {
    const Column texts_column = column("texts", texts);
    check(ngram > 0, "ngram must be at least 1");
    ShingleSets sets;
    {
        nb::gil_scoped_release release;
        check_column(texts_column);
        sets = shingle_sets(texts_column, ngram);
    }
    const std::size_t rows = sets.ends.size(), count = sets.hashes.size();
    return nb::make_tuple(own<std::int64_t>(std::move(sets.ends), rows),
                          own<std::uint64_t>(std::move(sets.hashes), count));
}

void join_candidates(Output parents, const Input<std::uint64_t>& keys,
                     const Input<std::int64_t>& values) {
    check(keys.size() == values.size(), "there must be as many values as keys");
    const auto known = static_cast<std::int64_t>(parents.size());
    nb::gil_scoped_release release;
    for (std::size_t i = 0; i < values.size(); ++i)
        check(values.data()[i] >= 0 && values.data()[i] < known, "values must number the parents");
    join_groups(parents.data(), keys.data(), values.data(), keys.size());
}

void flatten_parents(Output parents) {
    const auto known = static_cast<std::int64_t>(parents.size());
    nb::gil_scoped_release release;
    for (std::size_t i = 0; i < parents.size(); ++i)
        check(parents.data()[i] < known, "parents must number each other");
    flatten(parents.data(), parents.size());
}

/// The first kept one that each set resembles, what they have in common, and the first that hangs
/// together with it.
nb::tuple keep_unlike_sets(const Input<std::int64_t>& components, const Input<std::int64_t>& starts,
                           const Input<std::int64_t>& counts, const Input<std::uint8_t>& pinned,
                           const Input<std::uint64_t>& hashes, std::uint64_t over,
                           std::uint64_t under, std::size_t budget) {
    const std::size_t rows = components.size();
    check(starts.size() == rows && counts.size() == rows && pinned.size() == rows,
          "there must be as many starts, counts and pinned as components");
    check(over > 0 && over <= under && under <= 1'000'000'000,
          "the threshold must be above 0 and at most 1, of at most 10^9 parts");
    Kept kept;
    {
        nb::gil_scoped_release release;
        const auto most = static_cast<std::int64_t>(hashes.size());
        for (std::size_t i = 0; i < rows; ++i)
            check(starts.data()[i] >= 0 && starts.data()[i] <= most && counts.data()[i] >= 0 &&
                      counts.data()[i] <= most - starts.data()[i],
                  "sets must lie within the hashes");
        kept = keep_unlike({starts.data(), counts.data(), rows, hashes.data()}, components.data(),
                           pinned.data(), {over, under}, budget);
    }
    return nb::make_tuple(own<std::int64_t>(std::move(kept.first), rows),
                          own<std::int64_t>(std::move(kept.common), rows),
                          own<std::int64_t>(std::move(kept.cluster), rows));
}

}  // namespace

void bind_dedup(nb::module_& module) {
    module.def("surely_in_nfc", &surely_in_nfc, nb::arg("texts"));
    module.def("minhash", &minhash, nb::arg("texts"), nb::arg("ngram"), nb::arg("a"), nb::arg("b"),
               nb::arg("lanes") = -1);
    module.def("hash_bands", &hash_bands, nb::arg("signatures"), nb::arg("bands"), nb::arg("rows"));
    module.def("hash_shingles", &hash_shingles, nb::arg("texts"), nb::arg("ngram"));
    module.def("join_candidates", &join_candidates, nb::arg("parents"), nb::arg("keys"),
               nb::arg("values"));
    module.def("flatten_parents", &flatten_parents, nb::arg("parents"));
    module.def("keep_unlike", &keep_unlike_sets, nb::arg("components"), nb::arg("starts"),
               nb::arg("counts"), nb::arg("pinned"), nb::arg("hashes"), nb::arg("over"),
               nb::arg("under"), nb::arg("budget"));
}

}  // namespace corpuskit::binding
