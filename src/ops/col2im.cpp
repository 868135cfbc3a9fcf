// Col2Im: https://onnx.ai/onnx/operators/onnx__Col2Im.html, version 18: adds the columns of sliding blocks up to
// images, any number of spatial axes. MaxUnpool: https://onnx.ai/onnx/operators/onnx__MaxUnpool.html, versions 9 to 22:
// puts elements where MaxPool found them.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "attune/error.h"
#include "ops/axes.h"
#include "ops/element_types.h"
#include "ops/movement.h"
#include "ops/op_def.h"
#include "ops/window.h"

namespace attune::ops {
namespace {

class Col2Im final : public Operator {
 public:
  explicit Col2Im(const Node& node) : window_(Window::parse(node)) {}

  void infer(InferContext& context) const override {
    context.set_output_type(0, context.type(0));
    if (context.has_shape(0) && context.shape(0).rank() != 3) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("Col2Im of shape {}.", context.shape(0).to_string()));
    }
    const auto image = known_integers(context, 1);
    const auto block = known_integers(context, 2);
    if (!context.has_shape(0)) return;
    const Shape& x = context.shape(0);
    if (image && block) {
      if (x.is_concrete()) return context.set_output(0, context.type(0), resolve(x, *image, *block).output);
      Shape y{x[0], context.fresh_dim()};
      for (const int64_t size : *image) y.push_back(size);
      return context.set_output(0, context.type(0), y);
    }
    if (!context.has_shape(1) || context.shape(1).rank() != 1 || !is_known(context.shape(1)[0])) return;
    Shape y{x[0], context.fresh_dim()};
    for (int64_t axis = 0; axis < context.shape(1)[0]; ++axis) y.push_back(context.fresh_dim());
    context.set_output(0, context.type(0), y);
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const Problem problem = resolve(x.shape(), read_integers(context.input(1)), read_integers(context.input(2)));
    const TensorView y = output_of_shape(context, 0, problem.output);
    const int axes = problem.output.rank() - 2;
    const int64_t image = problem.output.product(2, axes + 2);
    const int64_t columns = x.dim(2);
    visit_number_type(x.type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      for_ranges(context.parallel(), problem.output[0] * problem.output[1], 1, [&](int64_t begin, int64_t end, int) {
        for (int64_t plane = begin; plane < end; ++plane) {
          T* out = y.as<T>() + plane * image;
          std::fill_n(out, image, T{0});
          for (int64_t tap = 0; tap < problem.taps; ++tap) {
            const T* in = x.as<T>() + (plane * problem.taps + tap) * columns;
            for (int64_t column = 0; column < columns; ++column) {
              const int64_t place = problem.place(tap, column, axes);
              if (place >= 0) out[place] = wrapping_add(out[place], in[column]);
            }
          }
        }
      });
    });
  }

 private:
  struct Problem {
    Shape output;
    std::vector<WindowAxis> axes;  ///< `output` counts the blocks
    int64_t taps = 1;

    /// Where an element of the block belongs in the image; -1 in the padding.
    int64_t place(int64_t tap, int64_t column, int count) const {
      int64_t result = 0;
      int64_t stride = 1;
      for (int axis = count - 1; axis >= 0; --axis) {
        const WindowAxis& own = axes[static_cast<size_t>(axis)];
        const int64_t at = column % own.output * own.stride - own.pad_begin + tap % own.kernel * own.dilation;
        column /= own.output;
        tap /= own.kernel;
        if (at < 0 || at >= output[axis + 2]) return -1;
        result += at * stride;
        stride *= output[axis + 2];
      }
      return result;
    }
  };

  Problem resolve(const Shape& x, const std::vector<int64_t>& image, const std::vector<int64_t>& block) const {
    constexpr int64_t kLargest = int64_t{1} << 31;
    const auto count = static_cast<int>(image.size());
    if (count == 0 || image.size() != block.size()) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("Col2Im: {} sizes of the image and {} of the block.", image.size(), block.size()));
    }
    window_.check_rank(count);
    Problem problem;
    int64_t blocks = 1;
    Shape sizes;
    for (int axis = 0; axis < count; ++axis) {
      const int64_t size = image[static_cast<size_t>(axis)];
      const int64_t kernel = block[static_cast<size_t>(axis)];
      if (size < 1 || kernel < 1 || size > kLargest || kernel > kLargest) {
        throw Error(ErrorCode::kInvalidArgument, fmt::format("Col2Im: an image of {} in blocks of {}.", size, kernel));
      }
      problem.axes.push_back(window_.resolve(axis, kernel, size));
      problem.taps *= kernel;
      blocks *= problem.axes.back().output;
      if (problem.taps > x[1] || blocks > x[2]) break;
      sizes.push_back(size);
    }
    if (sizes.rank() != count || x[1] % problem.taps != 0 || blocks != x[2]) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("Col2Im: an input of shape {} for blocks of {} elements at {} places.", x.to_string(),
                              problem.taps, blocks));
    }
    problem.output = Shape{x[0], x[1] / problem.taps};
    for (const int64_t size : sizes) problem.output.push_back(size);
    return problem;
  }

  Window window_;
};

class MaxUnpool final : public Operator {
 public:
  explicit MaxUnpool(const Node& node) : window_(Window::parse(node)) {
    if (window_.kernel.empty()) throw Error(ErrorCode::kInvalidGraph, "MaxUnpool needs kernel_shape.");
  }

  void infer(InferContext& context) const override {
    context.set_output_type(0, context.type(0));
    if (!context.has_shape(0)) return;
    const Shape& x = context.shape(0);
    const Shape pooled = natural_shape(x, context);
    if (!context.has_input(2)) return context.set_output(0, context.type(0), pooled);
    if (const auto shape = known_integers(context, 2)) {
      return context.set_output(0, context.type(0), checked(*shape, x.rank(), ErrorCode::kInvalidGraph));
    }
    Shape y;
    for (int axis = 0; axis < x.rank(); ++axis) y.push_back(context.fresh_dim());
    context.set_output(0, context.type(0), y);
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const TensorView& indices = context.input(1);
    if (!(x.shape() == indices.shape())) {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("MaxUnpool: indices of shape {} for an input of shape {}.",
                                                           indices.shape().to_string(), x.shape().to_string()));
    }
    Shape natural{x.dim(0), x.dim(1)};
    for (int axis = 2; axis < x.rank(); ++axis) natural.push_back(natural_dim(axis - 2, x.dim(axis)));
    const Shape shape = context.has_input(2)
                            ? checked(read_integers(context.input(2)), x.rank(), ErrorCode::kInvalidArgument)
                            : natural;
    const TensorView y = output_of_shape(context, 0, shape);
    const int64_t elements = natural.elements();
    const Shape strides = strides_of(shape);
    visit_number_type(x.type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      std::fill_n(y.as<T>(), y.elements(), T{0});
      for (int64_t i = 0; i < x.elements(); ++i) {
        int64_t index = indices.as<int64_t>()[i];
        if (index < 0 || index >= elements) {
          throw Error(ErrorCode::kInvalidArgument,
                      fmt::format("MaxUnpool: index {} is not below {}.", index, elements));
        }
        // Indices count in the shape that the pooling came from; a larger output keeps it at its beginning.
        int64_t place = 0;
        bool inside = true;
        for (int axis = x.rank() - 1; axis >= 0; --axis) {
          const int64_t at = index % natural[axis];
          index /= natural[axis];
          inside = inside && at < shape[axis];
          place += at * strides[axis];
        }
        if (inside) y.as<T>()[place] = x.as<T>()[i];
      }
    });
  }

 private:
  int64_t natural_dim(int axis, int64_t size) const {
    const int64_t result = (size - 1) * window_.stride(axis) + window_.kernel[static_cast<size_t>(axis)] -
                           window_.pad_begin(axis) - window_.pad_end(axis);
    if (result < 0) throw Error(ErrorCode::kInvalidGraph, "MaxUnpool: the pads are larger than the output.");
    return result;
  }

  Shape natural_shape(const Shape& x, InferContext& context) const {
    if (x.rank() < 3) throw Error(ErrorCode::kInvalidGraph, fmt::format("MaxUnpool of shape {}.", x.to_string()));
    window_.check_rank(x.rank() - 2);
    Shape y{x[0], x[1]};
    for (int axis = 2; axis < x.rank(); ++axis) {
      y.push_back(is_known(x[axis]) ? natural_dim(axis - 2, x[axis]) : context.fresh_dim());
    }
    return y;
  }

  static Shape checked(const std::vector<int64_t>& dims, int rank, ErrorCode code) {
    const Shape shape(dims);
    if (shape.rank() != rank || !shape.is_concrete()) {
      throw Error(code, fmt::format("MaxUnpool: output_shape {} for an input of {} axes.", shape.to_string(), rank));
    }
    return shape;
  }

  Window window_;
};

}  // namespace

[[gnu::cold]] const OpDef& col2im() {
  static const OpDef def{
      .name = "Col2Im",
      .since = 18,
      .inputs = {{"input", "T"}, {"image_shape", "tensor(int64)"}, {"block_shape", "tensor(int64)"}},
      .outputs = {{"output", "T"}},
      .types = {{"T", kNumbers}, {"tensor(int64)", {DataType::kInt64}}},
      .make = make_operator<Col2Im>,
  };
  return def;
}

[[gnu::cold]] const OpDef& max_unpool() {
  static const OpDef def{
      .name = "MaxUnpool",
      .since = 9,
      .inputs = {{"X", "T1"}, {"I", "T2"}, {"output_shape", "T2", Occurrence::kOptional}},
      .outputs = {{"output", "T1"}},
      .types = {{"T1", kNumbers}, {"T2", {DataType::kInt64}}},
      .make = make_operator<MaxUnpool>,
  };
  return def;
}

}  // namespace attune::ops
