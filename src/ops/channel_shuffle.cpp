// attune.ChannelShuffle, which the optimizer makes of Reshape, Transpose, Reshape: output channel j * groups + g is
// input channel g * (channels / groups) + j. Attribute: groups.
#include "kernels/channel_shuffle.h"

#include <fmt/format.h>

#include "attune/error.h"
#include "ops/image_view.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

class ChannelShuffle final : public Operator {
 public:
  explicit ChannelShuffle(const Node& node) : groups_(node.attributes.require_int("groups")) {
    if (groups_ < 1) throw Error(ErrorCode::kInvalidGraph, fmt::format("groups is {}.", groups_));
  }

  void infer(InferContext& context) const override {
    if (!context.has_shape(0)) return context.set_output_type(0, context.type(0));
    const Shape& x = context.shape(0);
    if (x.rank() != 4) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("ChannelShuffle of shape {}, not of images.", x.to_string()));
    }
    if (is_known(x[1]) && x[1] % groups_ != 0) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("{} channels do not make {} groups.", x[1], groups_));
    }
    context.set_output(0, context.type(0), x);
  }

  void choose_layouts(LayoutContext& context) const override {
    if (context.current(0) != Layout::kBlocked) return;
    context.want_input(0, Layout::kBlocked);
    context.set_output(0, Layout::kBlocked);
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const TensorView& y = context.output(0);
    if (y.elements() == 0) return;
    const ImageSize size = image_size(x.shape());
    const kernels::ChannelShuffleShape shape{size.batch, size.channels, size.height, size.width, groups_};
    kernels::shuffle_channels(shape, image_layout(x.layout), kernels::as_const(image_of(x)), image_of(y),
                              context.parallel());
  }

 private:
  int64_t groups_;
};

}  // namespace

[[gnu::cold]] const OpDef& channel_shuffle() {
  static const OpDef def{
      .domain = "attune",
      .name = "ChannelShuffle",
      .inputs = {{"X", "T"}},
      .outputs = {{"Y", "T"}},
      .types = {{"T", kFloatOnly}},
      .make = make_operator<ChannelShuffle>,
  };
  return def;
}

}  // namespace attune::ops
