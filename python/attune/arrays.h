// NumPy arrays to tensors and back.
#pragma once

#include <nanobind/nanobind.h>

#include <memory>
#include <string>

#include "attune/tensor.h"

namespace attune::python {

/// A tensor over an array's memory, which the caller keeps alive during the run; lists, scalars and arrays that are
/// not contiguous or not in native byte order are copied by NumPy first, into an array appended to `keep_alive`. Throws
/// attune::Error (kInvalidArgument) naming the input when the object has no element type that ONNX has.
Tensor tensor_from_object(nanobind::handle object, const std::string& name, nanobind::list& keep_alive);

/// The same with the array kept alive by the tensor: for tensors that outlive a run.
Tensor owning_tensor_from_object(nanobind::handle object, const std::string& name);

/// A tensor over the memory of a DLPack capsule, or of an object that gives one, kept alive by the tensor. Throws
/// attune::Error (kInvalidArgument) for another object and for elements that are not contiguous in the CPU's memory.
Tensor tensor_from_dlpack(nanobind::handle object);

/// A DLPack capsule over the tensor's memory, which it keeps alive.
nanobind::object dlpack_from_tensor(const Tensor& tensor);

/// True for a DLPack capsule of uint8.
bool is_dlpack_uint8(const nanobind::capsule& capsule);

/// A Python object kept alive from C++, let go of under the interpreter's lock.
std::shared_ptr<const void> hold(nanobind::object object);

/// An array, a dict for a map, a list of them for a sequence, None for no tensor: an optional without a value.
nanobind::object object_from_tensor(const Tensor& tensor);

/// A writable array over the tensor's memory, which it keeps alive; strings become an array of objects.
nanobind::object array_from_tensor(const Tensor& tensor);

}  // namespace attune::python
