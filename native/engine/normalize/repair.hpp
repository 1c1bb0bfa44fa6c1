// What ftfy could change about texts. corpuskit/stages/normalize/unicode.py hands the rest to it.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/text/column.hpp"

namespace corpuskit {

/// Whether entities are replaced in a text: never, everywhere, or until the first "<".
enum class RepairEntities : std::uint8_t { kOff, kOn, kUntilTag };

/// The normal form that is asked for; of one that is not NFC only ASCII is known here.
enum class RepairForm : std::uint8_t { kNone, kNfc, kOther };

struct RepairOptions {
    bool encoding = true;
    bool ligatures = true;
    bool width = false;
    bool quotes = false;
    bool control = true;
    RepairForm form = RepairForm::kNfc;
};

/// Lines, with their ends, that ftfy must see; lines one behind the other are one span.
struct RepairSpan {
    std::int64_t row, begin, end;  // bytes of the batch
    std::int64_t entities;         // 0 where an earlier line of the text turned them off
};

struct RepairBatch {
    std::vector<std::uint8_t> status;  // of each text: 1 where it is no UTF-8, half pairs apart
    std::vector<RepairSpan> spans;
    bool changed = false;  // whether line ends were; if so, spans are within `texts`
    Strings texts;
};

/// The digest of what the tables were made of.
const char* repair_rules();

/// Finds the lines of n texts that ftfy could change. Of a line that it would leave alone but for
/// its end, CRLF becomes LF here. A line may be named that ftfy leaves alone, never the other way
/// round.
///
/// entities: n of `RepairEntities`.
RepairBatch find_repairs(const Column& texts, const std::uint8_t* entities,
                         const RepairOptions& options);

}  // namespace corpuskit
