#include "bindings/text.hpp"

#include <string>
#include <vector>

#include "bindings/convert.hpp"
#include "engine/text/segment.hpp"

namespace corpuskit::binding {

namespace {

/// The words of all texts: ends of texts in words, spans in bytes of each text, folded forms.
nb::tuple fold_words(const StringArrays& texts) {
    const Column texts_column = column("texts", texts);
    std::vector<std::int64_t> ends{0}, spans;
    Strings folded;
    {
        nb::gil_scoped_release release;
        check_column(texts_column);
        Words words;
        for (std::size_t i = 0; i < texts_column.size; ++i) {
            find_words(texts_column[i], words);
            for (std::size_t w = 0; w < words.size(); ++w) {
                spans.push_back(static_cast<std::int64_t>(words.begin[w]));
                spans.push_back(static_cast<std::int64_t>(words.end[w]));
                folded.add(words.word(w));
            }
            ends.push_back(static_cast<std::int64_t>(spans.size() / 2));
        }
    }
    const std::size_t rows = ends.size(), count = spans.size() / 2;
    return nb::make_tuple(own<std::int64_t>(std::move(ends), rows),
                          own<std::int64_t>(std::move(spans), count, 2),
                          strings(std::move(folded)));
}

}  // namespace

void bind_text(nb::module_& module) {
    module.def("fold_words", &fold_words, nb::arg("texts"));
}

}  // namespace corpuskit::binding
