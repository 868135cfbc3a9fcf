// SequenceConstruct, SequenceEmpty, SequenceAt, SequenceInsert, SequenceErase, SequenceLength, version 11:
// https://onnx.ai/onnx/operators/onnx__SequenceConstruct.html and so on. Sequences share their tensors.
#include <fmt/format.h>

#include <utility>

#include "attune/error.h"
#include "ops/element_types.h"
#include "ops/op_def.h"
#include "ops/sequence.h"
#include "ops/subgraph.h"

namespace attune::ops {
namespace {

class SequenceConstruct final : public Operator {
 public:
  explicit SequenceConstruct(const Node&) {}

  void infer(InferContext& context) const override { set_sequence_output(context, 0, context.type(0)); }

  void run(RunContext& context) const override {
    std::vector<Tensor> elements;
    for (int i = 0; i < context.input_count(); ++i) elements.push_back(own(context.input(i)));
    context.give_output(0, Tensor::sequence(std::move(elements)));
  }
};

class SequenceEmpty final : public Operator {
 public:
  explicit SequenceEmpty(const Node& node) : type_(node.attributes.get_data_type("dtype", DataType::kFloat)) {
    if (element_size(type_) == 0) throw Error(ErrorCode::kInvalidGraph, "The attribute 'dtype' is no element type.");
  }

  void infer(InferContext& context) const override { set_sequence_output(context, 0, type_); }
  void run(RunContext& context) const override { context.give_output(0, Tensor::sequence({})); }

 private:
  DataType type_;
};

class SequenceAt final : public Operator {
 public:
  explicit SequenceAt(const Node&) {}

  void infer(InferContext& context) const override { context.set_output_type(0, context.type(0)); }

  void run(RunContext& context) const override {
    const std::span<const Tensor> elements = sequence_elements(context.input(0));
    context.give_output(0, elements[sequence_position(context.input(1), elements.size(), false)]);
  }
};

class SequenceInsert final : public Operator {
 public:
  explicit SequenceInsert(const Node&) {}

  void infer(InferContext& context) const override { set_sequence_output(context, 0, context.type(0)); }

  void run(RunContext& context) const override {
    const std::span<const Tensor> elements = sequence_elements(context.input(0));
    size_t place = elements.size();
    if (context.has_input(2)) place = sequence_position(context.input(2), elements.size(), true);
    std::vector<Tensor> result(elements.begin(), elements.end());
    result.insert(result.begin() + static_cast<ptrdiff_t>(place), own(context.input(1)));
    context.give_output(0, Tensor::sequence(std::move(result)));
  }
};

class SequenceErase final : public Operator {
 public:
  explicit SequenceErase(const Node&) {}

  void infer(InferContext& context) const override { set_sequence_output(context, 0, context.type(0)); }

  void run(RunContext& context) const override {
    const std::span<const Tensor> elements = sequence_elements(context.input(0));
    if (elements.empty()) throw Error(ErrorCode::kInvalidArgument, "There is nothing to erase in an empty sequence.");
    size_t place = elements.size() - 1;
    if (context.has_input(1)) place = sequence_position(context.input(1), elements.size(), false);
    std::vector<Tensor> result(elements.begin(), elements.end());
    result.erase(result.begin() + static_cast<ptrdiff_t>(place));
    context.give_output(0, Tensor::sequence(std::move(result)));
  }
};

class SequenceLength final : public Operator {
 public:
  explicit SequenceLength(const Node&) {}

  void infer(InferContext& context) const override { context.set_output(0, DataType::kInt64, {}); }

  void run(RunContext& context) const override {
    *context.output(0).as<int64_t>() = static_cast<int64_t>(sequence_elements(context.input(0)).size());
  }
};

}  // namespace

[[gnu::cold]] const OpDef& sequence_construct() {
  static const OpDef def{
      .name = "SequenceConstruct",
      .since = 11,
      .inputs = {{"inputs", "T", Occurrence::kVariadic}},
      .outputs = {{"output_sequence", "T", Occurrence::kRequired, kSequences}},
      .types = {{"T", kAnyType}},
      .make = make_operator<SequenceConstruct>,
  };
  return def;
}

[[gnu::cold]] const OpDef& sequence_empty() {
  static const OpDef def{
      .name = "SequenceEmpty",
      .since = 11,
      .inputs = {},
      .outputs = {{"output", "T", Occurrence::kRequired, kSequences}},
      .types = {{"T", kAnyType}},
      .make = make_operator<SequenceEmpty>,
  };
  return def;
}

[[gnu::cold]] const OpDef& sequence_at() {
  static const OpDef def{
      .name = "SequenceAt",
      .since = 11,
      .inputs = {{"input_sequence", "T", Occurrence::kRequired, kSequences}, {"position", "I"}},
      .outputs = {{"tensor", "T"}},
      .types = {{"T", kAnyType}, {"I", kIndices}},
      .make = make_operator<SequenceAt>,
  };
  return def;
}

[[gnu::cold]] const OpDef& sequence_insert() {
  static const OpDef def{
      .name = "SequenceInsert",
      .since = 11,
      .inputs = {{"input_sequence", "T", Occurrence::kRequired, kSequences},
                 {"tensor", "T"},
                 {"position", "I", Occurrence::kOptional}},
      .outputs = {{"output_sequence", "T", Occurrence::kRequired, kSequences}},
      .types = {{"T", kAnyType}, {"I", kIndices}},
      .make = make_operator<SequenceInsert>,
  };
  return def;
}

[[gnu::cold]] const OpDef& sequence_erase() {
  static const OpDef def{
      .name = "SequenceErase",
      .since = 11,
      .inputs = {{"input_sequence", "T", Occurrence::kRequired, kSequences}, {"position", "I", Occurrence::kOptional}},
      .outputs = {{"output_sequence", "T", Occurrence::kRequired, kSequences}},
      .types = {{"T", kAnyType}, {"I", kIndices}},
      .make = make_operator<SequenceErase>,
  };
  return def;
}

[[gnu::cold]] const OpDef& sequence_length() {
  static const OpDef def{
      .name = "SequenceLength",
      .since = 11,
      .inputs = {{"input_sequence", "T", Occurrence::kRequired, kSequences}},
      .outputs = {{"length", "I"}},
      .types = {{"T", kAnyType}, {"I", {DataType::kInt64}}},
      .make = make_operator<SequenceLength>,
  };
  return def;
}

}  // namespace attune::ops
