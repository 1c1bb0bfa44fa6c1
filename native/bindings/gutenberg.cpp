#include "bindings/gutenberg.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings/convert.hpp"
#include "engine/gutenberg/book.hpp"
#include "engine/gutenberg/lanes.hpp"
#include "engine/gutenberg/stems.hpp"
#include "engine/gutenberg/words.hpp"

namespace corpuskit::binding {

namespace {

using namespace corpuskit::gutenberg;

/// What this Python's own str methods say, so that both sides read the same Unicode.
const std::uint8_t* python_signs() {
    static const std::vector<std::uint8_t> table = [] {
        std::vector<std::uint8_t> signs(kCodePoints);
        for (Py_UCS4 c = 0; c < kCodePoints; ++c)
            signs[c] = static_cast<std::uint8_t>(
                (Py_UNICODE_ISSPACE(c) ? kSpace : 0) | (Py_UNICODE_ISALPHA(c) ? kAlpha : 0) |
                (Py_UNICODE_ISALNUM(c) ? kAlnum : 0) | (Py_UNICODE_ISUPPER(c) ? kUpper : 0) |
                (Py_UNICODE_ISLOWER(c) ? kLower : 0) | (Py_UNICODE_ISTITLE(c) ? kTitle : 0) |
                (Py_UNICODE_ISDECIMAL(c) ? kDecimal : 0));
        return signs;
    }();
    return table.data();
}

template <class C>
nb::str string_of(const C* text, std::size_t size) {
    PyObject* made = PyUnicode_FromKindAndData(static_cast<int>(sizeof(C)), text,
                                               static_cast<Py_ssize_t>(size));
    if (made == nullptr) throw nb::python_error();
    return nb::steal<nb::str>(made);
}

nb::dict counted(const Counts& counts) {
    nb::dict found;
    for (const auto& [column, count] : counts) found[nb::int_(column)] = nb::int_(count);
    return found;
}

/// Calls `read` with the characters of a text, in the width that Python holds them in, and their
/// number.
auto with_characters(const nb::str& text, const auto& read) {
    const auto size = static_cast<std::size_t>(PyUnicode_GET_LENGTH(text.ptr()));
    const void* data = PyUnicode_DATA(text.ptr());
    switch (PyUnicode_KIND(text.ptr())) {
        case PyUnicode_1BYTE_KIND: return read(static_cast<const std::uint8_t*>(data), size);
        case PyUnicode_2BYTE_KIND: return read(static_cast<const std::uint16_t*>(data), size);
        default: return read(static_cast<const char32_t*>(data), size);
    }
}

using Bytes = Input<std::uint8_t>;

/// The blocks of one book, in the width of characters that Python holds its text in.
class BookBlocks {
  public:
    BookBlocks(nb::str text, nb::callable is_chapter) : text_(std::move(text)) {
        const auto size = static_cast<std::size_t>(PyUnicode_GET_LENGTH(text_.ptr()));
        const void* data = PyUnicode_DATA(text_.ptr());
        switch (PyUnicode_KIND(text_.ptr())) {
            case PyUnicode_1BYTE_KIND: make<std::uint8_t>(data, size, is_chapter); break;
            case PyUnicode_2BYTE_KIND: make<std::uint16_t>(data, size, is_chapter); break;
            default: make<char32_t>(data, size, is_chapter);
        }
    }

    /// Lines, blank lines around, number of lines, size and marks of each block.
    nb::dict measures() const {
        return std::visit([](const auto& book) {
            const auto& blocks = book->blocks();
            std::vector<std::int64_t> first, stop, above, below, begin, size;
            std::vector<std::uint16_t> marks = book->marks();
            for (const auto& block : blocks) {
                first.push_back(static_cast<std::int64_t>(block.first));
                stop.push_back(static_cast<std::int64_t>(block.stop));
                above.push_back(static_cast<std::int64_t>(block.above));
                below.push_back(static_cast<std::int64_t>(block.below));
                begin.push_back(static_cast<std::int64_t>(block.begin));
                size.push_back(static_cast<std::int64_t>(block.end - block.begin));
            }
            const std::size_t n = blocks.size();
            nb::dict found;
            found["first"] = own<std::int64_t>(std::move(first), n);
            found["stop"] = own<std::int64_t>(std::move(stop), n);
            found["above"] = own<std::int64_t>(std::move(above), n);
            found["below"] = own<std::int64_t>(std::move(below), n);
            found["begin"] = own<std::int64_t>(std::move(begin), n);
            found["size"] = own<std::int64_t>(std::move(size), n);
            found["marks"] = own<std::uint16_t>(std::move(marks), n);
            return found;
        }, book_);
    }

    nb::tuple may_be_speakers() const {
        return std::visit([](const auto& book) {
            nb::list speeches, speakers;
            for (const auto& line : book->may_be_speech)
                speeches.append(string_of(line.data(), line.size()));
            for (const auto& name : book->lone_speakers())
                speakers.append(string_of(name.data(), name.size()));
            return nb::make_tuple(speeches, speakers);
        }, book_);
    }

    std::size_t count_may_be_speakers() const {
        return std::visit([](const auto& book) {
            return book->may_be_speech.size() + book->may_be_speaker.size();
        }, book_);
    }

    nb::dict margins() const {
        return std::visit([](const auto& book) { return counted(book->margins()); }, book_);
    }
    nb::tuple widths_and_indents(std::size_t margin) const {
        return std::visit([&](const auto& book) {
            return nb::make_tuple(counted(book->widths(margin)), counted(book->indents(margin)));
        }, book_);
    }

    nb::object score(std::int64_t width, std::int64_t margin, std::int64_t indent,
                     const nb::iterable& speakers, const Input<double>& weights) {
        if (weights.size() != kWeightCount)
            throw nb::value_error("weights: not as many as the model has features");
        std::copy(weights.data(), weights.data() + kWeightCount, weights_);
        std::set<std::u32string> names;
        for (const auto name : speakers)
            with_characters(nb::cast<nb::str>(name), [&](const auto* at, std::size_t size) {
                names.emplace(at, at + size);
            });
        shape_ = {width, margin, indent, !names.empty()};
        return std::visit([&](auto& book) -> nb::object {
            book->set_speakers(std::move(names));
            book->score(shape_, weights_);
            return scores(*book);
        }, book_);
    }

    nb::dict tell(std::size_t story) {
        return std::visit([&](auto& book) {
            if (book->scores().size() != book->blocks().size())
                throw nb::value_error("tell: score() comes first");
            Told told = book->tell(shape_, story, weights_);
            const std::size_t n = told.rules.size();
            nb::dict found;
            found["scores"] = scores(*book);
            found["rules"] = own<std::uint64_t>(std::move(told.rules), n);
            found["sure"] = own<std::uint64_t>(std::move(told.sure), n);
            found["beside"] = own<std::uint8_t>(std::move(told.beside), n);
            found["apart"] = own<std::uint8_t>(std::move(told.apart), n);
            found["plain"] = own<std::uint8_t>(std::move(told.plain), n);
            return found;
        }, book_);
    }

    /// Changes the kinds of short blocks between two of one kind.
    void settle(nb::ndarray<std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu> kinds) const {
        std::visit([&](const auto& book) {
            const std::size_t n = book->blocks().size();
            if (book->scores().size() != n) throw nb::value_error("settle: score() comes first");
            if (kinds.size() != n) throw nb::value_error("settle: kinds are one for each block");
            for (std::size_t i = 0; i < n; ++i)
                if (kinds.data()[i] >= kKindCount) throw nb::value_error("settle: no such kind");
            book->settle(shape_, kinds.data());
        }, book_);
    }

    /// The text of each run of blocks and of each alone, what became of the parts, and how many
    /// marks of italics were taken out.
    nb::tuple typeset(const Bytes& kinds, const Bytes& parts) const {
        return std::visit([&](const auto& book) {
            const std::size_t n = book->blocks().size();
            if (kinds.size() != n || parts.size() != n)
                throw nb::value_error("typeset: kinds and parts are one for each block");
            for (std::size_t i = 0; i < n; ++i)
                if (kinds.data()[i] >= kKindCount) throw nb::value_error("typeset: no such kind");
            for (std::size_t i = 0; i < n; ++i)
                if (parts.data()[i] >= kPartCount) throw nb::value_error("typeset: no such part");
            std::vector<std::uint8_t> became(parts.data(), parts.data() + n);
            nb::list runs;
            const std::size_t taken = book->typeset_runs(
                kinds.data(), became.data(),
                [&](const auto& run) { runs.append(string_of(run.data(), run.size())); });
            return nb::make_tuple(runs, own<std::uint8_t>(std::move(became), n), taken);
        }, book_);
    }

  private:
    template <class C>
    void make(const void* data, std::size_t size, nb::callable is_chapter) {
        const AskChapter ask = [is_chapter](const void* line, std::size_t length) {
            const nb::object said = is_chapter(string_of(static_cast<const C*>(line), length));
            return nb::cast<bool>(said);
        };
        book_ = std::make_unique<Book<C>>(static_cast<const C*>(data), size, python_signs(), ask);
    }
    static nb::object scores(auto& book) {
        std::vector<double> values = book.scores();
        const std::size_t n = values.size();
        return nb::cast(own<double>(std::move(values), n));
    }

    nb::str text_;
    std::variant<std::unique_ptr<Book<std::uint8_t>>, std::unique_ptr<Book<std::uint16_t>>,
                 std::unique_ptr<Book<char32_t>>>
        book_;
    Shape shape_{};
    double weights_[kWeightCount] = {};
};

char32_t small_letter(char32_t c) { return Py_UNICODE_TOLOWER(c); }

/// How many bytes more than characters a text has in UTF-8; of narrow ones 16 bytes at a time.
template <class C>
std::size_t count_beyond(const C* at, std::size_t size) {
    std::size_t count = 0, i = 0;
    if constexpr (sizeof(C) < 4) {
        typedef C Lanes __attribute__((vector_size(16)));
        constexpr std::size_t kLanes = sizeof(Lanes) / sizeof(C);
        constexpr std::size_t kMost = sizeof(C) == 1 ? 255 : 32767;  // sums that a lane holds
        while (i + kLanes <= size) {
            Lanes sum{};
            for (std::size_t k = 0; k < kMost && i + kLanes <= size; ++k, i += kLanes) {
                Lanes some;
                std::memcpy(&some, at + i, sizeof(some));
                sum -= (Lanes)(some >= 0x80);
                if constexpr (sizeof(C) == 2) sum -= (Lanes)(some >= 0x800);
            }
            for (std::size_t k = 0; k < kLanes; ++k) count += sum[k];
        }
    }
    for (; i < size; ++i) count += (at[i] >= 0x80) + (at[i] >= 0x800) + (at[i] >= 0x10000);
    return count;
}

/// Bytes of a text in UTF-8.
std::size_t utf8_size(const nb::str& text) {
    if (PyUnicode_IS_ASCII(text.ptr()))
        return static_cast<std::size_t>(PyUnicode_GET_LENGTH(text.ptr()));
    return with_characters(text, [](const auto* at, std::size_t size) {
        return size + count_beyond(at, size);
    });
}

/// The largest character of a text, or one of its kind of string.
template <class C>
Py_UCS4 largest_of(const C* at, std::size_t size) {
    std::uint64_t some = 0;  // lanes of a word; no bit of one is another's
    C rest = 0;
    constexpr std::size_t kLanes = 8 / sizeof(C);
    std::size_t i = 0;
    for (std::uint64_t word; i + kLanes <= size; i += kLanes) {
        std::memcpy(&word, at + i, 8);
        some |= word;
    }
    for (; i < size; ++i) rest = static_cast<C>(rest | at[i]);
    Py_UCS4 largest = rest;
    for (std::size_t k = 0; k < kLanes; ++k)
        largest |= static_cast<C>(some >> (k * 8 * sizeof(C) % 64));
    return std::min<Py_UCS4>(largest, 0x10FFFF);
}

/// CRLF and CR as LF in text[start:stop]; where the length is to stay CRLF is a space and LF.
nb::str lf(const nb::str& text, std::size_t start, std::size_t stop, bool same_length) {
    return with_characters(text, [&](const auto* all, std::size_t size) {
        stop = std::min(stop, size);
        start = std::min(start, stop);
        const auto* at = all + start;
        const auto* const end = all + stop;
        using C = std::decay_t<decltype(*at)>;
        const auto next_cr = [end](const C* from) { return gutenberg::find(from, end, '\r'); };
        const C* cr = next_cr(at);
        if (cr == end && start == 0 && stop == size) return text;
        std::size_t gone = 0;
        if (!same_length)
            for (const C* next = cr; next != end; next = next_cr(next + 1))
                gone += next + 1 < end && next[1] == '\n';
        const Py_UCS4 largest =
            PyUnicode_IS_ASCII(text.ptr()) ? 0x7F : largest_of(at, stop - start);
        PyObject* made = PyUnicode_New(static_cast<Py_ssize_t>(stop - start - gone), largest);
        if (made == nullptr) throw nb::python_error();
        const auto fill = [&](auto* out) {
            for (;; cr = next_cr(at)) {
                out = std::copy(at, cr, out);
                if (cr == end) break;
                const bool both = cr + 1 < end && cr[1] == '\n';
                if (both && same_length) *out++ = ' ';
                *out++ = '\n';
                at = cr + 1 + both;
            }
        };
        void* const out = PyUnicode_DATA(made);
        if (stop - start - gone > 0) switch (PyUnicode_KIND(made)) {
            case PyUnicode_1BYTE_KIND: fill(static_cast<std::uint8_t*>(out)); break;
            case PyUnicode_2BYTE_KIND: fill(static_cast<std::uint16_t*>(out)); break;
            default: fill(static_cast<char32_t*>(out));
        }
        return nb::steal<nb::str>(made);
    });
}

std::size_t count_words(const nb::str& text, const nb::str& word, std::size_t most) {
    static const Signs signs(python_signs());
    return with_characters(text, [&](const auto* at, std::size_t size) {
        using C = std::decay_t<decltype(*at)>;
        return with_characters(word, [&](const auto* of_word, std::size_t length) -> std::size_t {
            if (length == 0) throw nb::value_error("count_word: the word is empty");
            const auto held = [](char32_t c) { return c == static_cast<C>(c); };
            if (!std::all_of(of_word, of_word + length, held)) return 0;
            const std::vector<C> same(of_word, of_word + length);
            return count_word(at, size, same.data(), length, most, signs);
        });
    });
}

nb::bytes lower_text(const nb::str& text) {
    std::string lowered;
    with_characters(text, [&](const auto* at, std::size_t size) {
        lower_utf8(at, size, small_letter, lowered);
    });
    return nb::bytes(lowered.data(), lowered.size());
}

Stems* make_stems(const std::vector<std::string>& stems) {
    for (const auto& stem : stems)
        if (stem.size() < Stems::kLeast || stem.find('\n') != stem.npos)
            throw nb::value_error("stems: one is shorter than 3 bytes or has a line end");
    return new Stems(stems, small_letter);
}

nb::object lines_with_stems(const Stems& stems, const nb::str& text) {
    auto found = with_characters(text, [&](const auto* at, std::size_t size) {
        return stems.lines(at, size);
    });
    const std::size_t n = found.size();
    return nb::cast(own<std::int64_t>(std::move(found), n));
}

nb::list rule_bits() {
    nb::list names;
    for (const char* rule : kRuleNames) names.append(nb::str(rule));
    return names;
}

}  // namespace

void bind_gutenberg(nb::module_& module) {
    nb::class_<BookBlocks>(module, "BookBlocks")
        .def(nb::init<nb::str, nb::callable>(), nb::arg("text"), nb::arg("is_chapter"))
        .def("measures", &BookBlocks::measures)
        .def("may_be_speakers", &BookBlocks::may_be_speakers)
        .def("count_may_be_speakers", &BookBlocks::count_may_be_speakers)
        .def("margins", &BookBlocks::margins)
        .def("widths_and_indents", &BookBlocks::widths_and_indents, nb::arg("margin"))
        .def("score", &BookBlocks::score, nb::arg("width"), nb::arg("margin"), nb::arg("indent"),
             nb::arg("speakers"), nb::arg("weights"))
        .def("tell", &BookBlocks::tell, nb::arg("story"))
        .def("settle", &BookBlocks::settle, nb::arg("kinds"))
        .def("typeset", &BookBlocks::typeset, nb::arg("kinds"), nb::arg("parts"));
    module.def("book_rules", &rule_bits);
    module.def("utf8_size", &utf8_size, nb::arg("text"));
    module.def("lf", &lf, nb::arg("text"), nb::arg("start") = 0,
               nb::arg("stop") = std::numeric_limits<std::size_t>::max(), nb::kw_only(),
               nb::arg("same_length") = false);
    module.def("count_word", &count_words, nb::arg("text"), nb::arg("word"), nb::arg("most"));
    module.def("lower_utf8", &lower_text, nb::arg("text"));
    nb::class_<Stems>(module, "Stems")
        .def(nb::new_(&make_stems), nb::arg("stems"))
        .def("lines", &lines_with_stems, nb::arg("text"));
}

}  // namespace corpuskit::binding
