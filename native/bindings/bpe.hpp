// Bindings of engine/bpe.
#pragma once

#include <nanobind/nanobind.h>

namespace corpuskit::binding {

void bind_bpe(nanobind::module_& module);

}  // namespace corpuskit::binding
