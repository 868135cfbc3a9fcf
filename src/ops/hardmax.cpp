// Hardmax: https://onnx.ai/onnx/operators/onnx__Hardmax.html, versions 1 to 13. Before version 13 all dimensions from
// the axis on count as one. NaN never is the largest, unless it comes first: onnxruntime's behaviour.
#include <algorithm>

#include "ops/axes.h"
#include "ops/batch.h"
#include "ops/movement.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

class Hardmax final : public Operator {
 public:
  explicit Hardmax(const Node& node)
      : axis_(node.attributes.get_int("axis", node.version >= 13 ? -1 : 1)), flattens_(node.version < 13) {}

  void infer(InferContext& context) const override {
    if (!context.has_shape(0)) return context.set_output_type(0, context.type(0));
    resolve(context.shape(0));
    context.set_output(0, context.type(0), context.shape(0));
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return resolve(inputs[0].shape()) == 0 ? 0 : batch_of_first(inputs, outputs);
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const TensorView y = output_of_shape(context, 0, x.shape());
    if (y.elements() == 0) return;
    const int axis = resolve(x.shape());
    const int64_t extent = flattens_ ? x.shape().product(axis, x.rank()) : x.dim(axis);
    const int64_t inner = flattens_ ? 1 : x.shape().product(axis + 1, x.rank());
    with_number_type(x.type, [&](auto value) {
      using T = decltype(value);
      for_ranges(context.parallel(), x.elements() / extent, std::max<int64_t>(16384 / extent, 1),
                 [&](int64_t begin, int64_t end, int) {
                   for (int64_t row = begin; row < end; ++row) {
                     const int64_t offset = row / inner * extent * inner + row % inner;
                     const T* in = x.as<T>() + offset;
                     T* out = y.as<T>() + offset;
                     int64_t best = 0;
                     for (int64_t i = 1; i < extent; ++i) {
                       if (in[i * inner] > in[best * inner]) best = i;
                     }
                     for (int64_t i = 0; i < extent; ++i) out[i * inner] = i == best ? T{1} : T{0};
                   }
                 });
    });
  }

 private:
  /// Version 1 to 12 allow the rank itself, which leaves one element in a row.
  int resolve(const Shape& shape) const {
    return flattens_ && axis_ == shape.rank() ? shape.rank() : resolve_axis(axis_, shape.rank());
  }

  int64_t axis_;
  bool flattens_;
};

}  // namespace

[[gnu::cold]] const OpDef& hardmax() {
  static const OpDef def{
      .name = "Hardmax",
      .inputs = {{"input", "T"}},
      .outputs = {{"output", "T"}},
      .types = {{"T", kFloats}},
      .make = make_operator<Hardmax>,
      .in_place = {0},
  };
  return def;
}

}  // namespace attune::ops
