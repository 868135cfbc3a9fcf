// attune::Error as Python exceptions.
#pragma once

#include <nanobind/nanobind.h>

namespace attune::python {

/// Adds one exception class a code to the module, named as onnxruntime names them and derived from Exception, and
/// translates attune::Error into them.
void bind_errors(nanobind::module_& module);

}  // namespace attune::python
