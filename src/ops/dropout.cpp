// Dropout: https://onnx.ai/onnx/operators/onnx__Dropout.html, versions 7 to 22, as inference uses it: the input passes
// through. Dropping elements (training_mode), float16 and bfloat16 are not supported.
#include <algorithm>
#include <cstring>

#include "attune/error.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

constexpr int kRatio = 1;
constexpr int kTrainingMode = 2;

class Dropout final : public Operator {
 public:
  explicit Dropout(const Node& node) : has_mask_(node.output(1) != nullptr), mask_is_bool_(node.version >= 10) {}

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

  void run(RunContext& context) const override {
    if (drops(context)) throw Error(ErrorCode::kNotImplemented, "Dropout in training mode is not supported.");
    const TensorView& x = context.input(0);
    const TensorView& y = context.output(0);
    if (x.data != y.data) std::memcpy(y.data, x.data, x.physical_bytes());
    if (!context.has_output(1)) return;
    const TensorView& mask = context.output(1);
    const int64_t count = mask.elements();
    if (mask.type == DataType::kBool) std::fill_n(mask.as<bool>(), count, true);
    if (mask.type == DataType::kFloat) std::fill_n(mask.as<float>(), count, 1.0F);
    if (mask.type == DataType::kDouble) std::fill_n(mask.as<double>(), count, 1.0);
  }

 private:
  /// Training with a ratio of 0 keeps every element.
  static bool drops(const RunContext& context) {
    if (!context.has_input(kTrainingMode) || context.input(kTrainingMode).elements() != 1) return false;
    if (!*context.input(kTrainingMode).as<bool>()) return false;
    if (!context.has_input(kRatio) || context.input(kRatio).elements() != 1) return true;
    const TensorView& ratio = context.input(kRatio);
    return ratio.type == DataType::kDouble ? *ratio.as<double>() != 0.0 : *ratio.as<float>() != 0.0F;
  }

  bool has_mask_;
  bool mask_is_bool_;
};

}  // namespace

const OpDef& dropout() {
  static const OpDef def{
      .name = "Dropout",
      .since = 7,
      .inputs = {{"data", "T"}, {"ratio", "T1", Occurrence::kOptional}, {"training_mode", "T2", Occurrence::kOptional}},
      .outputs = {{"output", "T"}, {"mask", "T3", Occurrence::kOptional}},
      .types = {{"T", kFloats},
                {"T1", kFloats},
                {"T2", TypeSet{DataType::kBool}},
                {"T3", kFloats | TypeSet{DataType::kBool}}},
      .make = make_operator<Dropout>,
      .is_view = true,
  };
  return def;
}

}  // namespace attune::ops
