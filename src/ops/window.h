// The sliding window of convolutions and poolings: attributes, padding and output sizes.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "graph/graph.h"
#include "ops/operator.h"

namespace attune::ops {

enum class AutoPad : uint8_t { kNotSet, kSameUpper, kSameLower, kValid };

/// One spatial axis with its padding worked out.
struct WindowAxis {
  int64_t kernel = 1;
  int64_t stride = 1;
  int64_t dilation = 1;
  int64_t pad_begin = 0;
  int64_t pad_end = 0;
  int64_t output = 1;  ///< 0 where the input is empty

  int64_t extent() const { return dilation * (kernel - 1) + 1; }
};

/// The attributes; lists are empty where the node leaves them out.
struct Window {
  AutoPad auto_pad = AutoPad::kNotSet;
  bool ceil_mode = false;
  std::vector<int64_t> kernel;
  std::vector<int64_t> strides;
  std::vector<int64_t> dilations;
  std::vector<int64_t> pads;  ///< begins of all axes, then ends

  /// Throws Error(kInvalidGraph) for values that mean nothing: strides below 1, negative pads, unknown auto_pad.
  static Window parse(const Node& node);

  /// Throws Error(kInvalidGraph) when a list has another length than `spatial` axes need.
  void check_rank(int spatial) const;

  int64_t stride(int axis) const { return strides.empty() ? 1 : strides[static_cast<size_t>(axis)]; }
  int64_t dilation(int axis) const { return dilations.empty() ? 1 : dilations[static_cast<size_t>(axis)]; }
  int64_t pad_begin(int axis) const { return pads.empty() ? 0 : pads[static_cast<size_t>(axis)]; }
  int64_t pad_end(int axis) const { return pads.empty() ? 0 : pads[pads.size() / 2 + static_cast<size_t>(axis)]; }

  /// Padding and output size of one axis for a known input size. Throws Error(kInvalidGraph) when the window does not
  /// fit into the padded input (an empty input gives an empty output).
  WindowAxis resolve(int axis, int64_t kernel_size, int64_t input) const;

  /// The output size where dimensions may be unknown; keeps the input's symbol when the window keeps the size.
  int64_t infer_dim(int axis, int64_t kernel_size, int64_t input, InferContext& context) const;
};

/// The attribute `name` of a convolution: into how many groups its channels are divided. Throws Error(kInvalidGraph)
/// when it is below 1 or beyond what any model has.
int64_t parse_groups(const Node& node, std::string_view name = "group");

/// [N, C] of `x` and the window's output sizes: the shape of a pooling's output. Throws as resolve() does.
Shape infer_pool_shape(const Window& window, const Shape& x, InferContext& context);

}  // namespace attune::ops
