#include "attune/tensor_class.h"

#include <fmt/format.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "attune/arrays.h"
#include "attune/attune.h"

namespace nb = nanobind;

namespace attune::python {
namespace {

/// The element type with a number of onnx.TensorProto.DataType, one whose elements have a size.
DataType data_type_of_number(int64_t number) {
  const auto type = static_cast<DataType>(number);
  if (number <= 0 || number > static_cast<int64_t>(DataType::kInt4) || element_size(type) == 0) {
    throw nb::value_error(fmt::format("tensor type {} is not supported", number).c_str());
  }
  return type;
}

/// `onnx_type` 0 is the array's own.
Tensor tensor_from_array(const nb::object& array, int64_t onnx_type) {
  const Tensor tensor = owning_tensor_from_object(array, "array");
  if (onnx_type == 0) return tensor;
  const DataType type = data_type_of_number(onnx_type);
  if (tensor.type() == DataType::kString || element_size(type) != element_size(tensor.type())) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("The elements of an array of {} are not of the size of {}.",
                                                         data_type_name(tensor.type()), data_type_name(type)));
  }
  return Tensor::view(type, tensor.shape(), const_cast<void*>(tensor.raw()), tensor.owner());
}

Tensor tensor_at_address(const std::vector<int64_t>& dims, int64_t onnx_type, uintptr_t address) {
  const DataType type = data_type_of_number(onnx_type);
  const Shape shape{std::span<const int64_t>(dims)};
  if (type == DataType::kString) throw std::runtime_error("Only binding non-string Tensors by address is supported.");
  if (address == 0 && shape.elements() > 0) throw nb::value_error("the address of a tensor's memory is 0");
  return Tensor::view(type, shape, reinterpret_cast<void*>(address));
}

Tensor tensor_from_bytes(const nb::bytes& bytes) {
  const Shape shape{static_cast<int64_t>(bytes.size())};
  return Tensor::view(DataType::kUint8, shape, const_cast<char*>(bytes.c_str()), hold(bytes));
}

std::string type_name(const Tensor& tensor) {
  if (tensor.type() == DataType::kMap) {
    return fmt::format("map({},{})", data_type_name(tensor.map_keys().type()),
                       tensor_type_name(tensor.map_values().type()));
  }
  if (tensor.type() != DataType::kSequence) return tensor_type_name(tensor.type());
  const auto elements = tensor.values<Tensor>();
  return fmt::format("seq({})", elements.empty() ? "tensor(float)" : type_name(elements[0]));
}

nb::object numpy_of_tensor(const Tensor& tensor) {
  if (tensor.type() == DataType::kSequence || tensor.type() == DataType::kMap) {
    throw std::runtime_error("Only OrtValues that are Tensors are currently supported");
  }
  return array_from_tensor(tensor);
}

/// A writable array over the elements' bytes, whatever their type.
nb::object bytes_of_tensor(const Tensor& tensor) {
  if (tensor.type() == DataType::kString) throw nb::value_error("strings have no bytes of their own");
  const Shape shape{static_cast<int64_t>(tensor.bytes())};
  return array_from_tensor(Tensor::view(DataType::kUint8, shape, const_cast<void*>(tensor.raw()), tensor.owner()));
}

}  // namespace

void bind_tensor(nb::module_& module) {
  module.def("is_dlpack_uint8", &is_dlpack_uint8);
  nb::class_<Tensor>(module, "Tensor")
      .def_static("from_array", &tensor_from_array)
      .def_static("from_bytes", &tensor_from_bytes)
      .def_static("from_dlpack", &tensor_from_dlpack)
      .def_static("allocate",
                  [](const std::vector<int64_t>& dims, int64_t onnx_type) {
                    return Tensor::allocate(data_type_of_number(onnx_type), Shape{std::span<const int64_t>(dims)});
                  })
      .def_static("at_address", &tensor_at_address)
      .def_static("sequence", [](const std::vector<Tensor>& elements) { return Tensor::sequence(elements); })
      .def("is_sequence", [](const Tensor& self) { return self.type() == DataType::kSequence; })
      .def("is_map", [](const Tensor& self) { return self.type() == DataType::kMap; })
      .def("has_value", [](const Tensor& self) { return static_cast<bool>(self); })
      .def("elements",
           [](const Tensor& self) {
             const auto elements = self.values<Tensor>();
             return std::vector<Tensor>(elements.begin(), elements.end());
           })
      .def("numpy", &numpy_of_tensor)
      .def("bytes", &bytes_of_tensor)
      .def("dlpack", &dlpack_from_tensor)
      .def("data_ptr", [](const Tensor& self) { return reinterpret_cast<uintptr_t>(self.raw()); })
      .def("shape", [](const Tensor& self) { return std::vector<int64_t>(self.shape().begin(), self.shape().end()); })
      .def("data_type", &type_name)
      .def("element_type", [](const Tensor& self) { return static_cast<int>(self.type()); })
      .def("size_in_bytes", &Tensor::bytes);
}

}  // namespace attune::python
