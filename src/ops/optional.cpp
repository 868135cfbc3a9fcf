// Optional: https://onnx.ai/onnx/operators/onnx__Optional.html, version 15; OptionalGetElement and OptionalHasElement,
// versions 15 and 18: https://onnx.ai/onnx/operators/onnx__OptionalGetElement.html. An optional that has a value is
// that value, and one that has none is no tensor.
#include "attune/error.h"
#include "ops/op_def.h"
#include "ops/sequence.h"
#include "ops/subgraph.h"

namespace attune::ops {
namespace {

class Optional final : public Operator {
 public:
  explicit Optional(const Node& node) : type_(node.attributes.get_type("type")) {
    if (!type_ && node.input(0) == nullptr) {
      throw Error(ErrorCode::kInvalidGraph, "There is neither an input nor the attribute 'type'.");
    }
  }

  void infer(InferContext& context) const override {
    const bool given = context.has_input(0);
    const DataType type = given ? context.type(0) : type_->type;
    const bool sequence = is_sequence_kind(given ? context.kind(0) : type_->kind);
    context.set_output_type(0, type, sequence ? ValueKind::kOptionalSequence : ValueKind::kOptional);
  }

  void run(RunContext& context) const override {
    context.give_output(0, context.has_input(0) ? own(context.input(0)) : Tensor());
  }

 private:
  std::optional<ValueType> type_;
};

class OptionalGetElement final : public Operator {
 public:
  explicit OptionalGetElement(const Node&) {}

  void infer(InferContext& context) const override {
    const bool sequence = is_sequence_kind(context.kind(0));
    context.set_output_type(0, context.type(0), sequence ? ValueKind::kSequence : ValueKind::kTensor);
  }

  void run(RunContext& context) const override {
    if (!context.has_input(0)) {
      throw Error(ErrorCode::kInvalidArgument,
                  "Trying to use OptionalGetElement on an optional type OrtValue which "
                  "contains no data.");
    }
    context.give_output(0, own(context.input(0)));
  }
};

class OptionalHasElement final : public Operator {
 public:
  explicit OptionalHasElement(const Node&) {}

  void infer(InferContext& context) const override { context.set_output(0, DataType::kBool, {}); }
  void run(RunContext& context) const override { *context.output(0).as<bool>() = context.has_input(0); }
};

}  // namespace

[[gnu::cold]] const OpDef& optional() {
  static const OpDef def{
      .name = "Optional",
      .since = 15,
      .inputs = {{"input", "V", Occurrence::kOptional, {ValueKind::kTensor, ValueKind::kSequence}}},
      .outputs = {{"output", "V", Occurrence::kRequired, kOptionals}},
      .types = {{"V", kAnyType}},
      .make = make_operator<Optional>,
  };
  return def;
}

[[gnu::cold]] const OpDef& optional_get_element() {
  static const OpDef def{
      .name = "OptionalGetElement",
      .since = 15,
      .inputs = {{"input", "V", Occurrence::kRequired, kAnyKind}},
      .outputs = {{"output", "V", Occurrence::kRequired, kAnyKind}},
      .types = {{"V", kAnyType}},
      .make = make_operator<OptionalGetElement>,
  };
  return def;
}

[[gnu::cold]] const OpDef& optional_has_element() {
  static const OpDef def{
      .name = "OptionalHasElement",
      .since = 15,
      .inputs = {{"input", "V", Occurrence::kOptional, kAnyKind}},
      .outputs = {{"output", "B"}},
      .types = {{"V", kAnyType}, {"B", {DataType::kBool}}},
      .make = make_operator<OptionalHasElement>,
  };
  return def;
}

}  // namespace attune::ops
