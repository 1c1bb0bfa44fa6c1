#include "bindings/normalize.hpp"

#include <tuple>
#include <vector>

#include "bindings/convert.hpp"
#include "engine/normalize/hidden.hpp"
#include "engine/normalize/repair.hpp"
#include "engine/normalize/whitespace.hpp"

namespace corpuskit::binding {

namespace {

/// The steps that are on, in the order of `RepairOptions`.
using Steps = std::tuple<bool, bool, bool, bool, bool>;

nb::tuple find_repairs(const StringArrays& texts, const Input<std::uint8_t>& entities,
                       const Steps& steps, int form) {
    const Column texts_column = column("texts", texts);
    if (entities.size() != texts_column.size)
        throw nb::value_error("entities: there must be one for each text");
    for (std::size_t i = 0; i < entities.size(); ++i)
        if (entities.data()[i] > 2) throw nb::value_error("entities: each is 0, 1 or 2");
    if (form < 0 || form > 2) throw nb::value_error("form: 0, 1 or 2");
    RepairOptions options;
    std::tie(options.encoding, options.ligatures, options.width, options.quotes, options.control) =
        steps;
    options.form = static_cast<RepairForm>(form);
    RepairBatch batch;
    std::vector<std::int64_t> spans;
    {
        nb::gil_scoped_release release;
        batch = corpuskit::find_repairs(texts_column, entities.data(), options);
        for (const RepairSpan& span : batch.spans)
            spans.insert(spans.end(), {span.row, span.begin, span.end, span.entities});
    }
    const std::size_t rows = batch.status.size(), count = batch.spans.size();
    return nb::make_tuple(own<std::uint8_t>(std::move(batch.status), rows),
                          own<std::int64_t>(std::move(spans), count, 4),
                          batch.changed ? strings(std::move(batch.texts)) : nb::none());
}

nb::tuple tidy_whitespace(const StringArrays& texts) {
    const Column texts_column = column("texts", texts);
    TidyBatch batch;
    {
        nb::gil_scoped_release release;
        batch = corpuskit::tidy_whitespace(texts_column);
    }
    const std::size_t rows = batch.status.size();
    return nb::make_tuple(own<std::uint8_t>(std::move(batch.status), rows),
                          batch.changed ? strings(std::move(batch.texts)) : nb::none());
}

auto may_hide(const StringArrays& texts) {
    const Column texts_column = column("texts", texts);
    std::vector<std::uint8_t> found(texts_column.size);
    {
        nb::gil_scoped_release release;
        check_column(texts_column);
        for (std::size_t i = 0; i < found.size(); ++i)
            found[i] = corpuskit::may_hide(texts_column[i]);
    }
    const std::size_t rows = found.size();
    return own<bool>(std::move(found), rows);
}

}  // namespace

void bind_normalize(nb::module_& module) {
    module.def("repair_rules", &repair_rules);
    module.def("find_repairs", &find_repairs, nb::arg("texts"), nb::arg("entities"),
               nb::arg("steps"), nb::arg("form"));
    module.def("may_hide", &may_hide, nb::arg("texts"));
    module.def("tidy_whitespace", &tidy_whitespace, nb::arg("texts"));
}

}  // namespace corpuskit::binding
