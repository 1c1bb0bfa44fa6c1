#include "bindings/bpe.hpp"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "bindings/convert.hpp"
#include "engine/bpe/count.hpp"
#include "engine/bpe/encode.hpp"
#include "engine/bpe/lines.hpp"
#include "engine/bpe/train.hpp"
#include "engine/text/wide.hpp"

namespace corpuskit::binding {

namespace {

nb::tuple train_bpe(const StringArrays& words, const Input<std::int64_t>& counts,
                    const Input<std::uint32_t>& byte_ids, std::uint32_t first_id,
                    std::uint32_t merges, std::int64_t min_count,
                    const std::vector<std::string>& forbidden, const nb::callable& told) {
    const Column word_column = column("words", words);
    if (counts.size() != word_column.size)
        throw nb::value_error("there are not as many counts as words");
    if (byte_ids.size() != 256) throw nb::value_error("byte_ids: one for each of 256 bytes");
    BpeSettings settings{{}, first_id, merges, min_count, {forbidden.begin(), forbidden.end()}};
    for (std::size_t byte = 0; byte < 256; ++byte) {
        settings.byte_ids[byte] = byte_ids.data()[byte];
        if (settings.byte_ids[byte] >= first_id)
            throw nb::value_error("byte_ids: each is below first_id");
    }
    BpeMerges found;
    {
        nb::gil_scoped_release release;
        found = corpuskit::train_bpe(word_column, counts.data(), settings, [&](std::size_t done) {
            nb::gil_scoped_acquire acquire;
            return nb::cast<bool>(told(done));
        });
    }
    const std::size_t n = found.ids.size();
    return nb::make_tuple(own<std::uint32_t>(std::move(found.left), n),
                          own<std::uint32_t>(std::move(found.right), n),
                          own<std::uint32_t>(std::move(found.ids), n),
                          own<std::int64_t>(std::move(found.counts), n));
}

nb::tuple take_counts(PretokenCounter& counter) {
    PretokenCounts found;
    {
        nb::gil_scoped_release release;
        found = counter.take();
    }
    const std::size_t n = found.counts.size();
    return nb::make_tuple(strings(std::move(found.words)),
                          own<std::int64_t>(std::move(found.counts), n));
}

void add_texts(PretokenCounter& counter, const StringArrays& texts) {
    const Column text_column = column("texts", texts);
    nb::gil_scoped_release release;
    counter.add(text_column);
}

/// Texts as Python holds them, to be read without its lock.
class PythonTexts {
  public:
    explicit PythonTexts(const nb::list& texts) : held_(texts) {
        wide_.reserve(held_.size());
        for (const nb::handle text : held_) {
            PyObject* object = text.ptr();
            if (!PyUnicode_Check(object))
                throw nb::type_error("a text is of another type than str");
#if PY_VERSION_HEX < 0x030C0000
            if (PyUnicode_READY(object) != 0) throw nb::python_error();
#endif
            const auto size = static_cast<std::size_t>(PyUnicode_GET_LENGTH(object));
            const int width =
                PyUnicode_IS_ASCII(object) ? 0 : static_cast<int>(PyUnicode_KIND(object));
            wide_.push_back({PyUnicode_DATA(object), size, width});
        }
    }

    /// Gives each text in UTF-8, as it is where it is ASCII.
    template <typename Take>
    void each(Take take) const {
        Utf8Writer writer;
        for (const WideText& text : wide_) {
            if (text.width > 0) take(writer.write(text));
            else take(std::string_view(static_cast<const char*>(text.points), text.size));
        }
    }

  private:
    nb::tuple held_;  // A list may be changed by others meanwhile.
    std::vector<WideText> wide_;
};

void add_strings(PretokenCounter& counter, const nb::list& texts) {
    const PythonTexts given(texts);
    nb::gil_scoped_release release;
    given.each([&](std::string_view text) { counter.add(text); });
}

void add_counted(PretokenCounter& counter, const StringArrays& words,
                 const Input<std::int64_t>& counts) {
    const Column word_column = column("words", words);
    if (counts.size() != word_column.size)
        throw nb::value_error("there are not as many counts as words");
    nb::gil_scoped_release release;
    counter.add_counted(word_column, counts.data());
}

void take_from(PretokenCounter& counter, PretokenCounter& other) {
    if (&counter == &other) throw nb::value_error("a counter cannot take from itself");
    nb::gil_scoped_release release;
    counter.take_from(other);
}

Cut cut_of(int pattern, int digits) {
    if (digits < 0 || digits > kMostDigits) throw nb::value_error("digits: is 0 to 3");
    return {choice<Pattern>("pattern", pattern, kPatterns), digits};
}

/// Ends of the pretokens of one text.
nb::object pretoken_ends(int pattern, const nb::bytes& text, int digits) {
    const Cut chosen = cut_of(pattern, digits);
    const std::string_view whole(text.c_str(), text.size());
    std::vector<std::int64_t> ends;
    std::array<std::size_t, 1024> some;
    for (std::size_t at = 0; at < whole.size(); at = static_cast<std::size_t>(ends.back())) {
        const std::size_t found =
            corpuskit::pretoken_ends(chosen, whole, at, some.data(), some.size());
        ends.insert(ends.end(), some.begin(), some.begin() + found);
    }
    const std::size_t n = ends.size();
    return nb::cast(own<std::int64_t>(std::move(ends), n));
}

void make_encoder(BpeEncoder* encoder, int pattern, int digits,
                  const Input<std::uint32_t>& byte_ids, const Input<std::uint32_t>& left,
                  const Input<std::uint32_t>& right, const Input<std::uint32_t>& ids,
                  const StringArrays& whole, const Input<std::uint32_t>& whole_ids) {
    if (byte_ids.size() != 256) throw nb::value_error("byte_ids: one for each of 256 bytes");
    const auto copy = [](const Input<std::uint32_t>& array) {
        return std::vector<std::uint32_t>(array.data(), array.data() + array.size());
    };
    const Column whole_column = column("whole", whole);
    check_column(whole_column);
    BpeModel model{{}, copy(left), copy(right), copy(ids), {}, copy(whole_ids)};
    std::copy_n(byte_ids.data(), 256, model.byte_ids.begin());
    for (std::size_t i = 0; i < whole_column.size; ++i) model.whole.add(whole_column[i]);
    new (encoder) BpeEncoder(cut_of(pattern, digits), model);
}

nb::tuple encoded(Encoded&& found) {
    const auto free = [](void* p) noexcept { delete[] static_cast<std::uint32_t*>(p); };
    nb::capsule owner(found.ids.get(), free);
    nb::ndarray<nb::numpy, std::uint32_t> ids(found.ids.release(), {found.size}, owner);
    const std::size_t n = found.ends.size();
    return nb::make_tuple(ids, own<std::int64_t>(std::move(found.ends), n));
}

nb::tuple encode_texts(const BpeEncoder& encoder, const StringArrays& texts) {
    const Column text_column = column("texts", texts);
    Encoded found;
    {
        nb::gil_scoped_release release;
        found = encoder.encode(text_column);
    }
    return encoded(std::move(found));
}

nb::tuple encode_strings(const BpeEncoder& encoder, const nb::list& texts) {
    const PythonTexts given(texts);
    Encoded found;
    {
        nb::gil_scoped_release release;
        Strings copied;
        given.each([&](std::string_view text) { copied.add(text); });
        found = encoder.encode(copied.column());
    }
    return encoded(std::move(found));
}

Sequences sequences_of(const Input<std::uint32_t>& ids, const Input<std::int64_t>& ends) {
    return {ids.data(), ids.size(), ends.data(), ends.size()};
}

template <typename Token>
nb::object token_line(const Input<std::uint32_t>& ids, const Input<std::int64_t>& ends,
                      Token end_of_text) {
    const std::size_t n = ids.size() + ends.size();
    std::unique_ptr<Token[]> line(new Token[n]);  // Not filled beforehand, as a vector would be.
    {
        nb::gil_scoped_release release;
        corpuskit::token_line(sequences_of(ids, ends), end_of_text, line.get());
    }
    nb::capsule owner(line.get(), [](void* p) noexcept { delete[] static_cast<Token*>(p); });
    return nb::cast(nb::ndarray<nb::numpy, Token>(line.release(), {n}, owner));
}

nb::object token_line_of(const Input<std::uint32_t>& ids, const Input<std::int64_t>& ends,
                         std::uint32_t end_of_text, bool wide) {
    const std::uint32_t limit = wide ? std::numeric_limits<std::int32_t>::max()
                                     : std::numeric_limits<std::uint16_t>::max();
    if (end_of_text > limit) throw nb::value_error("end_of_text: the tokens cannot hold it");
    return wide ? token_line(ids, ends, static_cast<std::int32_t>(end_of_text))
                : token_line(ids, ends, static_cast<std::uint16_t>(end_of_text));
}

template <typename Length>
nb::object sequence_bytes(const Input<std::uint32_t>& ids, const Input<std::int64_t>& ends,
                          const Input<Length>& lengths) {
    std::vector<std::int64_t> sizes(ends.size() + 1);
    {
        nb::gil_scoped_release release;
        corpuskit::sequence_bytes(sequences_of(ids, ends), lengths.data(), lengths.size(),
                                  sizes.data());
    }
    const std::size_t n = sizes.size();
    return nb::cast(own<std::int64_t>(std::move(sizes), n));
}

nb::bytes joined_tokens(const StringArrays& tokens, const Input<std::uint32_t>& ids) {
    const std::string joined =
        corpuskit::joined_tokens(column("tokens", tokens), ids.data(), ids.size());
    return nb::bytes(joined.data(), joined.size());
}

}  // namespace

void bind_bpe(nb::module_& module) {
    nb::class_<PretokenCounter>(module, "PretokenCounter")
        .def("__init__",
             [](PretokenCounter* counter, int pattern, int digits) {
                 new (counter) PretokenCounter(cut_of(pattern, digits));
             },
             nb::arg("pattern"), nb::arg("digits") = 0)
        .def("add", &add_texts, nb::arg("texts"))
        .def("add_strings", &add_strings, nb::arg("texts"))
        .def("add_counted", &add_counted, nb::arg("words"), nb::arg("counts"))
        .def("take", &take_counts)
        .def("take_from", &take_from, nb::arg("other"))
        .def_prop_ro("size", &PretokenCounter::size)
        .def_prop_ro("bytes", &PretokenCounter::bytes);
    nb::class_<BpeEncoder>(module, "BpeEncoder")
        .def("__init__", &make_encoder, nb::arg("pattern"), nb::arg("digits"), nb::arg("byte_ids"),
             nb::arg("left"), nb::arg("right"), nb::arg("ids"), nb::arg("whole"),
             nb::arg("whole_ids"))
        .def("encode", &encode_texts, nb::arg("texts"))
        .def("encode_strings", &encode_strings, nb::arg("texts"));
    module.def("pretoken_ends", &pretoken_ends, nb::arg("pattern"), nb::arg("text"),
               nb::arg("digits") = 0);
    module.def("token_line", &token_line_of, nb::arg("ids"), nb::arg("ends"),
               nb::arg("end_of_text"), nb::arg("wide"));
    module.def("sequence_bytes", &sequence_bytes<std::uint8_t>, nb::arg("ids"), nb::arg("ends"),
               nb::arg("lengths").noconvert());
    module.def("sequence_bytes", &sequence_bytes<std::uint32_t>, nb::arg("ids"), nb::arg("ends"),
               nb::arg("lengths").noconvert());
    module.def("joined_tokens", &joined_tokens, nb::arg("tokens"), nb::arg("ids"));
    module.def("give_memory_back", &give_memory_back);
    module.def("pretoken_unicode", [] {
        const std::string_view version = pretoken_unicode();
        return nb::str(version.data(), version.size());
    });
    module.def("train_bpe", &train_bpe, nb::arg("words"), nb::arg("counts"), nb::arg("byte_ids"),
               nb::arg("first_id"), nb::arg("merges"), nb::arg("min_count"), nb::arg("forbidden"),
               nb::arg("told"));
}

}  // namespace corpuskit::binding
