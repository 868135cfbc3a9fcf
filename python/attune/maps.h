// Python's dictionaries and ONNX's maps.
#pragma once

#include <nanobind/nanobind.h>

#include <string>

#include "attune/tensor.h"

namespace attune::python {

/// A map from the dictionary's keys in ascending order, with values of `value_type` (float, double, int64 or string);
/// numbers of NumPy are numbers too. Throws attune::Error (kInvalidArgument) naming the input when it is no dictionary,
/// and Python's RuntimeError, as onnxruntime does, for a key or value of another type.
Tensor map_from_object(nanobind::handle object, DataType key_type, DataType value_type, const std::string& name);

/// The keys and values as Python's own numbers and strings.
nanobind::dict dict_from_map(const Tensor& map);

}  // namespace attune::python
