// attune::Tensor as Python's OrtValue holds it.
#pragma once

#include <nanobind/nanobind.h>

namespace attune::python {

/// Adds the class Tensor to the module.
void bind_tensor(nanobind::module_& module);

}  // namespace attune::python
