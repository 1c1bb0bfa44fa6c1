// The Python face of the native engine. It only converts: arrays in, arrays out, no work of its own.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <utility>

#include "engine/wikitext.hpp"

namespace nb = nanobind;

namespace {

template <typename T>
using Input = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

/// Hands a container over to Python as an array that owns it.
template <typename T, typename Container, typename... Shape>
nb::ndarray<nb::numpy, T> own(Container&& values, Shape... shape) {
    auto* kept = new Container(std::forward<Container>(values));
    nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<Container*>(p); });
    return nb::ndarray<nb::numpy, T>(reinterpret_cast<T*>(kept->data()), {static_cast<std::size_t>(shape)...}, owner);
}

nb::tuple extract_wikitext(Input<std::int64_t> offsets, Input<std::uint8_t> bytes,
                           std::vector<std::string> file_prefixes, std::vector<std::string> category_prefixes,
                           std::string language, std::uint64_t steps_base, std::uint64_t steps_per_byte,
                           std::uint64_t output_base, std::uint64_t output_per_byte, std::uint32_t nesting) {
    if (offsets.size() == 0) throw nb::value_error("offsets: empty; it holds one entry more than there are pages");
    const corpuskit::WikitextOptions options{
        std::move(file_prefixes),
        std::move(category_prefixes),
        std::move(language),
        {steps_base, steps_per_byte, output_base, output_per_byte, nesting},
    };
    const std::size_t n = offsets.size() - 1;
    corpuskit::WikitextBatch batch;
    {
        nb::gil_scoped_release release;
        batch = corpuskit::extract_wikitext(offsets.data(), n, reinterpret_cast<const char*>(bytes.data()),
                                            bytes.size(), options);
    }
    const std::size_t size = batch.bytes.size();
    return nb::make_tuple(own<std::int64_t>(std::move(batch.offsets), n + 1),
                          own<std::uint8_t>(std::move(batch.bytes), size),
                          own<std::int32_t>(std::move(batch.status), n),
                          own<std::int64_t>(std::move(batch.counters), n, corpuskit::kWikitextCounters));
}

}  // namespace

NB_MODULE(_native, module) {
    module.doc() = "The native engine of corpuskit; see native/ in the sources.";
    module.def("extract_wikitext", &extract_wikitext, nb::arg("offsets"), nb::arg("bytes"), nb::kw_only(),
               nb::arg("file_prefixes"), nb::arg("category_prefixes"), nb::arg("language"), nb::arg("steps_base"),
               nb::arg("steps_per_byte"), nb::arg("output_base"), nb::arg("output_per_byte"), nb::arg("nesting"),
               "Extract plain text from a batch of pages; see corpuskit/ingest/wikitext.py for the meaning.");
}
