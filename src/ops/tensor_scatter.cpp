// TensorScatter: https://onnx.ai/onnx/operators/onnx__TensorScatter.html, version 24: writes new rows into a cache.
// CenterCropPad: https://onnx.ai/onnx/operators/onnx__CenterCropPad.html, version 18.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "attune/error.h"
#include "ops/axes.h"
#include "ops/movement.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

class TensorScatter final : public Operator {
 public:
  explicit TensorScatter(const Node& node) : axis_(node.attributes.get_int("axis", -2)) {
    const std::string mode = node.attributes.get_string("mode", "linear");
    circular_ = mode == "circular";
    if (!circular_ && mode != "linear") {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("TensorScatter: unknown mode '{}'.", mode));
    }
  }

  void infer(InferContext& context) const override {
    context.set_output_type(0, context.type(0));
    if (!context.has_shape(0)) return;
    const Shape& cache = context.shape(0);
    const int axis = cache_axis(cache.rank());
    if (context.has_shape(1)) {
      const Shape& update = context.shape(1);
      bool fits = update.rank() == cache.rank();
      for (int i = 0; fits && i < cache.rank(); ++i) {
        if (!is_known(cache[i]) || !is_known(update[i])) continue;
        fits = i == axis ? update[i] <= cache[i] : update[i] == cache[i];
      }
      if (!fits) {
        throw Error(ErrorCode::kInvalidGraph,
                    fmt::format("TensorScatter: an update of shape {} for a cache of shape {}.", update.to_string(),
                                cache.to_string()));
      }
    }
    context.set_output(0, context.type(0), cache);
  }

  void run(RunContext& context) const override {
    const TensorView& cache = context.input(0);
    const TensorView& update = context.input(1);
    const TensorView& y = context.output(0);
    copy_all(cache, y, context.parallel());
    const int axis = cache_axis(cache.rank());
    const int64_t rows = update.dim(axis);
    const int64_t extent = cache.dim(axis);
    const int64_t row_size = cache.shape().product(axis + 1, cache.rank());
    const int64_t outer = cache.shape().product(0, axis);
    const int64_t each = outer / std::max<int64_t>(cache.dim(0), 1);
    if (context.has_input(2) && context.input(2).elements() != cache.dim(0)) {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("TensorScatter: {} write_indices for a batch of {}.",
                                                           context.input(2).elements(), cache.dim(0)));
    }
    for (int64_t i = 0; i < outer; ++i) {
      const int64_t start = context.has_input(2) ? context.input(2).as<int64_t>()[i / each] : 0;
      if (start < 0 || (circular_ ? start >= extent && rows > 0 : start > extent - rows)) {
        throw Error(ErrorCode::kInvalidArgument,
                    fmt::format("TensorScatter: {} rows from {} on in a cache of {}.", rows, start, extent));
      }
      // At most two pieces: up to the end of the cache, and from its beginning.
      const int64_t first = std::min(rows, extent - start);
      copy_rows(update, i * rows * row_size, y, (i * extent + start) * row_size, first * row_size);
      copy_rows(update, (i * rows + first) * row_size, y, i * extent * row_size, (rows - first) * row_size);
    }
  }

 private:
  static int cache_axis(int64_t axis, int rank) {
    const int place = resolve_axis(axis, rank);
    if (place == 0) throw Error(ErrorCode::kInvalidGraph, "TensorScatter: the axis must not be the batch.");
    return place;
  }
  int cache_axis(int rank) const { return cache_axis(axis_, rank); }

  static void copy_rows(const TensorView& from, int64_t source, const TensorView& to, int64_t target, int64_t n) {
    if (from.type == DataType::kString) {
      std::copy_n(from.as<std::string>() + source, n, to.as<std::string>() + target);
      return;
    }
    const auto size = static_cast<int64_t>(element_size(from.type));
    std::memcpy(static_cast<std::byte*>(to.data) + target * size,
                static_cast<const std::byte*>(from.data) + source * size, static_cast<size_t>(n * size));
  }

  int64_t axis_;
  bool circular_ = false;
};

/// Cuts or pads with zeros, at both ends alike, until the axes have the sizes; the odd one comes from, or goes to, the
/// end.
class CenterCropPad final : public Operator {
 public:
  explicit CenterCropPad(const Node& node) {
    const auto axes = node.attributes.get_ints("axes");
    axes_.assign(axes.begin(), axes.end());
  }

  void infer(InferContext& context) const override {
    context.set_output_type(0, context.type(0));
    if (!context.has_shape(0)) return;
    const Shape& x = context.shape(0);
    Shape y = x;
    const std::vector<int> axes = chosen(x.rank());
    if (const auto sizes = known_integers(context, 1)) {
      return context.set_output(0, context.type(0), target_shape(x, *sizes, ErrorCode::kInvalidGraph));
    }
    const auto dims = context.elements(1);
    for (size_t i = 0; i < axes.size(); ++i) {
      const bool stated = dims && dims->rank() == static_cast<int>(axes.size());
      const int64_t dim = stated ? (*dims)[static_cast<int>(i)] : kUnknownDim;
      y[axes[i]] = dim == kUnknownDim ? context.fresh_dim() : dim;
    }
    context.set_output(0, context.type(0), y);
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const Shape shape = target_shape(x.shape(), read_integers(context.input(1)), ErrorCode::kInvalidArgument);
    const TensorView y = output_of_shape(context, 0, shape);
    if (y.type == DataType::kString) {
      std::fill_n(y.as<std::string>(), y.elements(), std::string());
    } else {
      std::memset(y.data, 0, y.physical_bytes());
    }
    const Shape from = strides_of(x.shape());
    const Shape to = strides_of(shape);
    Shape box = shape;
    int64_t source = 0;
    int64_t target = 0;
    for (int axis = 0; axis < shape.rank(); ++axis) {
      box[axis] = std::min(shape[axis], x.dim(axis));
      source += (x.dim(axis) - box[axis]) / 2 * from[axis];
      target += (shape[axis] - box[axis]) / 2 * to[axis];
    }
    if (box.elements() > 0) copy_box(x.type, box, x.data, source, from, y.data, target, to, context.parallel());
  }

 private:
  std::vector<int> chosen(int rank) const {
    if (!axes_.empty()) return resolve_axes(axes_, rank);
    std::vector<int> all(static_cast<size_t>(rank));
    for (int axis = 0; axis < rank; ++axis) all[static_cast<size_t>(axis)] = axis;
    return all;
  }

  Shape target_shape(const Shape& x, const std::vector<int64_t>& sizes, ErrorCode code) const {
    const std::vector<int> axes = chosen(x.rank());
    Shape shape = x;
    bool fits = sizes.size() == axes.size();
    for (size_t i = 0; fits && i < axes.size(); ++i) {
      shape[axes[i]] = sizes[i];
      fits = sizes[i] >= 0;
    }
    if (!fits)
      throw Error(code,
                  fmt::format("CenterCropPad: {} sizes for {} axes, or a negative one.", sizes.size(), axes.size()));
    return shape;
  }

  std::vector<int64_t> axes_;
};

}  // namespace

[[gnu::cold]] const OpDef& center_crop_pad() {
  static const OpDef def{
      .name = "CenterCropPad",
      .since = 18,
      .inputs = {{"input_data", "T"}, {"shape", "Tind"}},
      .outputs = {{"output_data", "T"}},
      .types = {{"T", kAnyType}, {"Tind", kIndices}},
      .make = make_operator<CenterCropPad>,
  };
  return def;
}

[[gnu::cold]] const OpDef& tensor_scatter() {
  static const OpDef def{
      .name = "TensorScatter",
      .since = 24,
      .inputs = {{"past_cache", "T"}, {"update", "T"}, {"write_indices", "tensor(int64)", Occurrence::kOptional}},
      .outputs = {{"present_cache", "T"}},
      .types = {{"T", kAnyType}, {"tensor(int64)", {DataType::kInt64}}},
      .make = make_operator<TensorScatter>,
      .in_place = {0},
  };
  return def;
}

}  // namespace attune::ops
