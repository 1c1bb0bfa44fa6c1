// Bindings of engine/quality.
#pragma once

#include <nanobind/nanobind.h>

namespace corpuskit::binding {

void bind_quality(nanobind::module_& module);

}  // namespace corpuskit::binding
