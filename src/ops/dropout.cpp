// Dropout: https://onnx.ai/onnx/operators/onnx__Dropout.html, versions 1 to 22. In inference the input passes
// through; with training_mode elements are dropped at random, which ones ONNX does not say. Before version 7 is_test is
// taken as 1, whatever it says: models are run here, not trained.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "attune/error.h"
#include "ops/batch.h"
#include "ops/element_types.h"
#include "ops/op_def.h"
#include "ops/random_numbers.h"

namespace attune::ops {
namespace {

constexpr int kRatio = 1;
constexpr int kTrainingMode = 2;

class Dropout final : public Operator {
 public:
  explicit Dropout(const Node& node)
      : seed_(node), has_mask_(node.output(1) != nullptr), mask_is_bool_(node.version >= 10) {}

  void infer(InferContext& context) const override {
    const DataType type = context.type(0);
    const DataType mask = mask_is_bool_ ? DataType::kBool : type;
    if (!context.has_shape(0)) {
      context.set_output_type(0, type);
      if (context.output_count() > 1) context.set_output_type(1, mask);
      return;
    }
    context.set_output(0, type, context.shape(0));
    if (context.output_count() > 1) context.set_output(1, mask, context.shape(0));
  }

  void choose_layouts(LayoutContext& context) const override {
    if (has_mask_ || context.current(0) != Layout::kBlocked) return;
    context.want_input(0, Layout::kBlocked);
    context.set_output(0, Layout::kBlocked);
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    const bool may_drop = inputs.size() > kTrainingMode && inputs[kTrainingMode].dims != nullptr;
    return may_drop ? 0 : batch_of_first(inputs, outputs);
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const TensorView& y = context.output(0);
    if (const double ratio = dropped_ratio(context); ratio > 0.0) return drop(context, ratio);
    if (x.data != y.data) std::memcpy(y.data, x.data, x.physical_bytes());
    if (!context.has_output(1)) return;
    const TensorView& mask = context.output(1);
    const int64_t count = mask.elements();
    if (mask.type == DataType::kBool) std::fill_n(mask.as<bool>(), count, true);
    if (mask.type == DataType::kFloat) std::fill_n(mask.as<float>(), count, 1.0F);
    if (mask.type == DataType::kDouble) std::fill_n(mask.as<double>(), count, 1.0);
  }

 private:
  /// What is left is scaled, so that sums stay the same on average.
  void drop(RunContext& context, double ratio) const {
    const TensorView& x = context.input(0);
    const uint64_t key = seed_.next();
    visit_type<float, double>(x.type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      const T scale = static_cast<T>(ratio < 1.0 ? 1.0 / (1.0 - ratio) : 0.0);
      for (int64_t i = 0; i < x.elements(); ++i) {
        const bool kept = random_uniform(key, static_cast<uint64_t>(i)) >= ratio;
        context.output(0).as<T>()[i] = kept ? x.as<T>()[i] * scale : T{0};
        if (context.has_output(1)) context.output(1).as<bool>()[i] = kept;
      }
    });
  }

  /// Training with a ratio of 0 keeps every element.
  static double dropped_ratio(const RunContext& context) {
    if (!context.has_input(kTrainingMode) || context.input(kTrainingMode).elements() != 1) return 0.0;
    if (!*context.input(kTrainingMode).as<bool>()) return 0.0;
    if (!context.has_input(kRatio) || context.input(kRatio).elements() != 1) return 0.5;
    const TensorView& view = context.input(kRatio);
    const double ratio = view.type == DataType::kDouble ? *view.as<double>() : double{*view.as<float>()};
    if (ratio >= 0.0 && ratio <= 1.0) return ratio;
    throw Error(ErrorCode::kInvalidArgument, fmt::format("Dropout: the ratio is {}.", ratio));
  }

  RandomSeed seed_;
  bool has_mask_;
  bool mask_is_bool_;
};

}  // namespace

[[gnu::cold]] const OpDef& dropout() {
  static const OpDef def{
      .name = "Dropout",
      .inputs = {{"data", "T"}, {"ratio", "T1", Occurrence::kOptional}, {"training_mode", "T2", Occurrence::kOptional}},
      .outputs = {{"output", "T"}, {"mask", "T3", Occurrence::kOptional}},
      .types = {{"T", kFloats},
                {"T1", kFloats},
                {"T2", TypeSet{DataType::kBool}},
                {"T3", kFloats | TypeSet{DataType::kBool}}},
      .make = make_operator<Dropout>,
      .in_place = {0},
      .is_random = true,
  };
  return def;
}

}  // namespace attune::ops
