#include "engine/text/column.hpp"

#include <stdexcept>

namespace corpuskit {

void check_column(const Column& column) {
    for (std::size_t i = 0; i <= column.size; ++i) {
        const bool ordered = i == 0 ? column.offsets[0] >= 0
                                    : column.offsets[i] >= column.offsets[i - 1];
        if (!ordered || column.offsets[i] > static_cast<std::int64_t>(column.bytes))
            throw std::invalid_argument("offsets must ascend within the bytes");
    }
}

}  // namespace corpuskit
