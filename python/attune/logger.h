// The default logger's functions.
#pragma once

#include <nanobind/nanobind.h>

namespace attune::python {

/// Adds the functions that set the default logger's severity, verbosity and callback to the module.
void bind_logger(nanobind::module_& module);

}  // namespace attune::python
