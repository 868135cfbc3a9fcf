#include "ops/widened_operator.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "kernels/half.h"
#include "ops/packs_constants.h"
#include "ops/workspace.h"

namespace attune {
namespace {

using kernels::Half;
using ops::WorkspaceCursor;

/// Inference asks for the values of axes, scales and the like, never of whole weights.
constexpr int64_t kMostInferredElements = 4096;

bool is_half(DataType type) { return type == DataType::kFloat16 || type == DataType::kBfloat16; }

Half half_of(DataType type) { return type == DataType::kFloat16 ? Half::kFloat16 : Half::kBfloat16; }

void widen(DataType type, const void* from, float* to, int64_t n, Parallel& parallel) {
  kernels::widen_halves(half_of(type), static_cast<const uint16_t*>(from), to, n, parallel);
}

void narrow(DataType type, const float* from, void* to, int64_t n, Parallel& parallel) {
  kernels::narrow_to_halves(half_of(type), from, static_cast<uint16_t*>(to), n, parallel);
}

Tensor widened(const Tensor& tensor, Parallel& parallel) {
  const Tensor aligned = tensor.aligned();
  Tensor result = Tensor::allocate(DataType::kFloat, tensor.shape());
  widen(tensor.type(), aligned.raw(), result.values<float>().data(), tensor.elements(), parallel);
  return result;
}

/// Which parameters are converted, and what from.
class Conversions {
 public:
  explicit Conversions(std::vector<DataType> types) : types_(std::move(types)) {}
  bool converts(int i) const { return i < static_cast<int>(types_.size()) && is_half(types_[static_cast<size_t>(i)]); }
  DataType outside(int i) const { return types_[static_cast<size_t>(i)]; }

 private:
  std::vector<DataType> types_;
};

/// What the operator inside is shown while it packs its weights.
class WidenedPreparation final : public PrepareContext {
 public:
  WidenedPreparation(PrepareContext& outer, const Operator& inner, const Conversions& inputs,
                     const Conversions& outputs, int input_count)
      : outer_(outer),
        inner_(dynamic_cast<const PacksConstants*>(&inner)),
        input_conversions_(inputs),
        output_conversions_(outputs) {
    inputs_.resize(static_cast<size_t>(input_count));
    constants_.resize(inputs_.size());
    released_.resize(inputs_.size(), false);
  }

  bool has_input(int i) const override { return outer_.has_input(i); }
  const ValueInfo& input(int i) const override {
    if (!input_conversions_.converts(i)) return outer_.input(i);
    std::optional<ValueInfo>& info = inputs_[static_cast<size_t>(i)];
    if (!info) {
      info = outer_.input(i);
      info->type = DataType::kFloat;
      if (info->constant != nullptr) {
        Tensor& constant = constants_[static_cast<size_t>(i)];
        constant = Tensor::allocate(DataType::kFloat, info->constant->shape());
        deferred_.emplace_back(info->constant, &constant);
        info->constant = &constant;
        if (inner_ == nullptr || !inner_->reads_only_to_pack(i)) widen_deferred();
      }
    }
    return *info;
  }
  const ValueInfo& output(int i) const override {
    if (!output_conversions_.converts(i)) return outer_.output(i);
    output_ = outer_.output(i);
    output_.type = DataType::kFloat;
    return output_;
  }
  Layout input_layout(int i) const override { return outer_.input_layout(i); }
  Layout output_layout(int i) const override { return outer_.output_layout(i); }
  int block() const override { return outer_.block(); }
  PackedWeights pack(int i, std::string_view packing, size_t floats, FunctionRef<void(float*)> fill) override {
    const auto fill_widened = [&](float* packed) {
      widen_deferred();
      fill(packed);
    };
    return outer_.pack(i, packing, floats, fill_widened);
  }
  void release_input(int i) override {
    released_[static_cast<size_t>(i)] = true;
    outer_.release_input(i);
  }
  Parallel& parallel() override { return outer_.parallel(); }

  bool is_released(int i) const { return released_[static_cast<size_t>(i)]; }

 private:
  void widen_deferred() const {
    for (const auto& [from, to] : std::exchange(deferred_, {})) {
      const Tensor aligned = from->aligned();
      widen(from->type(), aligned.raw(), to->values<float>().data(), from->elements(), outer_.parallel());
    }
  }

  PrepareContext& outer_;
  const PacksConstants* inner_;
  const Conversions& input_conversions_;
  const Conversions& output_conversions_;
  mutable std::vector<std::optional<ValueInfo>> inputs_;
  mutable std::vector<Tensor> constants_;
  mutable std::vector<std::pair<const Tensor*, Tensor*>> deferred_;  // still to be widened
  mutable ValueInfo output_;
  std::vector<bool> released_;
};

class WidenedRun final : public RunContext {
 public:
  WidenedRun(RunContext& outer, const Conversions& outputs, std::span<const TensorView> input_views,
             std::span<TensorView> output_views, std::span<std::byte> workspace)
      : RunContext(input_views, output_views, workspace, outer.parallel()), outer_(outer), conversions_(outputs) {}

  void give_output(int i, Tensor tensor) override {
    if (conversions_.converts(i)) {
      // Operators may write a tensor after they gave it: it is converted when the run is over.
      given_.emplace_back(i, std::move(tensor));
    } else {
      outer_.give_output(i, std::move(tensor));
    }
  }

  void finish() {
    for (auto& [i, tensor] : given_) {
      Tensor narrowed = Tensor::allocate(conversions_.outside(i), tensor.shape());
      narrow(narrowed.type(), tensor.values<float>().data(), narrowed.raw(), tensor.elements(), parallel_);
      outer_.give_output(i, std::move(narrowed));
    }
  }

 private:
  RunContext& outer_;
  const Conversions& conversions_;
  std::vector<std::pair<int, Tensor>> given_;
};

class WidenedOperator final : public Operator, public PacksConstants {
 public:
  WidenedOperator(std::unique_ptr<Operator> inner, std::vector<DataType> inputs, std::vector<DataType> outputs)
      : inner_(std::move(inner)), kept_(inputs.size()), inputs_(std::move(inputs)), outputs_(std::move(outputs)) {}

  void infer(InferContext& context) const override {
    const auto count = static_cast<size_t>(context.input_count());
    std::vector<ValueInfo> infos(count);
    std::vector<Tensor> constants(count);
    std::vector<const ValueInfo*> pointers(context.inputs().begin(), context.inputs().end());
    SerialParallel serial;
    for (size_t i = 0; i < count; ++i) {
      if (pointers[i] == nullptr || !inputs_.converts(static_cast<int>(i))) continue;
      infos[i] = *pointers[i];
      infos[i].type = DataType::kFloat;
      if (infos[i].constant != nullptr) {
        const bool small = infos[i].constant->elements() <= kMostInferredElements;
        if (small) constants[i] = widened(*infos[i].constant, serial);
        infos[i].constant = small ? &constants[i] : nullptr;
      }
      pointers[i] = &infos[i];
    }
    std::vector<ValueInfo> outputs(static_cast<size_t>(context.output_count()));
    InferContext inner(pointers, outputs, context.symbols());
    inner_->infer(inner);
    for (int i = 0; i < context.output_count(); ++i) {
      const ValueInfo& info = outputs[static_cast<size_t>(i)];
      const DataType type = outputs_.converts(i) ? outputs_.outside(i) : info.type;
      if (info.has_shape) {
        context.set_output(i, type, info.shape);
      } else {
        context.set_output_type(i, type);
      }
      if (info.has_elements) context.set_elements(i, info.elements);
    }
  }

  bool reads_only_to_pack(int i) const override {
    const auto* inner = dynamic_cast<const PacksConstants*>(inner_.get());
    return inner != nullptr && inner->reads_only_to_pack(i);
  }

  void prepare(PrepareContext& context) override {
    const auto count = static_cast<int>(kept_.size());
    WidenedPreparation inner(context, *inner_, inputs_, outputs_, count);
    inner_->prepare(inner);
    for (int i = 0; i < count; ++i) {
      kept_[static_cast<size_t>(i)].released = inner.is_released(i);
      if (!context.has_input(i) || !inputs_.converts(i) || inner.is_released(i)) continue;
      const Tensor* constant = context.input(i).constant;
      if (constant == nullptr) continue;
      // Read in every run: converted once instead.
      Kept& kept = kept_[static_cast<size_t>(i)];
      kept.shape = constant->shape();
      kept.data = context.pack(i, "float", static_cast<size_t>(constant->elements()), [&](float* floats) {
        const Tensor aligned = constant->aligned();
        widen(constant->type(), aligned.raw(), floats, constant->elements(), context.parallel());
      });
      context.release_input(i);
    }
  }

  size_t workspace_bytes(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                         int threads) const override {
    WorkspaceCursor cursor;
    const Views views = place(inputs, outputs, cursor, true);
    return cursor.bytes() + inner_->workspace_bytes(views.inputs, views.outputs, threads);
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    uint64_t mask = inner_->batch_inputs(inputs, outputs);
    // What was converted once is converted whole.
    for (size_t i = 0; i < kept_.size(); ++i) {
      if (kept_[i].data != nullptr && (mask >> i & 1U) != 0) mask = 0;
    }
    return mask;
  }

  void run(RunContext& context) const override {
    std::vector<TensorView> inputs;
    std::vector<TensorView> outputs;
    for (int i = 0; i < context.input_count(); ++i) inputs.push_back(context.input(i));
    for (int i = 0; i < context.output_count(); ++i) outputs.push_back(context.output(i));
    WorkspaceCursor cursor(context.workspace());
    Views views = place(inputs, outputs, cursor, false);
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (!inputs_.converts(static_cast<int>(i)) || kept_[i].data != nullptr || !inputs[i]) continue;
      if (kept_[i].released) continue;
      widen(inputs[i].type, inputs[i].data, views.inputs[i].as<float>(), inputs[i].elements(), context.parallel());
    }
    WidenedRun inner(context, outputs_, views.inputs, views.outputs, context.workspace().subspan(cursor.bytes()));
    inner_->run(inner);
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (!outputs_.converts(static_cast<int>(i)) || outputs[i].data == nullptr) continue;
      narrow(outputs[i].type, views.outputs[i].as<float>(), outputs[i].data, outputs[i].elements(), context.parallel());
    }
    inner.finish();
  }

  double flops(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return inner_->flops(inputs, outputs);
  }

 private:
  /// A constant input as float, for operators that read it while they run; nothing for those that packed it.
  struct Kept {
    bool released = false;
    PackedWeights data;
    Shape shape;
  };
  struct Views {
    std::vector<TensorView> inputs;
    std::vector<TensorView> outputs;
  };

  /// The views that the operator inside sees. Converted tensors have no data yet when the cursor only counts, and it is
  /// not known then which outputs the plan has no memory for.
  Views place(std::span<const TensorView> inputs, std::span<const TensorView> outputs, WorkspaceCursor& cursor,
              bool counts) const {
    Views views{{inputs.begin(), inputs.end()}, {outputs.begin(), outputs.end()}};
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (!inputs_.converts(static_cast<int>(i))) continue;
      const Kept& kept = kept_[i];
      if (kept.data != nullptr) {
        views.inputs[i] = {const_cast<float*>(kept.data.get()), &kept.shape, DataType::kFloat, Layout::kPlain, 1};
      } else if (!kept.released && inputs[i].dims != nullptr) {
        views.inputs[i].type = DataType::kFloat;
        views.inputs[i].data = take(cursor, inputs[i]);
      }
    }
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (!outputs_.converts(static_cast<int>(i)) || outputs[i].dims == nullptr) continue;
      views.outputs[i].type = DataType::kFloat;
      // Where a size depends on data, the operator gives a tensor of its own.
      if (outputs[i].dims->is_concrete() && (counts || outputs[i].data != nullptr)) {
        views.outputs[i].data = take(cursor, outputs[i]);
      }
    }
    return views;
  }

  /// Never null at run time: that would make an empty tensor look absent.
  static float* take(WorkspaceCursor& cursor, const TensorView& view) {
    return cursor.take<float>(std::max<int64_t>(view.elements(), 1));
  }

  std::unique_ptr<Operator> inner_;
  std::vector<Kept> kept_;
  Conversions inputs_;
  Conversions outputs_;
};

}  // namespace

std::unique_ptr<Operator> widen_operator(std::unique_ptr<Operator> inner, std::vector<DataType> inputs,
                                         std::vector<DataType> outputs) {
  return std::make_unique<WidenedOperator>(std::move(inner), std::move(inputs), std::move(outputs));
}

}  // namespace attune
