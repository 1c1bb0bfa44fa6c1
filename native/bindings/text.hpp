// Bindings of engine/text.
#pragma once

#include <nanobind/nanobind.h>

namespace corpuskit::binding {

void bind_text(nanobind::module_& module);

}  // namespace corpuskit::binding
