#include "onnx/sparse_tensor.h"

#include <fmt/format.h>

#include <cstring>

#include "attune/error.h"

namespace attune {
namespace {

[[noreturn]] void throw_argument(const std::string& name, std::string_view what) {
  throw Error(ErrorCode::kInvalidArgument, fmt::format("Sparse initializer '{}': {}.", name, what));
}

/// What is zero almost everywhere says in a few bytes that it wants any amount of memory.
constexpr int64_t kMostElements = int64_t{1} << 30;

}  // namespace

NamedTensor read_sparse_tensor(protozero::pbf_reader message, const std::shared_ptr<const void>& owner,
                               ExternalData& external) {
  NamedTensor values;
  Tensor indices;
  Shape shape;
  while (message.next()) {
    switch (message.tag()) {
      case 1:
        values = read_tensor(message.get_message(), owner, external);
        break;
      case 2:
        indices = read_tensor(message.get_message(), owner, external).tensor;
        break;
      case 3:
        if (message.wire_type() == protozero::pbf_wire_type::length_delimited) {
          for (const int64_t dim : message.get_packed_int64()) shape.push_back(dim);
        } else {
          shape.push_back(message.get_int64());
        }
        break;
      default:
        message.skip();
    }
  }
  const std::string& name = values.name;
  const Tensor given = values.tensor.aligned();
  if (!given || given.shape().rank() != 1) throw_argument(name, "its values are not a vector");
  if (!shape.is_concrete() || shape.elements() > kMostElements) {
    throw_argument(name, fmt::format("the shape {} is negative or too large", shape.to_string()));
  }
  const int64_t count = given.elements();
  const bool linear = indices.shape().rank() == 1;
  const Shape wanted = linear ? Shape{count} : Shape{count, shape.rank()};
  // Without values there need not be indices.
  if (count > 0 && (indices.type() != DataType::kInt64 || indices.shape() != wanted)) {
    throw_argument(name, fmt::format("its indices are not a tensor of int64 of shape {{{0}}} or {{{0},{1}}}", count,
                                     shape.rank()));
  }
  Tensor dense = Tensor::allocate(given.type(), shape);
  const size_t size = element_size(given.type());
  if (given.type() != DataType::kString) std::memset(dense.raw(), 0, dense.bytes());
  const Tensor aligned = count > 0 ? indices.aligned() : indices;
  const int64_t* index = count > 0 ? aligned.values<int64_t>().data() : nullptr;
  int64_t last = -1;
  for (int64_t k = 0; k < count; ++k) {
    int64_t offset = 0;
    if (linear) {
      offset = index[k];
      if (offset < 0 || offset >= shape.elements())
        throw_argument(name, fmt::format("the index {} is outside", offset));
    } else {
      for (int axis = 0; axis < shape.rank(); ++axis) {
        const int64_t i = index[k * shape.rank() + axis];
        if (i < 0 || i >= shape[axis]) throw_argument(name, fmt::format("the index {} is outside", i));
        offset = offset * shape[axis] + i;
      }
    }
    if (offset <= last) throw_argument(name, "its indices are not in ascending order");
    last = offset;
    if (given.type() == DataType::kString) {
      dense.values<std::string>()[static_cast<size_t>(offset)] = given.values<std::string>()[static_cast<size_t>(k)];
    } else {
      std::memcpy(static_cast<std::byte*>(dense.raw()) + static_cast<size_t>(offset) * size,
                  static_cast<const std::byte*>(given.raw()) + static_cast<size_t>(k) * size, size);
    }
  }
  return {name, std::move(dense)};
}

}  // namespace attune
