#include "attune/arrays.h"

#include <fmt/format.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "attune/error.h"
#include "attune/maps.h"

namespace nb = nanobind;

namespace attune::python {
namespace {

using AnyArray = nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu>;

constexpr uint8_t code(nb::dlpack::dtype_code value) { return static_cast<uint8_t>(value); }

std::optional<DataType> data_type_of(nb::dlpack::dtype type) {
  using Code = nb::dlpack::dtype_code;
  switch (static_cast<Code>(type.code)) {
    case Code::Bool:
      return DataType::kBool;
    case Code::Float:
      if (type.bits == 16) return DataType::kFloat16;
      if (type.bits == 32) return DataType::kFloat;
      if (type.bits == 64) return DataType::kDouble;
      break;
    case Code::Bfloat:
      return DataType::kBfloat16;
    case Code::Int:
      if (type.bits == 8) return DataType::kInt8;
      if (type.bits == 16) return DataType::kInt16;
      if (type.bits == 32) return DataType::kInt32;
      if (type.bits == 64) return DataType::kInt64;
      break;
    case Code::UInt:
      if (type.bits == 8) return DataType::kUint8;
      if (type.bits == 16) return DataType::kUint16;
      if (type.bits == 32) return DataType::kUint32;
      if (type.bits == 64) return DataType::kUint64;
      break;
    case Code::Complex:
      if (type.bits == 64) return DataType::kComplex64;
      if (type.bits == 128) return DataType::kComplex128;
      break;
    default:
      break;
  }
  return std::nullopt;
}

nb::dlpack::dtype dlpack_type(DataType type) {
  using Code = nb::dlpack::dtype_code;
  const auto make = [&](Code kind) {
    return nb::dlpack::dtype{code(kind), static_cast<uint8_t>(element_size(type) * 8), 1};
  };
  switch (type) {
    case DataType::kBool:
      return make(Code::Bool);
    case DataType::kFloat:
    case DataType::kDouble:
    case DataType::kFloat16:
      return make(Code::Float);
    case DataType::kInt8:
    case DataType::kInt16:
    case DataType::kInt32:
    case DataType::kInt64:
      return make(Code::Int);
    case DataType::kUint8:
    case DataType::kUint16:
    case DataType::kUint32:
    case DataType::kUint64:
      return make(Code::UInt);
    case DataType::kComplex64:
    case DataType::kComplex128:
      return make(Code::Complex);
    case DataType::kBfloat16:
      return make(Code::Bfloat);
    default:
      throw Error(ErrorCode::kNotImplemented, fmt::format("NumPy has no element type for {}.", tensor_type_name(type)));
  }
}

nb::module_ numpy() { return nb::module_::import_("numpy"); }

/// The types that NumPy itself lacks, by their names in the package ml_dtypes (which onnx brings along).
struct ExtensionType {
  DataType type;
  const char* name;
};
constexpr std::array kExtensionTypes{
    ExtensionType{DataType::kBfloat16, "bfloat16"},
    ExtensionType{DataType::kFloat8E4M3FN, "float8_e4m3fn"},
    ExtensionType{DataType::kFloat8E4M3FNUZ, "float8_e4m3fnuz"},
    ExtensionType{DataType::kFloat8E5M2, "float8_e5m2"},
    ExtensionType{DataType::kFloat8E5M2FNUZ, "float8_e5m2fnuz"},
    ExtensionType{DataType::kFloat8E8M0, "float8_e8m0fnu"},
    ExtensionType{DataType::kFloat4E2M1, "float4_e2m1fn"},
    ExtensionType{DataType::kInt4, "int4"},
    ExtensionType{DataType::kUint4, "uint4"},
    ExtensionType{DataType::kInt2, "int2"},
    ExtensionType{DataType::kUint2, "uint2"},
};

/// The element type of an array of ml_dtypes, else nullopt.
std::optional<DataType> extension_type_of(const nb::object& array) {
  const nb::object dtype = array.attr("dtype");
  if (nb::cast<std::string>(dtype.attr("type").attr("__module__")) != "ml_dtypes") return std::nullopt;
  const auto name = nb::cast<std::string>(dtype.attr("name"));
  for (const ExtensionType& extension : kExtensionTypes) {
    if (name == extension.name) return extension.type;
  }
  return std::nullopt;
}

const ExtensionType* find_extension_type(DataType type) {
  for (const ExtensionType& extension : kExtensionTypes) {
    if (extension.type == type) return &extension;
  }
  return nullptr;
}

/// Arrays of bits become ml_dtypes's arrays; without that package they stay what they are.
nb::object with_extension_type(const nb::object& bits, const char* name) {
  try {
    return bits.attr("view")(nb::module_::import_("ml_dtypes").attr(name));
  } catch (nb::python_error& error) {
    if (!error.matches(PyExc_ImportError) && !error.matches(PyExc_AttributeError)) throw;
    return bits;
  }
}

Shape shape_of(const nb::object& array) {
  Shape shape;
  for (const nb::handle dim : array.attr("shape")) shape.push_back(nb::cast<int64_t>(dim));
  return shape;
}

/// Arrays of strings, bytes or objects.
Tensor strings_from_array(const nb::object& array, const std::string& name) {
  Tensor tensor = Tensor::allocate(DataType::kString, shape_of(array));
  size_t i = 0;
  for (const nb::handle item : array.attr("ravel")().attr("tolist")()) {
    std::string& target = tensor.values<std::string>()[i++];
    if (nb::isinstance<nb::bytes>(item)) {
      const auto bytes = nb::borrow<nb::bytes>(item);
      target.assign(bytes.c_str(), bytes.size());
    } else if (nb::isinstance<nb::str>(item)) {
      target = nb::cast<std::string>(item);
    } else {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("Input '{}' has an object that is not a string.", name));
    }
  }
  return tensor;
}

/// Arrays of fixed numbers of bytes, all of which count: NumPy's own texts lose zeros at their ends.
Tensor strings_from_bytes(const nb::object& array) {
  Tensor tensor = Tensor::allocate(DataType::kString, shape_of(array));
  const auto size = nb::cast<size_t>(array.attr("itemsize"));
  const auto bytes = nb::cast<nb::bytes>(array.attr("tobytes")());
  for (size_t i = 0; i < static_cast<size_t>(tensor.elements()); ++i) {
    tensor.values<std::string>()[i].assign(bytes.c_str() + i * size, size);
  }
  return tensor;
}

Tensor view_of(const AnyArray& array, const std::string& name) {
  const std::optional<DataType> type = data_type_of(array.dtype());
  if (!type) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("Input '{}' has an element type that ONNX has not.", name));
  }
  Shape shape;
  for (size_t axis = 0; axis < array.ndim(); ++axis) shape.push_back(static_cast<int64_t>(array.shape(axis)));
  static std::byte nothing[64];  // an empty array may have no memory
  void* data = const_cast<void*>(array.data());
  return Tensor::view(*type, shape, data != nullptr ? data : nothing);
}

template <class Framework>
nb::ndarray<Framework> dlpack_array(const Tensor& tensor) {
  std::vector<size_t> shape;
  for (const int64_t dim : tensor.shape()) shape.push_back(static_cast<size_t>(dim));
  auto owner = std::make_unique<Tensor>(tensor);
  const nb::capsule capsule(owner.get(), [](void* held) noexcept { delete static_cast<Tensor*>(held); });
  void* data = owner.release()->raw();
  return nb::ndarray<Framework>(data, shape.size(), shape.data(), capsule, nullptr, dlpack_type(tensor.type()));
}

}  // namespace

std::shared_ptr<const void> hold(nb::object object) {
  PyObject* held = object.release().ptr();
  return {held, [held](const void*) {
            if (!Py_IsInitialized()) return;
            const nb::gil_scoped_acquire lock;
            Py_DECREF(held);
          }};
}

Tensor tensor_from_object(nb::handle object, const std::string& name, nb::list& keep_alive) {
  if (object.is_none()) throw Error(ErrorCode::kInvalidArgument, fmt::format("Input '{}' is None.", name));
  AnyArray array;
  std::optional<DataType> extension;
  if (!nb::try_cast(object, array, false)) {
    nb::object contiguous = numpy().attr("asarray")(object, nb::arg("order") = "C");
    extension = extension_type_of(contiguous);
    if (extension) contiguous = contiguous.attr("view")(*extension == DataType::kBfloat16 ? "uint16" : "uint8");
    const auto kind = nb::cast<std::string>(contiguous.attr("dtype").attr("kind"));
    if (kind == "V") return strings_from_bytes(contiguous);
    if (kind == "U" || kind == "S" || kind == "O") return strings_from_array(contiguous, name);
    contiguous = contiguous.attr("astype")(contiguous.attr("dtype").attr("newbyteorder")("="), nb::arg("order") = "C",
                                           nb::arg("copy") = false);
    // An array from a list that is only read, or a contiguous copy; zero-dimensional ones stay so.
    contiguous = numpy().attr("require")(contiguous, nb::none(), nb::make_tuple("C", "A"));
    keep_alive.append(contiguous);
    if (!nb::try_cast(contiguous, array, true)) {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("Input '{}' of {} cannot be read.", name,
                                                           nb::cast<std::string>(nb::repr(contiguous.type()))));
    }
  }
  const Tensor tensor = view_of(array, name);
  if (!extension) return tensor;
  return Tensor::view(*extension, tensor.shape(), const_cast<void*>(tensor.raw()));
}

Tensor owning_tensor_from_object(nb::handle object, const std::string& name) {
  nb::list keep_alive;
  keep_alive.append(object);
  const Tensor tensor = tensor_from_object(object, name, keep_alive);
  if (tensor.owner() != nullptr) return tensor;
  return Tensor::view(tensor.type(), tensor.shape(), const_cast<void*>(tensor.raw()), hold(std::move(keep_alive)));
}

Tensor tensor_from_dlpack(nb::handle object) {
  AnyArray array;
  if (!nb::try_cast(object, array, false)) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("from_dlpack takes a contiguous tensor in the CPU's memory with __dlpack__, or a DLPack "
                            "capsule, not {}.",
                            nb::cast<std::string>(nb::repr(object.type()))));
  }
  const Tensor tensor = view_of(array, "from_dlpack");
  auto owner = std::shared_ptr<AnyArray>(new AnyArray(std::move(array)), [](AnyArray* held) {
    if (!Py_IsInitialized()) return;
    const nb::gil_scoped_acquire lock;
    delete held;
  });
  return Tensor::view(tensor.type(), tensor.shape(), const_cast<void*>(tensor.raw()), std::move(owner));
}

nb::object dlpack_from_tensor(const Tensor& tensor) {
  return nb::cast(dlpack_array<nb::array_api>(tensor), nb::rv_policy::reference).attr("__dlpack__")();
}

bool is_dlpack_uint8(const nb::capsule& capsule) {
  constexpr const char* kName = "dltensor";
  if (PyCapsule_IsValid(capsule.ptr(), kName) == 0) {
    throw Error(ErrorCode::kInvalidArgument, "A DLPack capsule named 'dltensor' is needed.");
  }
  const auto* tensor = static_cast<const nb::dlpack::dltensor*>(PyCapsule_GetPointer(capsule.ptr(), kName));
  return tensor->dtype.code == code(nb::dlpack::dtype_code::UInt) && tensor->dtype.bits == 8;
}

nb::object object_from_tensor(const Tensor& tensor) {
  if (!tensor) return nb::none();
  if (tensor.type() == DataType::kMap) return dict_from_map(tensor);
  if (tensor.type() != DataType::kSequence) return array_from_tensor(tensor);
  nb::list elements;
  for (const Tensor& element : tensor.values<Tensor>()) elements.append(object_from_tensor(element));
  return elements;
}

nb::object array_from_tensor(const Tensor& tensor) {
  if (tensor.type() == DataType::kString) {
    nb::list shape;
    for (const int64_t dim : tensor.shape()) shape.append(dim);
    const nb::object flat = numpy().attr("empty")(tensor.elements(), nb::arg("dtype") = "object");
    for (size_t i = 0; i < tensor.values<std::string>().size(); ++i)
      flat[i] = nb::cast(tensor.values<std::string>()[i]);
    return flat.attr("reshape")(nb::tuple(shape));
  }
  if (const ExtensionType* extension = find_extension_type(tensor.type())) {
    const DataType bits = element_size(tensor.type()) == 2 ? DataType::kUint16 : DataType::kUint8;
    void* data = const_cast<void*>(tensor.raw());
    return with_extension_type(array_from_tensor(Tensor::view(bits, tensor.shape(), data, tensor.owner())),
                               extension->name);
  }
  return nb::cast(dlpack_array<nb::numpy>(tensor), nb::rv_policy::reference);
}

}  // namespace attune::python
