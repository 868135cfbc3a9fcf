// Gather: https://onnx.ai/onnx/operators/onnx__Gather.html, versions 1 to 13.
#include <optional>

#include "kernels/copy.h"
#include "ops/axes.h"
#include "ops/batch.h"
#include "ops/index.h"
#include "ops/movement.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

class Gather final : public Operator {
 public:
  explicit Gather(const Node& node) : axis_(node.attributes.get_int("axis", 0)) {}

  void infer(InferContext& context) const override {
    if (!context.has_shape(0) || !context.has_shape(1)) return context.set_output_type(0, context.type(0));
    context.set_output(0, context.type(0), gathered(context.shape(0), context.shape(1)));
    pass_elements(context);
  }

  /// Rows are moved as bytes, so a table of embeddings is read where it lies in the file.
  bool reads_unaligned(int i) const override { return i == 0; }

  size_t workspace_bytes(std::span<const TensorView> inputs, std::span<const TensorView>, int) const override {
    return static_cast<size_t>(inputs[1].elements()) * sizeof(int64_t);
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    const bool picks_samples =
        resolve_axis(axis_, inputs[0].rank()) == 0;  // as embeddings do: the indices are the batch
    return batch_among(picks_samples ? 2 : 1, inputs, outputs);
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const TensorView& indices = context.input(1);
    const Shape shape = gathered(x.shape(), indices.shape());
    const TensorView y = output_of_shape(context, 0, shape);
    const int axis = resolve_axis(axis_, x.rank());
    const int64_t count = indices.elements();
    // Checked and counted from the front once, however often the outer dimensions repeat them.
    auto* positions = reinterpret_cast<int64_t*>(context.workspace().data());
    for (int64_t i = 0; i < count; ++i) positions[i] = resolve_index(indices.integer(i), x.dim(axis));
    kernels::gather_runs(element_of(x.type), x.data, x.shape().product(0, axis), x.dim(axis),
                         x.shape().product(axis + 1, x.rank()), positions, count, y.data, context.parallel());
  }

 private:
  Shape gathered(const Shape& data, const Shape& indices) const {
    const int axis = resolve_axis(axis_, data.rank());
    Shape shape(data.dims().first(static_cast<size_t>(axis)));
    for (const int64_t dim : indices) shape.push_back(dim);
    for (int i = axis + 1; i < data.rank(); ++i) shape.push_back(data[i]);
    return shape;
  }

  /// Picking from a shape: the usual Gather(Shape(x), 0).
  static void pass_elements(InferContext& context) {
    if (context.shape(0).rank() != 1 || context.shape(1).rank() > 1) return;
    const auto elements = context.elements(0);
    const auto indices = known_integers(context, 1);
    if (!elements || !indices || indices->size() > Shape::kMaxRank) return;
    Shape picked;
    for (const int64_t index : *indices) {
      picked.push_back((*elements)[static_cast<int>(resolve_index(index, elements->rank()))]);
    }
    context.set_elements(0, picked);
  }

  int64_t axis_;
};

}  // namespace

[[gnu::cold]] const OpDef& gather() {
  static const OpDef def{
      .name = "Gather",
      .inputs = {{"data", "T"}, {"indices", "Tind"}},
      .outputs = {{"output", "T"}},
      .types = {{"T", kAnyType}, {"Tind", kIndices}},
      .make = make_operator<Gather>,
  };
  return def;
}

}  // namespace attune::ops
