// MaxPool: https://onnx.ai/onnx/operators/onnx__MaxPool.html, versions 1 to 22.
// AveragePool: https://onnx.ai/onnx/operators/onnx__AveragePool.html, versions 1 to 22.
// LpPool: https://onnx.ai/onnx/operators/onnx__LpPool.html, versions 1 to 22.
// Any number of spatial axes.
//
// Float images go to the kernels; other types, three and more spatial axes, indices and LpPool to a plain loop.
#include "kernels/pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "attune/error.h"
#include "ops/batch.h"
#include "ops/conv_pool.h"
#include "ops/element_types.h"
#include "ops/image_view.h"
#include "ops/op_def.h"
#include "ops/window.h"

namespace attune::ops {
namespace {

/// The spatial axes of one pooling with known sizes.
class WindowGrid {
 public:
  WindowGrid(const Window& window, const Shape& x, const Shape& y) : axes_(x.rank() - 2) {
    for (int axis = 0; axis < axes_; ++axis) {
      axis_[at(axis)] = window.resolve(axis, window.kernel[at(axis)], x[axis + 2]);
      in_[at(axis)] = x[axis + 2];
      out_[at(axis)] = y[axis + 2];
    }
  }

  int64_t in_size() const { return product(in_); }
  int64_t out_size() const { return product(out_); }

  /// Calls visit(offset in the plane) for each element that the window of output `index` covers, in order.
  template <class Visit>
  void visit(int64_t index, Visit&& visit_element) const {
    std::array<int64_t, Shape::kMaxRank> first;
    std::array<int64_t, Shape::kMaxRank> end;
    for (int axis = axes_ - 1; axis >= 0; --axis) {
      const WindowAxis& window = axis_[at(axis)];
      const int64_t start = index % out_[at(axis)] * window.stride - window.pad_begin;
      index /= out_[at(axis)];
      const int64_t skipped = start < 0 ? (-start + window.dilation - 1) / window.dilation : 0;
      first[at(axis)] = start + skipped * window.dilation;
      end[at(axis)] = std::min(start + window.extent(), in_[at(axis)]);
      if (first[at(axis)] >= end[at(axis)]) return;
    }
    std::array<int64_t, Shape::kMaxRank> place = first;
    for (;;) {
      int64_t offset = 0;
      for (int axis = 0; axis < axes_; ++axis) offset = offset * in_[at(axis)] + place[at(axis)];
      visit_element(offset);
      int axis = axes_ - 1;
      for (; axis >= 0; --axis) {
        place[at(axis)] += axis_[at(axis)].dilation;
        if (place[at(axis)] < end[at(axis)]) break;
        place[at(axis)] = first[at(axis)];
      }
      if (axis < 0) return;
    }
  }

  /// The elements of output `index`'s window, padding included, but not what ceil_mode adds beyond the padding.
  int64_t padded_count(int64_t index) const {
    int64_t count = 1;
    for (int axis = axes_ - 1; axis >= 0; --axis) {
      const WindowAxis& window = axis_[at(axis)];
      const int64_t start = index % out_[at(axis)] * window.stride;
      index /= out_[at(axis)];
      const int64_t room = in_[at(axis)] + window.pad_begin + window.pad_end - start;
      count *= std::min(window.kernel, (room + window.dilation - 1) / window.dilation);
    }
    return count;
  }

  /// A plane's offset counted with the first spatial axis running fastest (storage_order = 1).
  int64_t column_major(int64_t offset) const {
    std::array<int64_t, Shape::kMaxRank> place;
    for (int axis = axes_ - 1; axis >= 0; --axis) {
      place[at(axis)] = offset % in_[at(axis)];
      offset /= in_[at(axis)];
    }
    int64_t result = 0;
    for (int axis = axes_ - 1; axis >= 0; --axis) result = result * in_[at(axis)] + place[at(axis)];
    return result;
  }

 private:
  static size_t at(int axis) { return static_cast<size_t>(axis); }
  int64_t product(const std::array<int64_t, Shape::kMaxRank>& sizes) const {
    int64_t result = 1;
    for (int axis = 0; axis < axes_; ++axis) result *= sizes[at(axis)];
    return result;
  }

  int axes_;
  std::array<WindowAxis, Shape::kMaxRank> axis_;
  std::array<int64_t, Shape::kMaxRank> in_;
  std::array<int64_t, Shape::kMaxRank> out_;
};

/// What the three operators share.
class Pool : public Operator {
 public:
  explicit Pool(const Node& node) : window_(Window::parse(node)) {
    if (window_.kernel.empty()) throw Error(ErrorCode::kInvalidGraph, "No kernel shape is set.");
  }

  void infer(InferContext& context) const override {
    const DataType type = context.type(0);
    if (!context.has_shape(0)) {
      context.set_output_type(0, type);
      if (context.output_count() > 1) context.set_output_type(1, DataType::kInt64);
      return;
    }
    const Shape y = infer_pool_shape(window_, context.shape(0), context);
    context.set_output(0, type, y);
    if (context.output_count() > 1) context.set_output(1, DataType::kInt64, y);
  }

  double flops(std::span<const TensorView>, std::span<const TensorView> outputs) const override {
    double taps = 1.0;
    for (const int64_t size : window_.kernel) taps *= static_cast<double>(size);
    return taps * static_cast<double>(outputs[0].elements());
  }

 protected:
  /// Keeps a blocked float image as it is.
  static void keep_layout(LayoutContext& context) {
    if (context.current(0) != Layout::kBlocked || context.input(0).type != DataType::kFloat) return;
    context.want_input(0, Layout::kBlocked);
    context.set_output(0, Layout::kBlocked);
  }

  static bool has_kernel(const TensorView& x) { return x.type == DataType::kFloat && x.rank() <= 4; }

  kernels::PoolShape shape_for(int spatial_axes, const ImageSize& in) const {
    const int last = spatial_axes - 1;
    const WindowAxis horizontal = window_.resolve(last, window_.kernel[static_cast<size_t>(last)], in.width);
    kernels::PoolShape shape;
    shape.batch = in.batch;
    shape.channels = in.channels;
    shape.in_h = in.height;
    shape.in_w = in.width;
    shape.out_w = horizontal.output;
    shape.kernel_w = horizontal.kernel;
    shape.stride_w = horizontal.stride;
    shape.dilation_w = horizontal.dilation;
    shape.pad_left = horizontal.pad_begin;
    shape.pad_right = horizontal.pad_end;
    if (spatial_axes == 2) {
      const WindowAxis vertical = window_.resolve(0, window_.kernel[0], in.height);
      shape.out_h = vertical.output;
      shape.kernel_h = vertical.kernel;
      shape.stride_h = vertical.stride;
      shape.dilation_h = vertical.dilation;
      shape.pad_top = vertical.pad_begin;
      shape.pad_bottom = vertical.pad_end;
    }
    return shape;
  }

  void run_kernel(RunContext& context, kernels::PoolKind kind) const {
    const TensorView& x = context.input(0);
    const kernels::PoolShape shape = shape_for(x.rank() - 2, image_size(x.shape()));
    kernels::run_pool(shape, kind, image_layout(x.layout), kernels::as_const(image_of(x)), image_of(context.output(0)),
                      {0, shape.out_h}, context.parallel());
  }

  /// Calls body(plane, output index in the plane, grid) for every output element.
  template <class Body>
  void for_each_output(RunContext& context, Body&& body) const {
    const TensorView& x = context.input(0);
    const TensorView& y = context.output(0);
    const WindowGrid grid(window_, x.shape(), y.shape());
    const int64_t out_size = grid.out_size();
    for_ranges(context.parallel(), y.elements(), 256, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) body(i / out_size, i % out_size, grid);
    });
  }

  Window window_;
};

class MaxPool final : public Pool, public IsPoolLayer {
 public:
  explicit MaxPool(const Node& node)
      : Pool(node),
        has_indices_(node.output(1) != nullptr),
        column_major_(node.attributes.get_int("storage_order", 0) != 0) {}

  void choose_layouts(LayoutContext& context) const override {
    if (!has_indices_) keep_layout(context);
  }

  bool has_layer() const override { return !has_indices_; }
  PoolLayer layer_for(const ImageSize& input) const override { return {shape_for(2, input), kernels::PoolKind::kMax}; }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return has_indices_ ? 0 : batch_of_first(inputs, outputs);  // indices count the samples before
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    if (context.output(0).elements() == 0) return;
    if (!has_indices_ && has_kernel(x)) return run_kernel(context, kernels::PoolKind::kMax);
    visit_type<float, double, int8_t, uint8_t>(x.type,
                                               [&](auto tag) { run_loop<typename decltype(tag)::type>(context); });
  }

 private:
  template <class T>
  void run_loop(RunContext& context) const {
    const T* x = context.input(0).as<T>();
    T* y = context.output(0).as<T>();
    int64_t* indices = has_indices_ ? context.output(1).as<int64_t>() : nullptr;
    for_each_output(context, [&](int64_t plane, int64_t index, const WindowGrid& grid) {
      const T* in = x + plane * grid.in_size();
      T best = std::numeric_limits<T>::lowest();
      int64_t place = -1;
      grid.visit(index, [&](int64_t offset) {
        if (place >= 0 && !(in[offset] > best)) return;
        best = in[offset];
        place = offset;
      });
      const int64_t output = plane * grid.out_size() + index;
      y[output] = best;
      if (indices == nullptr) return;
      if (place >= 0 && column_major_) place = grid.column_major(place);
      indices[output] = place < 0 ? place : plane * grid.in_size() + place;
    });
  }

  bool has_indices_;
  bool column_major_;
};

class AveragePool final : public Pool, public IsPoolLayer {
 public:
  explicit AveragePool(const Node& node)
      : Pool(node), include_pad_(node.attributes.get_int("count_include_pad", 0) != 0) {}

  void choose_layouts(LayoutContext& context) const override { keep_layout(context); }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return batch_of_first(inputs, outputs);
  }

  bool has_layer() const override { return true; }
  PoolLayer layer_for(const ImageSize& input) const override { return {shape_for(2, input), kind()}; }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    if (context.output(0).elements() == 0) return;
    if (has_kernel(x)) return run_kernel(context, kind());
    visit_type<float, double>(x.type, [&](auto tag) { run_loop<typename decltype(tag)::type>(context); });
  }

 private:
  template <class T>
  void run_loop(RunContext& context) const {
    const T* x = context.input(0).as<T>();
    T* y = context.output(0).as<T>();
    for_each_output(context, [&](int64_t plane, int64_t index, const WindowGrid& grid) {
      const T* in = x + plane * grid.in_size();
      T sum = 0;
      int64_t count = 0;
      grid.visit(index, [&](int64_t offset) {
        sum += in[offset];
        ++count;
      });
      if (include_pad_) count = grid.padded_count(index);
      y[plane * grid.out_size() + index] = sum / static_cast<T>(count);
    });
  }

  kernels::PoolKind kind() const {
    return include_pad_ ? kernels::PoolKind::kAverageIncludePad : kernels::PoolKind::kAverage;
  }

  bool include_pad_;
};

class LpPool final : public Pool {
 public:
  explicit LpPool(const Node& node)
      : Pool(node),
        p_(node.version >= 2 ? static_cast<double>(node.attributes.get_int("p", 2))
                             : double{node.attributes.get_float("p", 2.0F)}) {
    if (!(p_ > 0.0)) throw Error(ErrorCode::kInvalidGraph, fmt::format("LpPool: p is {}.", p_));
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return batch_of_first(inputs, outputs);
  }

  void run(RunContext& context) const override {
    if (context.output(0).elements() == 0) return;
    visit_type<float, double>(context.input(0).type,
                              [&](auto tag) { run_loop<typename decltype(tag)::type>(context); });
  }

 private:
  template <class T>
  void run_loop(RunContext& context) const {
    const T* x = context.input(0).as<T>();
    T* y = context.output(0).as<T>();
    for_each_output(context, [&](int64_t plane, int64_t index, const WindowGrid& grid) {
      const T* in = x + plane * grid.in_size();
      double sum = 0.0;
      grid.visit(index, [&](int64_t offset) { sum += std::pow(std::abs(static_cast<double>(in[offset])), p_); });
      y[plane * grid.out_size() + index] = static_cast<T>(std::pow(sum, 1.0 / p_));
    });
  }

  double p_;
};

}  // namespace

[[gnu::cold]] const OpDef& max_pool() {
  static const OpDef def{
      .name = "MaxPool",
      .inputs = {{"X", "T"}},
      .outputs = {{"Y", "T"}, {"Indices", "I", Occurrence::kOptional}},
      .types = {{"T", kFloats | TypeSet{DataType::kInt8, DataType::kUint8}}, {"I", TypeSet{DataType::kInt64}}},
      .make = make_operator<MaxPool>,
  };
  return def;
}

[[gnu::cold]] const OpDef& average_pool() {
  static const OpDef def{
      .name = "AveragePool",
      .inputs = {{"X", "T"}},
      .outputs = {{"Y", "T"}},
      .types = {{"T", kFloats}},
      .make = make_operator<AveragePool>,
  };
  return def;
}

[[gnu::cold]] const OpDef& lp_pool() {
  static const OpDef def{
      .name = "LpPool",
      .inputs = {{"X", "T"}},
      .outputs = {{"Y", "T"}},
      .types = {{"T", kFloats}},
      .make = make_operator<LpPool>,
  };
  return def;
}

}  // namespace attune::ops
