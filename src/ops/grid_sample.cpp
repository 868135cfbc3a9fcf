// GridSample: https://onnx.ai/onnx/operators/onnx__GridSample.html, versions 16 to 22, one to three spatial axes.
// AffineGrid: https://onnx.ai/onnx/operators/onnx__AffineGrid.html, version 20.
//
// A grid value that is not a number samples outside the image.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "attune/error.h"
#include "ops/axes.h"
#include "ops/element_types.h"
#include "ops/movement.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

enum class SampleMode : uint8_t { kNearest, kLinear, kCubic };
enum class SamplePadding : uint8_t { kZeros, kBorder, kReflection };

constexpr int kMostAxes = 3;

/// Coordinates beyond this are as far outside as any; it keeps conversions to integers defined.
constexpr double kFar = 1e9;

/// Mirrors at both ends until inside.
double reflect(double x, double low, double high) {
  const double range = high - low;
  if (range <= 0.0) return low;
  if (x < low) {
    const double distance = low - x;
    const double turns = std::floor(distance / range);
    const double rest = distance - turns * range;
    return std::fmod(turns, 2.0) == 0.0 ? low + rest : high - rest;
  }
  if (x > high) {
    const double distance = x - high;
    const double turns = std::floor(distance / range);
    const double rest = distance - turns * range;
    return std::fmod(turns, 2.0) == 0.0 ? high - rest : low + rest;
  }
  return x;
}

/// What one axis contributes to a sample: places along it and their weights.
struct AxisTaps {
  std::array<int64_t, 4> place{};
  std::array<double, 4> weight{};
  int count = 0;
};

/// Points that are sampled together.
constexpr int64_t kBlock = 64;
constexpr size_t kMostTaps = 64;  ///< of a point: 4 along each of 3 axes

/// Of each point of a block the taps [begin[p], begin[p + 1]): places within a channel's image and their weights.
struct PointTaps {
  std::array<size_t, kBlock + 1> begin;
  std::array<int64_t, kBlock * kMostTaps> offset;
  std::array<double, kBlock * kMostTaps> weight;
};

class GridSample final : public Operator {
 public:
  explicit GridSample(const Node& node) : align_corners_(node.attributes.get_int("align_corners", 0) != 0) {
    const std::string mode = node.attributes.get_string("mode", "linear");
    if (mode == "nearest") {
      mode_ = SampleMode::kNearest;
    } else if (mode == "cubic" || mode == "bicubic") {
      mode_ = SampleMode::kCubic;
    } else if (mode != "linear" && mode != "bilinear") {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("GridSample: unknown mode '{}'.", mode));
    }
    const std::string padding = node.attributes.get_string("padding_mode", "zeros");
    if (padding == "border") {
      padding_ = SamplePadding::kBorder;
    } else if (padding == "reflection") {
      padding_ = SamplePadding::kReflection;
    } else if (padding != "zeros") {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("GridSample: unknown padding_mode '{}'.", padding));
    }
  }

  void infer(InferContext& context) const override {
    context.set_output_type(0, context.type(0));
    if (!context.has_shape(0) || !context.has_shape(1)) return;
    const Shape& x = context.shape(0);
    const Shape& grid = context.shape(1);
    const int axes = x.rank() - 2;
    if (axes < 1 || axes > kMostAxes || grid.rank() != x.rank() ||
        (is_known(grid[axes + 1]) && grid[axes + 1] != axes)) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("GridSample: a grid of shape {} for an image of shape {}.",
                                                        grid.to_string(), x.to_string()));
    }
    Shape y{agree_dims(x[0], grid[0], "Batch of image and grid"), x[1]};
    for (int axis = 0; axis < axes; ++axis) y.push_back(grid[axis + 1]);
    context.set_output(0, context.type(0), y);
  }

  void run(RunContext& context) const override {
    visit_type<float, double>(context.input(0).type, [&](auto image_tag) {
      visit_type<float, double>(context.input(1).type, [&](auto grid_tag) {
        sample<typename decltype(image_tag)::type, typename decltype(grid_tag)::type>(context);
      });
    });
  }

  double flops(std::span<const TensorView>, std::span<const TensorView> outputs) const override {
    return 8.0 * static_cast<double>(outputs[0].elements());
  }

 private:
  template <class T, class G>
  void sample(RunContext& context) const {
    const TensorView& x = context.input(0);
    const TensorView& y = context.output(0);
    const int axes = x.rank() - 2;
    const int64_t channels = x.dim(1);
    const int64_t image = x.shape().product(2, x.rank());
    const int64_t points = y.shape().product(2, y.rank());
    const auto* grid = context.input(1).as<G>();
    if (channels == 0 || points == 0) return;
    const int64_t blocks = (points + kBlock - 1) / kBlock;
    for_ranges(context.parallel(), y.dim(0) * blocks, std::max<int64_t>(1, 4096 / (kBlock * channels)),
               [&](int64_t begin, int64_t end, int) {
                 PointTaps taps;
                 for (int64_t task = begin; task < end; ++task) {
                   const int64_t sample = task / blocks;
                   const int64_t first = task % blocks * kBlock;
                   const int64_t count = std::min(kBlock, points - first);
                   find_taps(grid + (sample * points + first) * axes, count, x.shape(), taps);
                   const T* in = x.as<T>() + sample * channels * image;
                   T* out = y.as<T>() + sample * channels * points + first;
                   for (int64_t c = 0; c < channels; ++c, in += image, out += points) {
                     for (size_t p = 0; p < static_cast<size_t>(count); ++p) {
                       double sum = 0.0;
                       for (size_t k = taps.begin[p]; k < taps.begin[p + 1]; ++k) {
                         sum += taps.weight[k] * static_cast<double>(in[taps.offset[k]]);
                       }
                       out[p] = static_cast<T>(sum);
                     }
                   }
                 }
               });
  }

  /// The taps of `count` points: all combinations of those of their axes. They serve all channels.
  template <class G>
  void find_taps(const G* grid, int64_t count, const Shape& x, PointTaps& taps) const {
    const int axes = x.rank() - 2;
    size_t end = 0;
    for (int64_t p = 0; p < count; ++p) {
      taps.begin[static_cast<size_t>(p)] = end;
      const size_t start = end;
      taps.offset[end] = 0;
      taps.weight[end++] = 1.0;
      for (int axis = 0; axis < axes; ++axis) {
        // The grid counts axes from the last one.
        const double n = static_cast<double>(grid[p * axes + (axes - 1 - axis)]);
        const AxisTaps own = axis_taps(n, x[axis + 2]);
        const size_t present = end - start;
        // From the last to the first, so that none is overwritten before it was read.
        for (size_t k = present; k-- > 0;) {
          const int64_t offset = taps.offset[start + k] * x[axis + 2];
          const double weight = taps.weight[start + k];
          for (size_t t = 0; t < static_cast<size_t>(own.count); ++t) {
            const size_t place = start + k * static_cast<size_t>(own.count) + t;
            taps.offset[place] = offset + own.place[t];
            taps.weight[place] = weight * own.weight[t];
          }
        }
        end = start + present * static_cast<size_t>(own.count);
      }
    }
    taps.begin[static_cast<size_t>(count)] = end;
  }

  AxisTaps axis_taps(double n, int64_t size) const {
    AxisTaps taps;
    if (size == 0 || std::isnan(n)) return taps;
    const auto extent = static_cast<double>(size);
    const double low = align_corners_ ? 0.0 : -0.5;
    const double high = align_corners_ ? extent - 1.0 : extent - 0.5;
    double x = align_corners_ ? (n + 1.0) / 2.0 * (extent - 1.0) : ((n + 1.0) * extent - 1.0) / 2.0;
    if (mode_ == SampleMode::kNearest) x = std::nearbyint(x);
    if (x < low || x > high) {
      if (padding_ == SamplePadding::kBorder) x = std::clamp(x, 0.0, extent - 1.0);
      if (padding_ == SamplePadding::kReflection) x = reflect(std::clamp(x, -kFar, kFar), low, high);
    }
    x = std::clamp(x, -kFar, kFar);
    const double floor = std::floor(x);
    const double t = x - floor;
    const auto base = static_cast<int64_t>(floor);
    switch (mode_) {
      case SampleMode::kNearest:
        add(taps, base, 1.0, size, low, high);
        break;
      case SampleMode::kLinear:
        add(taps, base, 1.0 - t, size, low, high);
        add(taps, base + 1, t, size, low, high);
        break;
      case SampleMode::kCubic: {
        constexpr double kA = -0.75;  // Keys, "Cubic convolution interpolation", with the usual parameter
        const auto near = [](double d) { return ((kA + 2.0) * d - (kA + 3.0)) * d * d + 1.0; };
        const auto far = [](double d) { return ((kA * d - 5.0 * kA) * d + 8.0 * kA) * d - 4.0 * kA; };
        add(taps, base - 1, far(t + 1.0), size, low, high);
        add(taps, base, near(t), size, low, high);
        add(taps, base + 1, near(1.0 - t), size, low, high);
        add(taps, base + 2, far(2.0 - t), size, low, high);
        break;
      }
    }
    return taps;
  }

  void add(AxisTaps& taps, int64_t place, double weight, int64_t size, double low, double high) const {
    if (place < 0 || place >= size) {
      if (padding_ == SamplePadding::kZeros) return;
      if (padding_ == SamplePadding::kReflection)
        place = static_cast<int64_t>(reflect(static_cast<double>(place), low, high));
      place = std::clamp<int64_t>(place, 0, size - 1);
    }
    taps.place[static_cast<size_t>(taps.count)] = place;
    taps.weight[static_cast<size_t>(taps.count)] = weight;
    ++taps.count;
  }

  SampleMode mode_ = SampleMode::kLinear;
  SamplePadding padding_ = SamplePadding::kZeros;
  bool align_corners_;
};

/// The grid that GridSample reads an affinely transformed image with.
class AffineGrid final : public Operator {
 public:
  explicit AffineGrid(const Node& node) : align_corners_(node.attributes.get_int("align_corners", 0) != 0) {}

  void infer(InferContext& context) const override {
    context.set_output_type(0, context.type(0));
    const auto size = known_integers(context, 1);
    if (size) return context.set_output(0, context.type(0), grid_shape(*size, ErrorCode::kInvalidGraph));
    if (!context.has_shape(1) || !is_known(context.shape(1)[0])) return;
    const int64_t axes = context.shape(1)[0] - 2;
    check_axes(axes, ErrorCode::kInvalidGraph);
    Shape y{context.has_shape(0) ? context.shape(0)[0] : context.fresh_dim()};
    for (int64_t axis = 0; axis < axes; ++axis) y.push_back(context.fresh_dim());
    y.push_back(axes);
    context.set_output(0, context.type(0), y);
  }

  void run(RunContext& context) const override {
    const TensorView& theta = context.input(0);
    const Shape shape = grid_shape(read_integers(context.input(1)), ErrorCode::kInvalidArgument);
    const auto axes = static_cast<int>(shape[shape.rank() - 1]);
    if (!(theta.shape() == Shape{shape[0], axes, axes + 1})) {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("AffineGrid: theta of shape {} for a grid of shape {}.",
                                                           theta.shape().to_string(), shape.to_string()));
    }
    const TensorView y = output_of_shape(context, 0, shape);
    visit_type<float, double>(theta.type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      const int64_t points = shape.product(1, axes + 1);
      for (int64_t i = 0; i < shape[0] * points; ++i) {
        std::array<double, kMostAxes> place{};
        int64_t rest = i % points;
        for (int axis = axes - 1; axis >= 0; --axis) {
          const int64_t size = shape[axis + 1];
          // The matrix counts axes from the last one.
          place[static_cast<size_t>(axes - 1 - axis)] = coordinate(rest % size, size);
          rest /= size;
        }
        const T* matrix = theta.as<T>() + i / points * axes * (axes + 1);
        for (int row = 0; row < axes; ++row) {
          double sum = static_cast<double>(matrix[row * (axes + 1) + axes]);
          for (int k = 0; k < axes; ++k) {
            sum += static_cast<double>(matrix[row * (axes + 1) + k]) * place[static_cast<size_t>(k)];
          }
          y.as<T>()[i * axes + row] = static_cast<T>(sum);
        }
      }
    });
  }

 private:
  static void check_axes(int64_t axes, ErrorCode code) {
    if (axes != 2 && axes != 3) throw Error(code, fmt::format("AffineGrid: {} spatial axes, not 2 or 3.", axes));
  }

  static Shape grid_shape(const std::vector<int64_t>& size, ErrorCode code) {
    const int64_t axes = static_cast<int64_t>(size.size()) - 2;
    check_axes(axes, code);
    Shape y{size[0]};
    for (int64_t axis = 0; axis < axes; ++axis) y.push_back(size[static_cast<size_t>(axis) + 2]);
    y.push_back(axes);
    if (!y.is_concrete()) throw Error(code, fmt::format("AffineGrid: the size {} is negative.", y.to_string()));
    return y;
  }

  double coordinate(int64_t i, int64_t size) const {
    const auto extent = static_cast<double>(size);
    if (!align_corners_) return (2.0 * static_cast<double>(i) + 1.0) / extent - 1.0;
    return size == 1 ? -1.0 : 2.0 * static_cast<double>(i) / (extent - 1.0) - 1.0;
  }

  bool align_corners_;
};

}  // namespace

[[gnu::cold]] const OpDef& affine_grid() {
  static const OpDef def{
      .name = "AffineGrid",
      .since = 20,
      .inputs = {{"theta", "T1"}, {"size", "T2"}},
      .outputs = {{"grid", "T1"}},
      .types = {{"T1", kFloats}, {"T2", {DataType::kInt64}}},
      .make = make_operator<AffineGrid>,
  };
  return def;
}

[[gnu::cold]] const OpDef& grid_sample() {
  static const OpDef def{
      .name = "GridSample",
      .since = 16,
      .inputs = {{"X", "T1"}, {"grid", "T2"}},
      .outputs = {{"Y", "T1"}},
      .types = {{"T1", kFloats}, {"T2", kFloats}},
      .make = make_operator<GridSample>,
  };
  return def;
}

}  // namespace attune::ops
