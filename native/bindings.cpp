// The Python face of the native engine. It only converts: arrays in, arrays out, no work of its
// own.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "bindings/convert.hpp"
#include "bindings/bpe.hpp"
#include "bindings/dedup.hpp"
#include "bindings/ngrams.hpp"
#include "bindings/gutenberg.hpp"
#include "bindings/normalize.hpp"
#include "bindings/quality.hpp"
#include "bindings/text.hpp"
#include "engine/bzip2/blocks.hpp"
#include "engine/mediawiki/page_xml.hpp"
#include "engine/wikitext/parse/wikitext.hpp"
#include "engine/wikitext/expand/expand.hpp"
#include "engine/wikitext/audit/loss.hpp"
#include "engine/wikitext/templates/templates.hpp"

namespace nb = nanobind;

namespace {

using namespace corpuskit::binding;

using Budget =
    std::tuple<std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint32_t>;

template <typename Bounds>
Bounds bounds(const Budget& budget) {
    return std::apply([](auto... each) { return Bounds{each...}; }, budget);
}

nb::dict extract_wikitext(const StringArrays& pages, const StringArrays& titles,
                          const corpuskit::WikitextOptions& options) {
    const auto page_column = column("pages", pages), title_column = column("titles", titles);
    const std::size_t n = page_column.size;
    corpuskit::WikitextBatch batch;
    {
        nb::gil_scoped_release release;
        batch = corpuskit::extract_wikitext(page_column, title_column, options);
    }
    nb::dict result;
    result["texts"] = strings(std::move(batch.texts));
    result["status"] = own<std::int32_t>(std::move(batch.status), n);
    result["counters"] = own<std::int64_t>(std::move(batch.counters), n,
                                           corpuskit::kWikitextCounters);
    result["flags"] = own<std::uint32_t>(std::move(batch.flags), n);
    result["category_ends"] = own<std::int64_t>(std::move(batch.category_ends), n + 1);
    result["categories"] = strings(std::move(batch.categories));
    result["table_bytes"] = batch.table_bytes;
    return result;
}

nb::tuple expand_wikitext(const StringArrays& pages, const StringArrays& titles,
                          corpuskit::TemplateStore& store,
                          const corpuskit::WikitextOptions& options, const Budget& budget) {
    const auto page_column = column("pages", pages), title_column = column("titles", titles);
    corpuskit::ExpandBatch batch;
    {
        nb::gil_scoped_release release;
        batch = corpuskit::expand_wikitext(page_column, title_column, store, options,
                                           bounds<corpuskit::ExpandBudget>(budget));
    }
    return nb::make_tuple(
        strings(std::move(batch.texts)),
        own<std::int64_t>(std::move(batch.counters), page_column.size, corpuskit::kExpandCounters),
        batch.table_bytes);
}

nb::dict measure_loss(const StringArrays& pages, const StringArrays& texts,
                      const corpuskit::WikitextOptions& options) {
    const auto page_column = column("pages", pages), text_column = column("texts", texts);
    corpuskit::LossBatch batch;
    {
        nb::gil_scoped_release release;
        batch = corpuskit::measure_loss(page_column, text_column, options);
    }
    auto& table = batch.table;
    const std::size_t rows = table.kinds.size();
    nb::dict result;
    result["columns"] = own<std::int64_t>(std::move(batch.columns), page_column.size,
                                          corpuskit::kLossColumns);
    result["kinds"] = own<std::int32_t>(std::move(table.kinds), rows);
    result["names"] = strings(std::move(table.names));
    result["uses"] = own<std::int64_t>(std::move(table.uses), rows);
    result["words"] = own<std::int64_t>(std::move(table.words), rows);
    result["lost"] = own<std::int64_t>(std::move(table.lost), rows);
    result["pages"] = own<std::int64_t>(std::move(table.pages), rows);
    result["examples"] = strings(std::move(table.examples));
    result["table_bytes"] = batch.table_bytes;
    return result;
}

/// The settings of the extractor, one attribute each; choices are numbers in the order of their
/// names in Python.
void bind_options(nb::module_& module) {
    using corpuskit::WikitextOptions;
    nb::class_<WikitextOptions>(module, "WikitextOptions")
        .def(nb::init<>())
        .def_rw("file_prefixes", &WikitextOptions::file_prefixes)
        .def_rw("category_prefixes", &WikitextOptions::category_prefixes)
        .def_rw("language", &WikitextOptions::language)
        .def_rw("templates", &WikitextOptions::templates)
        .def_prop_rw(
            "output", [](const WikitextOptions& o) { return static_cast<int>(o.output); },
            [](WikitextOptions& o, int v) {
                o.output = choice<corpuskit::WikitextOutput>("output", v, 2);
            })
        .def_prop_rw(
            "tables", [](const WikitextOptions& o) { return static_cast<int>(o.tables); },
            [](WikitextOptions& o, int v) {
                o.tables = choice<corpuskit::WikitextTables>("tables", v, 3);
            })
        .def_rw("infobox", &WikitextOptions::infobox)
        .def_rw("captions", &WikitextOptions::captions)
        .def_rw("hatnotes", &WikitextOptions::hatnotes)
        .def_rw("drop_sections", &WikitextOptions::drop_sections)
        .def_rw("template_classes", &WikitextOptions::template_classes)
        .def_prop_rw(
            "budget",
            [](const WikitextOptions& o) {
                const auto& b = o.budget;
                return std::make_tuple(b.steps_base, b.steps_per_byte, b.output_base,
                                       b.output_per_byte, b.nesting);
            },
            [](WikitextOptions& o, const Budget& b) {
                o.budget = bounds<corpuskit::WikitextBudget>(b);
            });
}

/// Reads data files of templates, (kind, name, text) each. What is wrong with one is a ValueError
/// whose arguments are the file's name, the line and a sentence.
std::shared_ptr<const corpuskit::TemplateTable> read_templates(
    const std::string& language,
    const std::vector<std::tuple<std::string, std::string, std::string>>& files) {
    std::vector<corpuskit::TemplateFile> read;
    for (const auto& [kind, name, text] : files) read.push_back({kind, name, text});
    try {
        return corpuskit::read_templates(language, read);
    } catch (const corpuskit::TemplateFileError& error) {
        const nb::tuple arguments = nb::make_tuple(error.file(), error.line(), error.what());
        PyErr_SetObject(PyExc_ValueError, arguments.ptr());
        throw nb::python_error();
    }
}

std::int64_t find_bz2_block(nb::bytes data, std::uint64_t from) {
    nb::gil_scoped_release release;
    return corpuskit::find_bz2_block(static_cast<const std::uint8_t*>(data.data()), data.size(),
                                     from);
}

nb::dict decode_bz2(corpuskit::Bz2Decoder& decoder, nb::bytes data, std::uint64_t from,
                    std::uint64_t until, bool in_stream, std::size_t blocks) {
    corpuskit::Bz2Run run;
    {
        nb::gil_scoped_release release;
        const auto* bytes = static_cast<const std::uint8_t*>(data.data());
        run = decoder.decode(bytes, data.size(), from, until, in_stream, blocks);
    }
    nb::dict result;
    result["starts"] = run.starts;
    result["sizes"] = run.sizes;
    result["reached"] = run.reached;
    result["next"] = run.next;
    result["in_stream"] = run.in_stream;
    result["stop"] = static_cast<int>(run.stop);
    result["error"] = run.error;
    const std::size_t size = run.bytes.size();
    result["bytes"] = own<std::uint8_t>(std::move(run.bytes), size);
    return result;
}

nb::tuple find_page_tag(nb::bytearray xml, std::size_t from) {
    const corpuskit::PageTag tag = corpuskit::find_page_tag({xml.c_str(), xml.size()}, from);
    return nb::make_tuple(tag.at == std::string_view::npos ? -1 : static_cast<std::int64_t>(tag.at),
                          tag.closes);
}

nb::list read_page_xml(nb::bytes xml) {
    const std::string_view data(xml.c_str(), xml.size());
    const corpuskit::PageFields fields = corpuskit::read_page_xml(data);
    nb::list result;
    for (std::size_t i = 0; i < fields.names.size(); ++i)
        result.append(nb::make_tuple(static_cast<int>(fields.names[i]),
                                     nb::bytes(fields.values[i].data(), fields.values[i].size())));
    return result;
}

}  // namespace

NB_MODULE(_native, module) {
    // Tables that Python caches live until the process ends; nanobind would call that a leak.
    nb::set_leak_warnings(false);
    module.doc() = "The native engine of corpuskit; _native.pyi tells what each part does.";
    nb::class_<corpuskit::TemplateTable>(module, "TemplateTable")
        .def("how", &corpuskit::TemplateTable::how, nb::arg("name"));
    module.def("read_templates", &read_templates, nb::arg("language"), nb::arg("files"));
    bind_options(module);
    bind_dedup(module);
    bind_ngrams(module);
    bind_normalize(module);
    bind_quality(module);
    bind_text(module);
    bind_bpe(module);
    bind_gutenberg(module);
    module.def("extract_wikitext", &extract_wikitext, nb::arg("pages"), nb::arg("titles"),
               nb::arg("options"));
    module.def("find_bz2_block", &find_bz2_block, nb::arg("data"), nb::arg("start"));
    nb::class_<corpuskit::Bz2Decoder>(module, "Bz2Decoder")
        .def(nb::init<>())
        .def("decode", &decode_bz2, nb::arg("data"), nb::arg("start"), nb::arg("until"),
             nb::arg("in_stream"), nb::arg("blocks"));
    module.def("find_page_tag", &find_page_tag, nb::arg("xml"), nb::arg("start"));
    module.def("read_page_xml", &read_page_xml, nb::arg("xml"));
    nb::class_<corpuskit::TemplateStore>(module, "TemplateStore")
        .def(nb::init<const std::vector<std::string>&>(), nb::arg("prefixes"))
        .def("add", &corpuskit::TemplateStore::add)
        .def("add_redirect", &corpuskit::TemplateStore::add_redirect)
        .def_prop_ro("size", &corpuskit::TemplateStore::size)
        .def_prop_ro("bytes", &corpuskit::TemplateStore::bytes);
    module.def("expand_wikitext", &expand_wikitext, nb::arg("pages"), nb::arg("titles"),
               nb::arg("store"), nb::arg("options"), nb::arg("budget"));
    module.def("measure_loss", &measure_loss, nb::arg("pages"), nb::arg("texts"),
               nb::arg("options"));
}
