#include "bindings/quality.hpp"

#include <vector>

#include "bindings/convert.hpp"
#include "engine/quality/statistics.hpp"

namespace corpuskit::binding {

namespace {

nb::object text_statistics(const StringArrays& texts, bool white_space, bool datatrove) {
    const Column texts_column = column("texts", texts);
    std::vector<std::int64_t> rows;
    {
        nb::gil_scoped_release release;
        rows = quality::text_statistics(
            texts_column,
            white_space ? quality::Splitter::kWhiteSpace : quality::Splitter::kUnicode,
            datatrove ? quality::Variant::kDatatrove : quality::Variant::kOurs);
    }
    return nb::cast(own<std::int64_t>(std::move(rows), texts_column.size, quality::kFigures));
}

nb::object count_words(const StringArrays& texts) {
    const Column texts_column = column("texts", texts);
    std::vector<std::int64_t> counts;
    {
        nb::gil_scoped_release release;
        counts = quality::count_words(texts_column);
    }
    return nb::cast(own<std::int64_t>(std::move(counts), texts_column.size));
}

}  // namespace

void bind_quality(nb::module_& module) {
    module.def("text_statistics", &text_statistics, nb::arg("texts"), nb::arg("white_space"),
               nb::arg("datatrove"));
    module.def("count_words", &count_words, nb::arg("texts"));
}

}  // namespace corpuskit::binding
