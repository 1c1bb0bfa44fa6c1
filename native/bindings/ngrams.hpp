// Bindings of engine/ngrams.
#pragma once

#include <nanobind/nanobind.h>

namespace corpuskit::binding {

void bind_ngrams(nanobind::module_& module);

}  // namespace corpuskit::binding
