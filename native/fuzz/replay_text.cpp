// Replays texts through the normalization and the statistics, for builds with sanitizers.
//
// Every file is read as it is, its head with each byte changed in turn, and cut off at each.
// With -DCORPUSKIT_LIBFUZZER the same checks are a libFuzzer target. That what comes out is what
// the twins in Python give is shown there (tests/stages/normalize, tests/stages/quality).
#include <algorithm>
#include <string>
#include <vector>

#include "driver.hpp"
#include "engine/quality/statistics.hpp"
#include "engine/normalize/hidden.hpp"
#include "engine/normalize/repair.hpp"
#include "engine/normalize/whitespace.hpp"

namespace {

using corpuskit::Strings;

/// The text twice, with something between, so that what one leaves behind is seen in the other.
Strings doubled(const std::string& text) {
    Strings column;
    for (const std::string& each : {text, std::string("x\r\n"), text}) column.add(each);
    return column;
}

void replay_whitespace(const std::string& text) {
    const Strings given = doubled(text);
    const auto batch = corpuskit::tidy_whitespace(given.column());
    const auto column = batch.changed ? batch.texts.column() : given.column();
    const std::string once(column[0]);
    if (once != column[2] || batch.status[0] != batch.status[2])
        fail("white space: the same text gave another result the second time");
    if (once.size() > text.size()) fail("white space: a text grew");
    if (batch.status[0] != corpuskit::TidyStatus::kGood) {
        if (once != text) fail("white space: a text that is not UTF-8 was changed");
        return;
    }
    Strings again;
    again.add(once);
    if (corpuskit::tidy_whitespace(again.column()).changed)
        fail("white space: a second time changed something");
}

void replay_repair(const std::string& text) {
    const Strings given = doubled(text);
    for (int form = 0; form < 3; ++form) {
        for (std::uint8_t entities = 0; entities < 3; ++entities) {
            corpuskit::RepairOptions options;
            options.form = static_cast<corpuskit::RepairForm>(form);
            options.width = options.quotes = form == 0;
            const std::vector<std::uint8_t> each(3, entities);
            const auto batch = corpuskit::find_repairs(given.column(), each.data(), options);
            const auto column = batch.changed ? batch.texts.column() : given.column();
            if (batch.status[0] != batch.status[2] || column[0] != column[2])
                fail("repair: the same text gave another result the second time");
            std::int64_t last = 0;
            for (const auto& span : batch.spans) {
                const std::int64_t* ends = column.offsets + span.row;
                if (span.begin < last || span.begin < ends[0] || span.end > ends[1] ||
                    span.begin >= span.end)
                    fail("repair: a span lies beyond its text");
                if (batch.status[static_cast<std::size_t>(span.row)] != 0)
                    fail("repair: a span of a text that is not UTF-8");
                last = span.end;
            }
        }
    }
}

void replay_statistics(const std::string& text) {
    using namespace corpuskit::quality;
    const Strings given = doubled(text);
    for (const Splitter splitter : {Splitter::kUnicode, Splitter::kWhiteSpace}) {
        for (const Variant variant : {Variant::kOurs, Variant::kDatatrove}) {
            const auto rows = text_statistics(given.column(), splitter, variant);
            const std::int64_t* found = rows.data();
            if (!std::equal(found, found + kFigures, found + 2 * kFigures))
                fail("statistics: the same text gave other figures the second time");
            for (std::size_t i = 0; i < kFigures; ++i)
                if (found[i] < 0) fail("statistics: a figure is negative");
            if (found[figure::kChars] > static_cast<std::int64_t>(text.size()) ||
                found[figure::kWords] > found[figure::kTokens] ||
                found[figure::kDistinctWords] > found[figure::kTokens] ||
                found[figure::kDupLines] > found[figure::kRepeatLines])
                fail("statistics: a part is more than the whole");
            if (splitter == Splitter::kUnicode &&
                found[figure::kWords] != count_words(given.column())[0])
                fail("statistics: other words than are counted");
        }
    }
}

void replay_hidden(const std::string& text) {
    for (const char* before : {"a", "some plain words "})
        if (corpuskit::may_hide(text) != corpuskit::may_hide(before + text))
            fail("hidden: plain text before a text makes a difference");
}

void replay(const std::string& text) {
    replay_hidden(text);
    replay_whitespace(text);
    replay_repair(text);
    replay_statistics(text);
}

}  // namespace

CORPUSKIT_TARGET(replay, 4096)
