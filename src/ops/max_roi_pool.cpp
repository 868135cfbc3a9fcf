// MaxRoiPool: https://onnx.ai/onnx/operators/onnx__MaxRoiPool.html, versions 1 and 22. Where a region's borders fall
// between pixels, and what an empty bin gives (zero), is as in onnxruntime.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "attune/error.h"
#include "ops/element_types.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

/// The pixels [begin, end) of one bin along one axis.
struct Bin {
  int64_t begin = 0;
  int64_t end = 0;
};

class MaxRoiPool final : public Operator {
 public:
  explicit MaxRoiPool(const Node& node) : scale_(node.attributes.get_float("spatial_scale", 1.0F)) {
    const auto shape = node.attributes.require_ints("pooled_shape");
    constexpr int64_t kMost = 1 << 16;
    if (shape.size() != 2 || std::min(shape[0], shape[1]) < 1 || std::max(shape[0], shape[1]) > kMost) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("MaxRoiPool: a pooled_shape of [{}].", fmt::join(shape, ", ")));
    }
    if (!(scale_ > 0.0F)) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("MaxRoiPool: a spatial_scale of {}.", scale_));
    }
    height_ = shape[0];
    width_ = shape[1];
  }

  void infer(InferContext& context) const override {
    context.set_output_type(0, context.type(0));
    if (!context.has_shape(0) || !context.has_shape(1)) return;
    const Shape& x = context.shape(0);
    const Shape& rois = context.shape(1);
    if (x.rank() != 4 || rois.rank() != 2 || (is_known(rois[1]) && rois[1] != 5)) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("MaxRoiPool: X of shape {} and rois of shape {}.", x.to_string(), rois.to_string()));
    }
    context.set_output(0, context.type(0), Shape{rois[0], x[1], height_, width_});
  }

  void run(RunContext& context) const override {
    visit_type<float, double>(context.input(0).type, [&](auto tag) { pool<typename decltype(tag)::type>(context); });
  }

 private:
  template <class T>
  void pool(RunContext& context) const {
    const TensorView& x = context.input(0);
    const int64_t channels = x.dim(1);
    const int64_t rows = x.dim(2);
    const int64_t columns = x.dim(3);
    for_ranges(context.parallel(), context.input(1).dim(0), 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t index = begin; index < end; ++index) {
        const T* roi = context.input(1).as<T>() + index * 5;
        if (!(roi[0] >= T{0} && roi[0] < static_cast<T>(x.dim(0)))) {
          throw Error(ErrorCode::kInvalidArgument,
                      fmt::format("MaxRoiPool: batch index {} of a batch of {}.", roi[0], x.dim(0)));
        }
        const T* image = x.as<T>() + static_cast<int64_t>(roi[0]) * channels * rows * columns;
        T* out = context.output(0).as<T>() + index * channels * height_ * width_;
        for (int64_t place = 0; place < height_ * width_; ++place) {
          const Bin down = bin(roi[2], roi[4], place / width_, height_, rows);
          const Bin across = bin(roi[1], roi[3], place % width_, width_, columns);
          for (int64_t c = 0; c < channels; ++c) {
            out[c * height_ * width_ + place] = largest(image + c * rows * columns, columns, down, across);
          }
        }
      }
    });
  }

  /// Bin `index` of `count` of the region from pixel `first` to `last` of an axis of `size` pixels.
  template <class T>
  Bin bin(T first, T last, int64_t index, int64_t count, int64_t size) const {
    const float start = pixel(first);
    const float length = std::max(pixel(last) - start + 1.0F, 1.0F);
    const float step = length / static_cast<float>(count);
    const auto within = [&](float place) {
      return static_cast<int64_t>(std::clamp(place + start, 0.0F, static_cast<float>(size)));
    };
    return {within(std::floor(static_cast<float>(index) * step)),
            within(std::ceil(static_cast<float>(index + 1) * step))};
  }

  /// The pixel nearest to a coordinate of the unscaled image; far outside of any image where it is no number.
  template <class T>
  float pixel(T coordinate) const {
    constexpr float kFar = 1 << 24;  // floats count pixels one by one up to here
    const float place = std::round(static_cast<float>(coordinate) * scale_);
    return place > -kFar && place < kFar ? place : (place > 0.0F ? kFar : -kFar);
  }

  template <class T>
  static T largest(const T* image, int64_t columns, const Bin& down, const Bin& across) {
    if (down.begin >= down.end || across.begin >= across.end) return T{0};
    T result = std::numeric_limits<T>::lowest();
    for (int64_t row = down.begin; row < down.end; ++row) {
      const T* line = image + row * columns;
      for (int64_t column = across.begin; column < across.end; ++column) result = std::max(result, line[column]);
    }
    return result;
  }

  int64_t height_ = 1;
  int64_t width_ = 1;
  float scale_;
};

}  // namespace

[[gnu::cold]] const OpDef& max_roi_pool() {
  static const OpDef def{
      .name = "MaxRoiPool",
      .inputs = {{"X", "T"}, {"rois", "T"}},
      .outputs = {{"Y", "T"}},
      .types = {{"T", kFloats}},
      .make = make_operator<MaxRoiPool>,
  };
  return def;
}

}  // namespace attune::ops
