#include "ops/movement.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "attune/error.h"
#include "kernels/copy.h"

namespace attune::ops {
namespace {

std::optional<std::vector<int64_t>> integers_of(const Tensor* constant) {
  if (constant == nullptr) return std::nullopt;
  if (constant->type() != DataType::kInt32 && constant->type() != DataType::kInt64) {
    throw Error(ErrorCode::kInvalidGraph,
                fmt::format("Expected integers, got {}.", tensor_type_name(constant->type())));
  }
  return read_integers(TensorView::of(*constant));
}

}  // namespace

kernels::Element element_of(DataType type) {
  if (type == DataType::kString) return kernels::Element::kString;
  switch (element_size(type)) {
    case 1:
      return kernels::Element::k1Byte;
    case 2:
      return kernels::Element::k2Bytes;
    case 4:
      return kernels::Element::k4Bytes;
    case 8:
      return kernels::Element::k8Bytes;
    case 16:
      return kernels::Element::k16Bytes;
    default:
      refuse_type(type);
  }
}

void refuse_type(DataType type) {
  throw Error(ErrorCode::kNotImplemented, fmt::format("Tensors of {} are not supported here.", data_type_name(type)));
}

Shape strides_of(const Shape& shape) {
  Shape strides = shape;
  int64_t stride = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

std::vector<int64_t> read_integers(const TensorView& view) {
  std::vector<int64_t> values(static_cast<size_t>(view.elements()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = view.integer(static_cast<int64_t>(i));
  return values;
}

std::optional<std::vector<int64_t>> known_integers(const InferContext& context, int i) {
  return integers_of(context.constant(i));
}

std::optional<std::vector<int64_t>> known_integers(const LayoutContext& context, int i) {
  return context.has_input(i) ? integers_of(context.input(i).constant) : std::nullopt;
}

std::optional<std::vector<int64_t>> known_integers(const PrepareContext& context, int i) {
  return context.has_input(i) ? integers_of(context.input(i).constant) : std::nullopt;
}

TensorView output_of_shape(RunContext& context, int i, const Shape& shape) {
  TensorView view = context.output(i);
  if (view.data != nullptr) {
    if (!(view.shape() == shape)) {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("The inputs ask for an output of shape {}; expected {}.",
                                                           shape.to_string(), view.shape().to_string()));
    }
    return view;
  }
  Tensor tensor = Tensor::allocate(view.type, physical_shape(shape, view.layout, view.block));
  view.data = tensor.raw();
  view.dims = &shape;
  if (view.layout != Layout::kPlain) {
    const auto memory = std::make_shared<Tensor>(std::move(tensor));
    tensor = Tensor::view(view.type, shape, view.data, memory);
  }
  context.give_output(i, std::move(tensor));
  return view;
}

void copy_all(const TensorView& from, const TensorView& to, Parallel& parallel) {
  if (from.data == to.data) return;
  if (from.elements() != to.elements()) {  // what was inferred without the values of an input does not hold for them
    throw Error(ErrorCode::kInvalidArgument, fmt::format("A tensor of shape {} does not become one of shape {}.",
                                                         from.shape().to_string(), to.shape().to_string()));
  }
  kernels::copy_dense(element_of(from.type), from.data, to.data, from.physical_elements(), parallel);
}

bool is_blocked(const LayoutContext& context, int i) {
  if (!context.has_input(i) || context.current(i) != Layout::kBlocked) return false;
  const ValueInfo& info = context.input(i);
  return info.type == DataType::kFloat && info.has_shape && info.shape.rank() == 4 && is_known(info.shape[1]);
}

bool is_blocked_vector(const LayoutContext& context, int i) {
  if (!is_blocked(context, i)) return false;
  const Shape& shape = context.input(i).shape;
  return shape[1] % context.block() == 0 && shape[2] == 1 && shape[3] == 1;
}

void copy_box(DataType type, const Shape& extents, const void* source, int64_t source_offset,
              const Shape& source_strides, void* target, int64_t target_offset, const Shape& target_strides,
              Parallel& parallel) {
  kernels::StridedBox box;
  for (int axis = 0; axis < extents.rank(); ++axis) {
    box.add(extents[axis], source_strides[axis], target_strides[axis]);
  }
  const auto size = static_cast<int64_t>(element_size(type));
  kernels::copy_strided(box, element_of(type), static_cast<const std::byte*>(source) + source_offset * size,
                        static_cast<std::byte*>(target) + target_offset * size, parallel);
}

}  // namespace attune::ops
