// What all bindings share: arrays of Python's as columns of the engine, and back.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/tuple.h>

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/text/column.hpp"

namespace corpuskit::binding {

namespace nb = nanobind;

template <typename T>
using Input = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

/// Offsets and bytes of a column of strings.
using StringArrays = std::tuple<Input<std::int64_t>, Input<std::uint8_t>>;

/// Hands a container over to Python as an array that owns it.
template <typename T, typename Container, typename... Shape>
nb::ndarray<nb::numpy, T> own(Container&& values, Shape... shape) {
    auto* kept = new Container(std::forward<Container>(values));
    nb::capsule owner(kept, [](void* p) noexcept { delete static_cast<Container*>(p); });
    return nb::ndarray<nb::numpy, T>(reinterpret_cast<T*>(kept->data()),
                                     {static_cast<std::size_t>(shape)...}, owner);
}

inline nb::object strings(Strings&& column) {
    const std::size_t n = column.offsets.size(), size = column.bytes.size();
    return nb::make_tuple(own<std::int64_t>(std::move(column.offsets), n),
                          own<std::uint8_t>(std::move(column.bytes), size));
}

inline Column column(const char* name, const StringArrays& strings) {
    const auto& [offsets, bytes] = strings;
    if (offsets.size() == 0)
        throw nb::value_error(
            (std::string(name) + ": offsets: empty; they are one more than the strings").c_str());
    return {offsets.data(), offsets.size() - 1, reinterpret_cast<const char*>(bytes.data()),
            bytes.size()};
}

template <typename Choice>
Choice choice(const char* name, int value, int count) {
    if (value < 0 || value >= count)
        throw nb::value_error(
            (std::string(name) + ": no choice has the number " + std::to_string(value)).c_str());
    return static_cast<Choice>(value);
}

}  // namespace corpuskit::binding
