#include "ops/reorder.h"

#include <fmt/format.h>

#include "attune/error.h"
#include "kernels/reorder.h"
#include "ops/batch.h"
#include "ops/image_view.h"

namespace attune {
namespace {

class Reorder final : public Operator {
 public:
  Reorder(Layout from, Layout to) : from_(from), to_(to) {}

  void infer(InferContext& context) const override {
    if (!context.has_shape(0)) return context.set_output_type(0, context.type(0));
    if (context.shape(0).rank() != 4 || context.type(0) != DataType::kFloat) {
      throw Error(
          ErrorCode::kInvalidGraph,
          fmt::format("Only float tensors of rank 4 have layouts, not one of shape {}.", context.shape(0).to_string()));
    }
    context.set_output(0, context.type(0), context.shape(0));
  }

  void choose_layouts(LayoutContext& context) const override {
    context.want_input(0, from_);
    context.set_output(0, to_);
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return ops::batch_of_first(inputs, outputs);
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const TensorView& y = context.output(0);
    if (x.elements() == 0) return;
    const auto [batch, channels, height, width] = ops::image_size(x.shape());
    const kernels::ReorderShape shape{batch, channels, height, width};
    const kernels::ConstImage in = kernels::as_const(ops::image_of(x));
    if (to_ == Layout::kBlocked) {
      kernels::reorder_plain_to_blocked(shape, in, ops::image_of(y), context.parallel());
    } else {
      kernels::reorder_blocked_to_plain(shape, in, ops::image_of(y), context.parallel());
    }
  }

  double flops(std::span<const TensorView>, std::span<const TensorView>) const override { return 0.0; }

 private:
  Layout from_;
  Layout to_;
};

}  // namespace

std::unique_ptr<Operator> make_reorder(Layout from, Layout to) {
  if (from == to) throw Error(ErrorCode::kInvalidArgument, "A reorder changes the layout.");
  return std::make_unique<Reorder>(from, to);
}

}  // namespace attune
