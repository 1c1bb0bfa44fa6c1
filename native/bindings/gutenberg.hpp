// Bindings of engine/gutenberg.
#pragma once

#include <nanobind/nanobind.h>

namespace corpuskit::binding {

void bind_gutenberg(nanobind::module_& module);

}  // namespace corpuskit::binding
