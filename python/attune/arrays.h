// NumPy arrays to tensors and back.
#pragma once

#include <nanobind/nanobind.h>

#include <string>

#include "attune/tensor.h"

namespace attune::python {

/// A tensor over an array's memory, which the caller keeps alive during the run; lists, scalars and arrays that are
/// not contiguous or not in native byte order are copied by NumPy first, into an array appended to `keep_alive`. Throws
/// attune::Error (kInvalidArgument) naming the input when the object has no element type that ONNX has.
Tensor tensor_from_object(nanobind::handle object, const std::string& name, nanobind::list& keep_alive);

/// A writable array over the tensor's memory, which it keeps alive; strings become an array of objects.
nanobind::object array_from_tensor(const Tensor& tensor);

}  // namespace attune::python
