#include "ops/window.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "attune/error.h"

namespace attune::ops {
namespace {

AutoPad parse_auto_pad(const Node& node) {
  const std::string name = node.attributes.get_string("auto_pad", "NOTSET");
  if (name == "NOTSET" || name.empty()) return AutoPad::kNotSet;
  if (name == "SAME_UPPER") return AutoPad::kSameUpper;
  if (name == "SAME_LOWER") return AutoPad::kSameLower;
  if (name == "VALID") return AutoPad::kValid;
  throw Error(ErrorCode::kInvalidGraph, fmt::format("Unknown auto_pad '{}'.", name));
}

// Sizes beyond this overflow what is computed from them and belong to no real model.
constexpr int64_t kMost = int64_t{1} << 31;

std::vector<int64_t> parse_list(const Node& node, std::string_view name, int64_t least) {
  const auto values = node.attributes.get_ints(name);
  for (const int64_t value : values) {
    if (value < least || value > kMost) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("Attribute {} holds {}, which is out of range.", name, value));
    }
  }
  return {values.begin(), values.end()};
}

void check_length(std::string_view name, size_t length, size_t wanted) {
  if (length == 0 || length == wanted) return;
  throw Error(ErrorCode::kInvalidGraph, fmt::format("Attribute {} has {} values, not {}.", name, length, wanted));
}

}  // namespace

Window Window::parse(const Node& node) {
  Window window;
  window.auto_pad = parse_auto_pad(node);
  window.ceil_mode = node.attributes.get_int("ceil_mode", 0) != 0;
  window.kernel = parse_list(node, "kernel_shape", 1);
  window.strides = parse_list(node, "strides", 1);
  window.dilations = parse_list(node, "dilations", 1);
  window.pads = parse_list(node, "pads", 0);
  return window;
}

void Window::check_rank(int spatial) const {
  const auto count = static_cast<size_t>(spatial);
  check_length("kernel_shape", kernel.size(), count);
  check_length("strides", strides.size(), count);
  check_length("dilations", dilations.size(), count);
  check_length("pads", pads.size(), 2 * count);
}

WindowAxis Window::resolve(int axis, int64_t kernel_size, int64_t input) const {
  WindowAxis result{kernel_size, stride(axis), dilation(axis)};
  if (auto_pad == AutoPad::kNotSet) {
    result.pad_begin = pad_begin(axis);
    result.pad_end = pad_end(axis);
  } else if (auto_pad != AutoPad::kValid) {
    const int64_t wanted = (input + result.stride - 1) / result.stride;
    const int64_t pad = std::max<int64_t>((wanted - 1) * result.stride + result.extent() - input, 0);
    result.pad_begin = auto_pad == AutoPad::kSameLower ? (pad + 1) / 2 : pad / 2;
    result.pad_end = pad - result.pad_begin;
  }
  if (input == 0) {
    result.output = 0;
    return result;
  }
  const int64_t room = input + result.pad_begin + result.pad_end - result.extent();
  if (room < 0) {
    throw Error(ErrorCode::kInvalidGraph,
                fmt::format("Invalid input shape: a window of {} does not fit into spatial axis {} of size {} with "
                            "pads {} and {}.",
                            result.extent(), axis, input, result.pad_begin, result.pad_end));
  }
  result.output = room / result.stride + 1;
  if (ceil_mode && room % result.stride != 0) {
    // One more window, unless it would start in the padding at the end.
    if (result.output * result.stride < input + result.pad_begin) ++result.output;
  }
  return result;
}

int64_t Window::infer_dim(int axis, int64_t kernel_size, int64_t input, InferContext& context) const {
  if (is_known(kernel_size) && is_known(input)) return resolve(axis, kernel_size, input).output;
  const int64_t step = stride(axis);
  const bool same = auto_pad == AutoPad::kSameUpper || auto_pad == AutoPad::kSameLower;
  if (same) return context.derived_dim(input, step - 1, step);
  if (is_known(kernel_size) && !(ceil_mode && step > 1)) {
    const int64_t pad = auto_pad == AutoPad::kValid ? 0 : pad_begin(axis) + pad_end(axis);
    return context.derived_dim(input, pad - dilation(axis) * (kernel_size - 1) - 1 + step, step);
  }
  return context.fresh_dim();
}

int64_t parse_groups(const Node& node, std::string_view name) {
  const int64_t groups = node.attributes.get_int(name, 1);
  if (groups < 1 || groups > kMost) throw Error(ErrorCode::kInvalidGraph, fmt::format("{} is {}.", name, groups));
  return groups;
}

Shape infer_pool_shape(const Window& window, const Shape& x, InferContext& context) {
  const int spatial = x.rank() - 2;
  if (spatial < 1) {
    throw Error(ErrorCode::kInvalidGraph, fmt::format("Input of shape {} has no spatial axis.", x.to_string()));
  }
  window.check_rank(spatial);
  Shape shape{x[0], x[1]};
  for (int axis = 0; axis < spatial; ++axis) {
    shape.push_back(window.infer_dim(axis, window.kernel[static_cast<size_t>(axis)], x[2 + axis], context));
  }
  return shape;
}

}  // namespace attune::ops
