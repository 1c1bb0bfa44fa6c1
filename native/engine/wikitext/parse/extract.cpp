// Batches of pages.
#include <algorithm>
#include <array>
#include <bit>
#include <stdexcept>

#include "engine/wikitext/parse/engine.hpp"

namespace corpuskit {

namespace {

void append_facts(const WikitextFacts& facts, WikitextBatch& batch) {
    const auto row = std::bit_cast<std::array<std::int64_t, kWikitextCounters>>(facts.counters);
    batch.counters.insert(batch.counters.end(), row.begin(), row.end());
    batch.flags.push_back(facts.flags);
    for (const std::string& category : facts.categories) batch.categories.add(category);
    batch.category_ends.push_back(static_cast<std::int64_t>(batch.categories.offsets.size()) - 1);
}

}  // namespace

WikitextBatch extract_wikitext(const Column& pages, const Column& titles,
                               const WikitextOptions& options) {
    check_column(pages);
    if (titles.size > 0) check_column(titles);
    if (titles.size > 0 && titles.size != pages.size)
        throw std::invalid_argument("there are not as many titles as pages");
    const std::size_t n = pages.size;
    WikitextBatch batch;
    batch.texts.offsets.reserve(n + 1);
    batch.status.reserve(n);
    batch.counters.reserve(n * kWikitextCounters);
    batch.texts.bytes.reserve(static_cast<std::size_t>(pages.offsets[n] - pages.offsets[0]) / 2);
    WikitextEngine engine(options);
    WikitextFacts facts;
    for (std::size_t i = 0; i < n; ++i) {
        const std::string_view title = titles.size > 0 ? titles[i] : std::string_view();
        const WikitextStatus status = engine.extract(pages[i], title, batch.texts.bytes, facts);
        batch.texts.end_string();
        batch.status.push_back(static_cast<std::int32_t>(status));
        append_facts(facts, batch);
        batch.table_bytes = std::max(batch.table_bytes, facts.table_bytes);
    }
    return batch;
}

}  // namespace corpuskit
