// Bindings of engine/dedup.
#pragma once

#include <nanobind/nanobind.h>

namespace corpuskit::binding {

void bind_dedup(nanobind::module_& module);

}  // namespace corpuskit::binding
