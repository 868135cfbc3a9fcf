#include "attune/tensor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "attune/error.h"
#include "base/memory.h"

namespace attune {
namespace {

constexpr int64_t kMaxElements = int64_t{1} << 62;

struct TypeRow {
  std::string_view name;
  size_t size;
};

// Indexed by DataType's values.
constexpr TypeRow kTypes[] = {
    {"undefined", 0},      {"float", 4},      {"uint8", 1},
    {"int8", 1},           {"uint16", 2},     {"int16", 2},
    {"int32", 4},          {"int64", 8},      {"string", sizeof(std::string)},
    {"bool", 1},           {"float16", 2},    {"double", 8},
    {"uint32", 4},         {"uint64", 8},     {"complex64", 8},
    {"complex128", 16},    {"bfloat16", 2},   {"float8e4m3fn", 1},
    {"float8e4m3fnuz", 1}, {"float8e5m2", 1}, {"float8e5m2fnuz", 1},
    {"uint4", 1},          {"int4", 1},       {"float4e2m1", 1},
    {"float8e8m0", 1},     {"uint2", 1},      {"int2", 1},
};

const TypeRow& row_of(DataType type) {
  const auto index = static_cast<size_t>(type);
  return kTypes[index < std::size(kTypes) ? index : 0];
}

}  // namespace

size_t element_size(DataType type) { return row_of(type).size; }

std::string_view data_type_name(DataType type) { return row_of(type).name; }

std::string tensor_type_name(DataType type) {
  if (type == DataType::kSequence) return "seq";
  if (type == DataType::kMap) return "map";
  return fmt::format("tensor({})", data_type_name(type));
}

Shape::Shape(std::initializer_list<int64_t> dims) : Shape(std::span<const int64_t>(dims.begin(), dims.size())) {}

Shape::Shape(std::span<const int64_t> dims) {
  for (const int64_t dim : dims) push_back(dim);
}

Shape Shape::filled(int rank, int64_t value) {
  Shape shape;
  for (int axis = 0; axis < rank; ++axis) shape.push_back(value);
  return shape;
}

void Shape::push_back(int64_t dim) { insert(rank_, dim); }

void Shape::insert(int axis, int64_t dim) {
  if (rank_ == kMaxRank) {
    throw Error(ErrorCode::kNotImplemented, fmt::format("A tensor has more than {} dimensions.", kMaxRank));
  }
  for (int i = rank_; i > axis; --i) dims_[static_cast<size_t>(i)] = dims_[static_cast<size_t>(i - 1)];
  dims_[static_cast<size_t>(axis)] = dim;
  ++rank_;
}

void Shape::erase(int axis) {
  for (int i = axis; i + 1 < rank_; ++i) dims_[static_cast<size_t>(i)] = dims_[static_cast<size_t>(i + 1)];
  --rank_;
}

bool Shape::is_concrete() const {
  return std::none_of(begin(), end(), [](int64_t dim) { return dim < 0; });
}

int64_t Shape::elements() const {
  int64_t count = 1;
  bool empty = false;
  bool too_many = false;
  for (const int64_t dim : *this) {
    if (dim < 0) throw Error(ErrorCode::kInvalidArgument, fmt::format("Shape {} is not concrete.", to_string()));
    empty = empty || dim == 0;
    too_many = too_many || (dim > 0 && count > kMaxElements / dim);
    if (!too_many && dim > 0) count *= dim;
  }
  // Also where there are none because of a 0: code that steps through the other dimensions multiplies them.
  if (too_many) throw Error(ErrorCode::kInvalidArgument, fmt::format("Shape {} has too many elements.", to_string()));
  return empty ? 0 : count;
}

int64_t Shape::product(int from, int to) const {
  int64_t count = 1;
  for (int axis = from; axis < to; ++axis) count *= (*this)[axis];
  return count;
}

std::string Shape::to_string() const { return fmt::format("{{{}}}", fmt::join(dims(), ",")); }

bool operator==(const Shape& a, const Shape& b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

Tensor Tensor::allocate(DataType type, const Shape& shape) {
  Tensor tensor;
  tensor.type_ = type;
  tensor.shape_ = shape;
  tensor.elements_ = shape.elements();
  const size_t size = element_size(type);
  if (size == 0) {
    throw Error(ErrorCode::kNotImplemented, fmt::format("Tensors of {} cannot be held.", data_type_name(type)));
  }
  const auto count = static_cast<size_t>(tensor.elements_);
  if (count > static_cast<size_t>(kMaxElements) / size) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("Shape {} has too many elements.", shape.to_string()));
  }
  if (type == DataType::kString) {
    std::shared_ptr<std::string[]> strings(new std::string[count]);
    tensor.data_ = strings.get();
    tensor.owner_ = std::shared_ptr<const void>(strings, strings.get());
    return tensor;
  }
  std::shared_ptr<std::byte> memory = allocate_block(count * size);
  tensor.data_ = memory.get();
  tensor.owner_ = std::move(memory);
  return tensor;
}

Tensor Tensor::view(DataType type, const Shape& shape, void* data, std::shared_ptr<const void> owner) {
  Tensor tensor;
  tensor.type_ = type;
  tensor.shape_ = shape;
  tensor.elements_ = shape.elements();
  tensor.data_ = data;
  tensor.owner_ = std::move(owner);
  return tensor;
}

bool Tensor::is_aligned() const {
  const size_t size = element_size(type_);
  return size <= 1 || reinterpret_cast<uintptr_t>(data_) % std::min<size_t>(size, alignof(double)) == 0;
}

Tensor Tensor::aligned() const { return is_aligned() ? *this : copied(); }

Tensor Tensor::sequence(std::vector<Tensor> elements) {
  auto owner = std::make_shared<std::vector<Tensor>>(std::move(elements));
  Tensor* data = owner->data();
  const Shape shape{static_cast<int64_t>(owner->size())};
  static Tensor nothing;  // an empty vector has no memory, and null would stand for an absent value
  return view(DataType::kSequence, shape, data != nullptr ? data : &nothing, std::move(owner));
}

Tensor Tensor::map(Tensor keys, Tensor values) {
  const bool has_keys = keys.type() == DataType::kInt64 || keys.type() == DataType::kString;
  if (!has_keys || keys.shape().rank() != 1 || !(keys.shape() == values.shape())) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("A map is made of keys of one dimension, int64 or strings, and as many values, not of {} of "
                    "shape {} and {} of shape {}.",
                    tensor_type_name(keys.type()), keys.shape().to_string(), tensor_type_name(values.type()),
                    values.shape().to_string()));
  }
  auto owner = std::make_shared<std::array<Tensor, 2>>(std::array{std::move(keys), std::move(values)});
  Tensor* data = owner->data();
  return view(DataType::kMap, Shape{2}, data, std::move(owner));
}

const Tensor& Tensor::map_keys() const {
  check_type(DataType::kMap);
  return static_cast<const Tensor*>(data_)[0];
}

const Tensor& Tensor::map_values() const {
  check_type(DataType::kMap);
  return static_cast<const Tensor*>(data_)[1];
}

Tensor Tensor::copied() const {
  if (type_ == DataType::kMap) return map(map_keys().copied(), map_values().copied());
  if (type_ == DataType::kSequence) {
    std::vector<Tensor> elements;
    for (const Tensor& element : values<Tensor>()) elements.push_back(element ? element.copied() : element);
    return sequence(std::move(elements));
  }
  Tensor copy = allocate(type_, shape_);
  if (type_ == DataType::kString) {
    std::copy_n(static_cast<const std::string*>(data_), elements_, static_cast<std::string*>(copy.data_));
  } else {
    std::memcpy(copy.data_, data_, bytes());
  }
  return copy;
}

Tensor Tensor::reshaped(const Shape& shape) const {
  if (shape.elements() != elements_) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("A tensor of shape {} cannot take the shape {}.", shape_.to_string(), shape.to_string()));
  }
  Tensor tensor = *this;
  tensor.shape_ = shape;
  return tensor;
}

void Tensor::check_type(DataType wanted) const {
  if (wanted == type_ && is_aligned()) return;
  if (wanted == type_) throw Error(ErrorCode::kInvalidArgument, "A tensor's elements are not aligned.");
  throw Error(ErrorCode::kInvalidArgument, fmt::format("Unexpected tensor type. Actual: ({}) , expected: ({})",
                                                       tensor_type_name(type_), tensor_type_name(wanted)));
}

}  // namespace attune
