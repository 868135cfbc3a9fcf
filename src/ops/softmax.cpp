// Softmax: https://onnx.ai/onnx/operators/onnx__Softmax.html, versions 1 to 13.
// LogSoftmax: https://onnx.ai/onnx/operators/onnx__LogSoftmax.html, versions 1 to 13.
// Before version 13 the input is taken as a matrix whose columns are the axes from `axis` on.
#include "kernels/softmax.h"

#include <algorithm>
#include <cmath>

#include "ops/axes.h"
#include "ops/batch.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

using kernels::SoftmaxKind;

/// As the float kernel: a row of -infinity, or with NaN or +infinity in it, gives NaN.
void softmax_double(SoftmaxKind kind, const double* x, double* y, int64_t outer, int64_t axis, int64_t inner,
                    Parallel& parallel) {
  for_ranges(parallel, outer * inner, std::max<int64_t>(1, 1024 / std::max<int64_t>(axis, 1)),
             [&](int64_t begin, int64_t end, int) {
               for (int64_t row = begin; row < end; ++row) {
                 const int64_t start = row / inner * axis * inner + row % inner;
                 double largest = x[start];
                 for (int64_t i = 1; i < axis; ++i) largest = std::max(largest, x[start + i * inner]);
                 double sum = 0.0;
                 for (int64_t i = 0; i < axis; ++i) {
                   const int64_t place = start + i * inner;
                   const double shifted = x[place] - largest;
                   sum += std::exp(shifted);
                   y[place] = kind == SoftmaxKind::kSoftmax ? std::exp(shifted) : shifted;
                 }
                 const double log_sum = std::log(sum);
                 for (int64_t i = 0; i < axis; ++i) {
                   double& value = y[start + i * inner];
                   value = kind == SoftmaxKind::kSoftmax ? value / sum : value - log_sum;
                 }
               }
             });
}

template <SoftmaxKind kind>
class Softmax final : public Operator {
 public:
  explicit Softmax(const Node& node)
      : one_axis_(node.version >= 13), axis_(node.attributes.get_int("axis", one_axis_ ? -1 : 1)) {}

  void infer(InferContext& context) const override {
    if (!context.has_shape(0)) return context.set_output_type(0, context.type(0));
    resolve_axis(axis_, context.shape(0).rank());
    context.set_output(0, context.type(0), context.shape(0));
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return resolve_axis(axis_, inputs[0].rank()) == 0 ? 0 : batch_of_first(inputs, outputs);
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const TensorView& y = context.output(0);
    if (x.elements() == 0) return;
    const Shape& shape = x.shape();
    const int axis = resolve_axis(axis_, shape.rank());
    const int end = one_axis_ ? axis + 1 : shape.rank();
    const int64_t outer = shape.product(0, axis);
    const int64_t size = shape.product(axis, end);
    const int64_t inner = shape.product(end, shape.rank());
    if (x.type == DataType::kDouble) {
      softmax_double(kind, x.as<double>(), y.as<double>(), outer, size, inner, context.parallel());
    } else {
      kernels::softmax_axis(kind, x.as<float>(), y.as<float>(), outer, size, inner, context.parallel());
    }
  }

  /// Per element a subtraction, an exponential of about ten operations, a division.
  double flops(std::span<const TensorView> inputs, std::span<const TensorView>) const override {
    return 12.0 * static_cast<double>(inputs[0].elements());
  }

 private:
  bool one_axis_;
  int64_t axis_;
};

OpDef make_def(std::string_view name, std::unique_ptr<Operator> (*make)(const Node&)) {
  return OpDef{
      .name = name,
      .inputs = {{"input", "T"}},
      .outputs = {{"output", "T"}},
      .types = {{"T", kFloats}},
      .make = make,
      .in_place = {0},
  };
}

}  // namespace

[[gnu::cold]] const OpDef& softmax() {
  static const OpDef def = make_def("Softmax", make_operator<Softmax<SoftmaxKind::kSoftmax>>);
  return def;
}

[[gnu::cold]] const OpDef& log_softmax() {
  static const OpDef def = make_def("LogSoftmax", make_operator<Softmax<SoftmaxKind::kLogSoftmax>>);
  return def;
}

}  // namespace attune::ops
