// Identity: https://onnx.ai/onnx/operators/onnx__Identity.html, versions 1 to 25.
#include <cstring>
#include <string>

#include "ops/batch.h"
#include "ops/op_def.h"
#include "ops/subgraph.h"

namespace attune::ops {
namespace {

class Identity final : public Operator {
 public:
  explicit Identity(const Node&) {}

  void infer(InferContext& context) const override {
    if (!context.has_shape(0)) return context.set_output_type(0, context.type(0), context.kind(0));
    context.set_output(0, context.type(0), context.shape(0));
    if (const auto elements = context.elements(0)) context.set_elements(0, *elements);
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return batch_of_first(inputs, outputs);
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const TensorView& y = context.output(0);
    if (y.data == nullptr) return context.give_output(0, keep(borrow(x)));  // no tensor, or of unknown shape
    if (x.data == y.data) return;
    if (x.type == DataType::kString) {
      std::copy_n(x.as<std::string>(), x.elements(), y.as<std::string>());
    } else {
      std::memcpy(y.data, x.data, x.physical_bytes());
    }
  }
};

}  // namespace

[[gnu::cold]] const OpDef& identity() {
  static const OpDef def{
      .name = "Identity",
      .inputs = {{"input", "T", Occurrence::kRequired, kAnyKind}},
      .outputs = {{"output", "T", Occurrence::kRequired, kAnyKind}},
      .types = {{"T", kAnyType}},
      .make = make_operator<Identity>,
      .is_view = true,
  };
  return def;
}

}  // namespace attune::ops
