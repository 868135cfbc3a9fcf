// And, Or, Xor: https://onnx.ai/onnx/operators/onnx__And.html and so on, versions 1 to 7; BitwiseAnd, BitwiseOr,
// BitwiseXor, version 18; BitShift, versions 11 to 28. Broadcast as numpy does.
//
// Shifting by as many bits as the type has, or more, gives what many shifts by one give: 0, or -1 for a negative number
// shifted right.
#include <fmt/format.h>

#include <array>
#include <functional>
#include <string>
#include <type_traits>

#include "attune/error.h"
#include "ops/batch.h"
#include "ops/broadcast.h"
#include "ops/element_loop.h"
#include "ops/element_types.h"
#include "ops/old_broadcast.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

void infer_output(InferContext& context) {
  if (const auto shape = infer_broadcast(context, 2)) {
    context.set_output(0, context.type(0), *shape);
  } else {
    context.set_output_type(0, context.type(0));
  }
}

/// Negative counts are as too large ones.
template <class T>
bool shifts_all_out(T bits) {
  return bits < T{0} || static_cast<std::make_unsigned_t<T>>(bits) >= sizeof(T) * 8;
}

struct ShiftLeft {
  template <class T>
  T operator()(T x, T bits) const {
    if (shifts_all_out(bits)) return 0;
    return static_cast<T>(static_cast<std::make_unsigned_t<T>>(x) << bits);
  }
};

struct ShiftRight {
  template <class T>
  T operator()(T x, T bits) const {
    if (shifts_all_out(bits)) return static_cast<T>(x < T{0} ? -1 : 0);
    return static_cast<T>(x >> bits);
  }
};

/// out = Function(a, b) with operands and result of one type.
template <class Function, class T>
void run_typed(RunContext& context, const std::array<TensorView, 2>& inputs) {
  for_each_broadcast(inputs, context.output(0), kCheapGrain, context.parallel(),
                     [](const BroadcastRun& run) { fill_binary<T, T>(run, Function()); });
}

template <class Function>
class Logical final : public Operator {
 public:
  explicit Logical(const Node& node) : old_(node) {}
  void infer(InferContext& context) const override {
    if (old_.applies()) return old_.infer(context, DataType::kBool);
    infer_output(context);
  }
  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return broadcast_batch(inputs, outputs);
  }

  void run(RunContext& context) const override {
    run_typed<Function, bool>(context, OldOperands(old_, context).views());
  }

 private:
  OldBroadcast old_;
};

template <class Function>
class Bitwise final : public Operator {
 public:
  explicit Bitwise(const Node&) {}
  void infer(InferContext& context) const override { infer_output(context); }
  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return broadcast_batch(inputs, outputs);
  }

  void run(RunContext& context) const override {
    visit_integer_type(context.input(0).type, [&](auto tag) {
      run_typed<Function, typename decltype(tag)::type>(context, {context.input(0), context.input(1)});
    });
  }
};

class BitShift final : public Operator {
 public:
  explicit BitShift(const Node& node) {
    const std::string direction = node.attributes.get_string("direction", "");
    if (direction != "LEFT" && direction != "RIGHT") {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("Invalid direction value of '{}'. Valid values are 'LEFT' or 'RIGHT'.", direction));
    }
    left_ = direction == "LEFT";
  }

  void infer(InferContext& context) const override { infer_output(context); }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return broadcast_batch(inputs, outputs);
  }

  void run(RunContext& context) const override {
    visit_integer_type(context.input(0).type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      const std::array inputs{context.input(0), context.input(1)};
      if (left_) {
        run_typed<ShiftLeft, T>(context, inputs);
      } else {
        run_typed<ShiftRight, T>(context, inputs);
      }
    });
  }

 private:
  bool left_ = false;
};

OpDef bits(std::string_view name, int since, TypeSet types, std::unique_ptr<Operator> (*make)(const Node&)) {
  return {
      .name = name,
      .since = since,
      .inputs = {{"A", "T"}, {"B", "T"}},
      .outputs = {{"C", "T"}},
      .types = {{"T", types}},
      .make = make,
      .in_place = {0, 1},
  };
}

constexpr TypeSet kBoolOnly{DataType::kBool};

}  // namespace

[[gnu::cold]] const OpDef& bit_shift() {
  static const OpDef def = bits("BitShift", 11, kIntegers, make_operator<BitShift>);
  return def;
}

[[gnu::cold]] const OpDef& bitwise_and() {
  static const OpDef def = bits("BitwiseAnd", 18, kIntegers, make_operator<Bitwise<std::bit_and<>>>);
  return def;
}

[[gnu::cold]] const OpDef& bitwise_or() {
  static const OpDef def = bits("BitwiseOr", 18, kIntegers, make_operator<Bitwise<std::bit_or<>>>);
  return def;
}

[[gnu::cold]] const OpDef& bitwise_xor() {
  static const OpDef def = bits("BitwiseXor", 18, kIntegers, make_operator<Bitwise<std::bit_xor<>>>);
  return def;
}

[[gnu::cold]] const OpDef& logical_and() {
  static const OpDef def = bits("And", 1, kBoolOnly, make_operator<Logical<std::logical_and<>>>);
  return def;
}

[[gnu::cold]] const OpDef& logical_or() {
  static const OpDef def = bits("Or", 1, kBoolOnly, make_operator<Logical<std::logical_or<>>>);
  return def;
}

[[gnu::cold]] const OpDef& logical_xor() {
  static const OpDef def = bits("Xor", 1, kBoolOnly, make_operator<Logical<std::not_equal_to<>>>);
  return def;
}

}  // namespace attune::ops
