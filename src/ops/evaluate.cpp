#include "ops/evaluate.h"

#include <fmt/format.h>

#include "attune/error.h"
#include "base/memory.h"
#include "kernels/simd.h"

namespace attune {
namespace {

/// Packs without sharing: what is evaluated outside a session is evaluated once.
class OwnPacking final : public PrepareContext {
 public:
  OwnPacking(std::span<const ValueInfo* const> inputs, std::span<const ValueInfo> outputs, Parallel& parallel)
      : inputs_(inputs), outputs_(outputs), parallel_(parallel) {}

  bool has_input(int i) const override {
    return static_cast<size_t>(i) < inputs_.size() && inputs_[static_cast<size_t>(i)] != nullptr;
  }
  const ValueInfo& input(int i) const override { return *inputs_[static_cast<size_t>(i)]; }
  const ValueInfo& output(int i) const override { return outputs_[static_cast<size_t>(i)]; }
  Layout input_layout(int) const override { return Layout::kPlain; }
  Layout output_layout(int) const override { return Layout::kPlain; }
  int block() const override { return kernels::block_channels(); }
  PackedWeights pack(int, std::string_view, size_t floats, FunctionRef<void(float*)> fill) override {
    const std::shared_ptr<std::byte> memory = allocate_block(floats * sizeof(float));
    PackedWeights packed(memory, reinterpret_cast<float*>(memory.get()));
    fill(reinterpret_cast<float*>(memory.get()));
    return packed;
  }
  void release_input(int) override {}
  Parallel& parallel() override { return parallel_; }

 private:
  std::span<const ValueInfo* const> inputs_;
  std::span<const ValueInfo> outputs_;
  Parallel& parallel_;
};

class HeapRun final : public RunContext {
 public:
  HeapRun(std::span<const TensorView> inputs, std::span<TensorView> outputs, std::span<std::byte> workspace,
          Parallel& parallel, std::vector<Tensor>& given)
      : RunContext(inputs, outputs, workspace, parallel), given_(given) {}
  void give_output(int i, Tensor tensor) override { given_[static_cast<size_t>(i)] = std::move(tensor); }

 private:
  std::vector<Tensor>& given_;
};

/// Inference of one operator on whole tensors.
class ConcreteInference {
 public:
  ConcreteInference(const Operator& op, std::span<const Tensor> inputs, int output_count)
      : infos_(inputs.size()), pointers_(inputs.size(), nullptr), outputs_(static_cast<size_t>(output_count)) {
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (!inputs[i]) continue;
      infos_[i].type = inputs[i].type();
      infos_[i].has_shape = true;
      infos_[i].shape = inputs[i].shape();
      infos_[i].constant = &inputs[i];
      pointers_[i] = &infos_[i];
    }
    InferContext context(pointers_, outputs_, nullptr);
    op.infer(context);
  }
  std::span<const ValueInfo* const> inputs() const { return pointers_; }
  std::span<const ValueInfo> outputs() const { return outputs_; }

 private:
  std::vector<ValueInfo> infos_;
  std::vector<const ValueInfo*> pointers_;
  std::vector<ValueInfo> outputs_;
};

std::vector<Tensor> run_on_heap(const Operator& op, std::span<const Tensor> inputs, std::span<const ValueInfo> inferred,
                                Parallel& parallel) {
  std::vector<TensorView> input_views;
  for (const Tensor& input : inputs) input_views.push_back(input ? TensorView::of(input) : TensorView{});
  std::vector<Tensor> results(inferred.size());
  std::vector<TensorView> output_views(inferred.size());
  for (size_t i = 0; i < inferred.size(); ++i) {
    const ValueInfo& info = inferred[i];
    output_views[i] = {nullptr, &info.shape, info.type, Layout::kPlain, 1};
    if (!info.has_shape || !info.shape.is_concrete()) continue;  // the operator gives it
    results[i] = Tensor::allocate(info.type, info.shape);
    output_views[i].data = results[i].raw();
  }
  const Tensor workspace = Tensor::allocate(
      DataType::kUint8, Shape{static_cast<int64_t>(op.workspace_bytes(input_views, output_views, parallel.threads()))});
  HeapRun context(input_views, output_views,
                  {static_cast<std::byte*>(const_cast<void*>(workspace.raw())), workspace.bytes()}, parallel, results);
  op.run(context);
  return results;
}

}  // namespace

std::vector<Tensor> evaluate(Operator& op, std::span<const Tensor> inputs, int output_count, Parallel& parallel) {
  const ConcreteInference inferred(op, inputs, output_count);
  OwnPacking packing(inferred.inputs(), inferred.outputs(), parallel);
  op.prepare(packing);
  return run_on_heap(op, inputs, inferred.outputs(), parallel);
}

std::vector<Tensor> evaluate_prepared(const Operator& op, std::span<const Tensor> inputs, int output_count,
                                      Parallel& parallel) {
  const ConcreteInference inferred(op, inputs, output_count);
  return run_on_heap(op, inputs, inferred.outputs(), parallel);
}

}  // namespace attune
