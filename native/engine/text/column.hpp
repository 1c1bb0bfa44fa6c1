// Columns of strings, as Arrow has them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace corpuskit {

/// Strings one behind the other, somebody else's: string i is data[offsets[i], offsets[i + 1]).
struct Column {
    const std::int64_t* offsets;  // size + 1, ascending within [0, bytes]
    std::size_t size;
    const char* data;
    std::size_t bytes;

    std::string_view operator[](std::size_t i) const {
        return {data + offsets[i], static_cast<std::size_t>(offsets[i + 1] - offsets[i])};
    }
};

/// The same, with its strings.
struct Strings {
    std::vector<std::int64_t> offsets{0};
    std::string bytes;

    void end_string() { offsets.push_back(static_cast<std::int64_t>(bytes.size())); }
    void add(std::string_view string) { bytes.append(string), end_string(); }
    Column column() const {
        return {offsets.data(), offsets.size() - 1, bytes.data(), bytes.size()};
    }
};

/// Throws std::invalid_argument when the offsets do not ascend within the bytes.
void check_column(const Column& column);

}  // namespace corpuskit
