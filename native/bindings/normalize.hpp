// Bindings of what changes texts: engine/normalize/repair and engine/text/whitespace.
#pragma once

#include <nanobind/nanobind.h>

namespace corpuskit::binding {

void bind_normalize(nanobind::module_& module);

}  // namespace corpuskit::binding
