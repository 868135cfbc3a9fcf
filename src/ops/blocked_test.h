// Runs an operator on blocked tensors and compares with what it gives on plain ones.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <vector>

#include "kernels/simd.h"
#include "ops/op_test.h"

namespace attune {

/// A float tensor of rank 4 in NCHWc; NaN in the lanes past the last channel, which no result may show.
inline Tensor to_blocked(const Tensor& plain, int64_t block) {
  const Shape& s = plain.shape();
  Tensor blocked = Tensor::allocate(DataType::kFloat, physical_shape(s, Layout::kBlocked, block));
  for (float& value : blocked.values<float>()) value = std::numeric_limits<float>::quiet_NaN();
  const auto from = plain.values<float>();
  const auto to = blocked.values<float>();
  const int64_t blocks = (s[1] + block - 1) / block;
  const int64_t pixels = s[2] * s[3];
  for (int64_t n = 0; n < s[0]; ++n) {
    for (int64_t c = 0; c < s[1]; ++c) {
      for (int64_t p = 0; p < pixels; ++p) {
        to[static_cast<size_t>(((n * blocks + c / block) * pixels + p) * block + c % block)] =
            from[static_cast<size_t>((n * s[1] + c) * pixels + p)];
      }
    }
  }
  return blocked;
}

inline Tensor from_blocked(const Tensor& blocked, const Shape& s, int64_t block) {
  Tensor plain = Tensor::allocate(DataType::kFloat, s);
  const auto from = blocked.values<float>();
  const auto to = plain.values<float>();
  const int64_t blocks = (s[1] + block - 1) / block;
  const int64_t pixels = s[2] * s[3];
  for (int64_t n = 0; n < s[0]; ++n) {
    for (int64_t c = 0; c < s[1]; ++c) {
      for (int64_t p = 0; p < pixels; ++p) {
        to[static_cast<size_t>((n * s[1] + c) * pixels + p)] =
            from[static_cast<size_t>(((n * blocks + c / block) * pixels + p) * block + c % block)];
      }
    }
  }
  return plain;
}

/// One node whose inputs named in `blocked` come in blocks.
class BlockedTest {
 public:
  explicit BlockedTest(std::string_view op_type, int version = 17, std::string_view domain = "")
      : op_type_(op_type), domain_(domain), version_(version) {}

  BlockedTest& attribute(std::string_view name, AttributeValue value) {
    attributes_.set(name, std::move(value));
    return *this;
  }
  /// A plain constant.
  BlockedTest& constant(Tensor tensor) { return add(std::move(tensor), true, false); }
  /// A fed input, made in blocks by the node before.
  BlockedTest& blocked(Tensor tensor) { return add(std::move(tensor), false, true); }
  /// A fed plain input.
  BlockedTest& plain(Tensor tensor) { return add(std::move(tensor), false, false); }
  /// An optional input that is left out.
  BlockedTest& no_input() { return add(Tensor(), false, false); }

  /// Checks that the operator asks for the first input in `wanted`, writes output 0 in `output`, and gives the same
  /// numbers as on plain tensors, for each output; constants are packed as a session packs them.
  void expect(Layout wanted, Layout output, int output_count = 1) {
    const int64_t block = kernels::block_channels();
    Graph graph;
    graph.opsets[domain_] = version_;
    std::vector<Value*> values;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (!inputs_[i]) {
        values.push_back(nullptr);
        continue;
      }
      values.push_back(is_constant_[i] ? graph.add_constant(inputs_[i])
                                       : graph.add_value({}, inputs_[i].type(), inputs_[i].shape()));
    }
    std::vector<Value*> results;
    for (int i = 0; i < output_count; ++i) results.push_back(graph.add_value());
    Node* node = graph.add_node(op_type_, values, results, "tested", domain_, version_);
    node->attributes = attributes_;
    const auto op = make_node_operator(*node);
    infer_node(graph, *node, *op);

    std::vector<ValueInfo> infos;
    for (const Value* value : values) infos.push_back(value == nullptr ? ValueInfo{} : value_info(*value));
    std::vector<const ValueInfo*> pointers;
    for (size_t i = 0; i < values.size(); ++i) pointers.push_back(values[i] == nullptr ? nullptr : &infos[i]);
    LayoutContext layouts(pointers, current_, output_count, static_cast<int>(block));
    op->choose_layouts(layouts);
    ASSERT_EQ(layouts.wanted(0), wanted);
    ASSERT_EQ(layouts.output(0), output);

    SerialParallel parallel;
    const std::vector<Tensor> expected = evaluate_prepared(*op, inputs_, output_count, parallel);
    Preparation preparation(pointers, layouts, *node, static_cast<int>(block));
    op->prepare(preparation);
    std::vector<Tensor> memory;
    std::vector<TensorView> input_views;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const Layout layout = layouts.wanted(static_cast<int>(i));
      if (!inputs_[i]) {
        memory.emplace_back();
        input_views.emplace_back();
        continue;
      }
      memory.push_back(layout == Layout::kBlocked ? to_blocked(inputs_[i], block) : inputs_[i]);
      input_views.push_back({memory.back().raw(), &inputs_[i].shape(), inputs_[i].type(), layout,
                             static_cast<uint8_t>(layout == Layout::kBlocked ? block : 1)});
    }
    std::vector<Tensor> written;
    std::vector<TensorView> output_views;
    for (int i = 0; i < output_count; ++i) {
      const Tensor& tensor = expected[static_cast<size_t>(i)];
      const Layout layout = layouts.output(i);
      written.push_back(Tensor::allocate(tensor.type(), physical_shape(tensor.shape(), layout, block)));
      output_views.push_back({written.back().raw(), &tensor.shape(), tensor.type(), layout,
                              static_cast<uint8_t>(layout == Layout::kBlocked ? block : 1)});
    }
    const Tensor workspace = Tensor::allocate(
        DataType::kUint8, Shape{static_cast<int64_t>(op->workspace_bytes(input_views, output_views, 1))});
    Run run(input_views, output_views, {static_cast<std::byte*>(const_cast<void*>(workspace.raw())), workspace.bytes()},
            parallel);
    op->run(run);
    for (int i = 0; i < output_count; ++i) {
      SCOPED_TRACE("output " + std::to_string(i));
      const auto at = static_cast<size_t>(i);
      const Tensor actual =
          layouts.output(i) == Layout::kBlocked ? from_blocked(written[at], expected[at].shape(), block) : written[at];
      if (actual.type() != DataType::kFloat) {
        ASSERT_EQ(0, std::memcmp(actual.raw(), expected[at].raw(), actual.bytes()));
        continue;
      }
      for (size_t k = 0; k < expected[at].values<float>().size(); ++k) {
        ASSERT_EQ(actual.values<float>()[k], expected[at].values<float>()[k]) << "element " << k;
      }
    }
  }

 private:
  class Run final : public RunContext {
   public:
    using RunContext::RunContext;
    void give_output(int i, Tensor) override { ADD_FAILURE() << "output " << i << " was planned"; }
  };

  /// Packs without sharing, for the layouts that were chosen.
  class Preparation final : public PrepareContext {
   public:
    Preparation(std::span<const ValueInfo* const> inputs, const LayoutContext& layouts, const Node& node, int block)
        : inputs_(inputs), layouts_(layouts), block_(block) {
      for (const Value* value : node.outputs()) outputs_.push_back(value_info(*value));
    }

    bool has_input(int i) const override {
      return static_cast<size_t>(i) < inputs_.size() && inputs_[static_cast<size_t>(i)] != nullptr;
    }
    const ValueInfo& input(int i) const override { return *inputs_[static_cast<size_t>(i)]; }
    const ValueInfo& output(int i) const override { return outputs_[static_cast<size_t>(i)]; }
    Layout input_layout(int i) const override { return layouts_.wanted(i); }
    Layout output_layout(int i) const override { return layouts_.output(i); }
    int block() const override { return block_; }
    PackedWeights pack(int, std::string_view, size_t floats, FunctionRef<void(float*)> fill) override {
      Tensor memory = Tensor::allocate(DataType::kFloat, Shape{static_cast<int64_t>(floats)});
      fill(static_cast<float*>(memory.raw()));
      return {memory.owner(), static_cast<const float*>(memory.raw())};
    }
    void release_input(int) override {}
    Parallel& parallel() override { return parallel_; }

   private:
    std::span<const ValueInfo* const> inputs_;
    std::vector<ValueInfo> outputs_;
    const LayoutContext& layouts_;
    int block_;
    SerialParallel parallel_;
  };

  BlockedTest& add(Tensor tensor, bool is_constant, bool is_blocked) {
    inputs_.push_back(std::move(tensor));
    is_constant_.push_back(is_constant);
    current_.push_back(is_blocked ? Layout::kBlocked : Layout::kPlain);
    return *this;
  }

  std::string op_type_;
  std::string domain_;
  int version_;
  Attributes attributes_;
  std::vector<Tensor> inputs_;
  std::vector<bool> is_constant_;
  std::vector<Layout> current_;
};

}  // namespace attune
