#include "bindings/text.hpp"

#include <string>
#include <vector>

#include "bindings/convert.hpp"
#include "engine/dedup/digest.hpp"
#include "engine/dedup/runs.hpp"
#include "engine/text/segment.hpp"
#include "engine/dedup/units.hpp"
#include "engine/text/utf8.hpp"

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

std::size_t at_least_one(const char* name, std::int64_t value, std::int64_t most) {
    if (value < 1 || value > most)
        throw nb::value_error(
            (std::string(name) + ": is not within 1 and " + std::to_string(most)).c_str());
    return static_cast<std::size_t>(value);
}

constexpr std::int64_t kLongest = 100'000;  // words of a run

/// Words of all texts with the run that begins at each: ends of texts in words; spans in bytes; the
/// word behind each run, 0 for none; digests of runs, and of what stands before and behind them.
nb::tuple word_runs(const StringArrays& texts, std::int64_t min_words,
                    std::int64_t min_characters) {
    const Column texts_column = column("texts", texts);
    const RunLength length{at_least_one("min_words", min_words, kLongest),
                           at_least_one("min_characters", min_characters, kLongest)};
    std::vector<std::int64_t> ends{0}, spans, until;
    std::vector<std::uint64_t> digests, gaps;
    {
        nb::gil_scoped_release release;
        check_column(texts_column);
        Words words;
        Runs runs;
        for (std::size_t i = 0; i < texts_column.size; ++i) {
            const std::string_view text = texts_column[i];
            find_words(text, words);
            find_runs(words, length, runs);
            // What stands before word w; that behind the last word is the one before `size`.
            const auto gap = [&](std::size_t w) {
                const std::size_t begin = w > 0 ? words.end[w - 1] : 0;
                const std::size_t end = w < words.size() ? words.begin[w] : text.size();
                return digest_of(text.substr(begin, end - begin)).first;
            };
            for (std::size_t w = 0; w < words.size(); ++w) {
                const auto behind = static_cast<std::size_t>(runs.until[w]);
                spans.push_back(static_cast<std::int64_t>(words.begin[w]));
                spans.push_back(static_cast<std::int64_t>(words.end[w]));
                until.push_back(runs.until[w]);
                digests.push_back(runs.digests[w].first);
                digests.push_back(runs.digests[w].second);
                gaps.push_back(behind > 0 ? gap(w) : 0);
                gaps.push_back(behind > 0 ? gap(behind) : 0);
            }
            ends.push_back(static_cast<std::int64_t>(until.size()));
        }
    }
    const std::size_t rows = ends.size(), count = until.size();
    return nb::make_tuple(own<std::int64_t>(std::move(ends), rows),
                          own<std::int64_t>(std::move(spans), count, 2),
                          own<std::int64_t>(std::move(until), count),
                          own<std::uint64_t>(std::move(digests), count, 2),
                          own<std::uint64_t>(std::move(gaps), count, 2));
}

/// Words of each text, ends of texts in entries, hashes and places of the entries.
nb::tuple winnow_words(const StringArrays& texts, std::int64_t run, std::int64_t gram) {
    const Column texts_column = column("texts", texts);
    const std::size_t width = at_least_one("run", run, kLongest);
    const std::size_t size = at_least_one("gram", gram, run);
    std::vector<std::int64_t> counts, ends{0}, places;
    std::vector<std::uint64_t> hashes;
    {
        nb::gil_scoped_release release;
        check_column(texts_column);
        Words words;
        Winnowed found;
        for (std::size_t i = 0; i < texts_column.size; ++i) {
            find_words(texts_column[i], words);
            winnow(words, width, size, found);
            counts.push_back(static_cast<std::int64_t>(words.size()));
            hashes.insert(hashes.end(), found.hashes.begin(), found.hashes.end());
            places.insert(places.end(), found.places.begin(), found.places.end());
            ends.push_back(static_cast<std::int64_t>(places.size()));
        }
    }
    const std::size_t rows = counts.size(), count = places.size();
    return nb::make_tuple(own<std::int64_t>(std::move(counts), rows),
                          own<std::int64_t>(std::move(ends), rows + 1),
                          own<std::uint64_t>(std::move(hashes), count),
                          own<std::int64_t>(std::move(places), count));
}

/// Ends of texts in units, spans in bytes, digests, words and characters of each unit.
nb::tuple text_units(const StringArrays& texts, bool lines) {
    const Column texts_column = column("texts", texts);
    std::vector<std::int64_t> ends{0}, spans, sizes;
    std::vector<std::uint64_t> digests;
    {
        nb::gil_scoped_release release;
        check_column(texts_column);
        Words words;
        for (std::size_t i = 0; i < texts_column.size; ++i) {
            const std::string_view text = texts_column[i];
            for (const Unit& unit :
                 find_units(text, lines ? UnitKind::kLine : UnitKind::kParagraph)) {
                const std::string_view within = text.substr(unit.begin, unit.end - unit.begin);
                const Digest digest = digest_of(within);
                find_words(within, words);
                spans.push_back(static_cast<std::int64_t>(unit.begin));
                spans.push_back(static_cast<std::int64_t>(unit.end));
                digests.push_back(digest.first);
                digests.push_back(digest.second);
                sizes.push_back(static_cast<std::int64_t>(words.size()));
                sizes.push_back(static_cast<std::int64_t>(count_code_points(within)));
            }
            ends.push_back(static_cast<std::int64_t>(spans.size() / 2));
        }
    }
    const std::size_t rows = ends.size(), count = spans.size() / 2;
    return nb::make_tuple(own<std::int64_t>(std::move(ends), rows),
                          own<std::int64_t>(std::move(spans), count, 2),
                          own<std::uint64_t>(std::move(digests), count, 2),
                          own<std::int64_t>(std::move(sizes), count, 2));
}

/// The 128-bit digest of each text, shape (rows, 2).
nb::object text_digests(const StringArrays& texts) {
    const Column texts_column = column("texts", texts);
    std::vector<std::uint64_t> digests;
    {
        nb::gil_scoped_release release;
        check_column(texts_column);
        for (std::size_t i = 0; i < texts_column.size; ++i) {
            const Digest digest = digest_of(texts_column[i]);
            digests.push_back(digest.first);
            digests.push_back(digest.second);
        }
    }
    const std::size_t rows = digests.size() / 2;
    return nb::cast(own<std::uint64_t>(std::move(digests), rows, 2));
}

}  // namespace

void bind_text(nb::module_& module) {
    module.def("fold_words", &fold_words, nb::arg("texts"));
    module.def("word_runs", &word_runs, nb::arg("texts"), nb::arg("min_words"),
               nb::arg("min_characters"));
    module.def("winnow_words", &winnow_words, nb::arg("texts"), nb::arg("run"), nb::arg("gram"));
    module.def("text_units", &text_units, nb::arg("texts"), nb::arg("lines"));
    module.def("text_digests", &text_digests, nb::arg("texts"));
}

}  // namespace corpuskit::binding
