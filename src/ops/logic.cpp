// And, Or, Xor: https://onnx.ai/onnx/operators/onnx__And.html and so on, version 7; BitwiseAnd, BitwiseOr, BitwiseXor,
// version 18; BitShift, version 11. Broadcast as numpy does. Gaps: the axis and broadcast attributes before version 7.
//
// Shifting by as many bits as the type has, or more, gives 0, as in onnxruntime; the page does not say.
#include <fmt/format.h>

#include <array>
#include <functional>
#include <limits>
#include <string>

#include "attune/error.h"
#include "ops/broadcast.h"
#include "ops/element_loop.h"
#include "ops/element_types.h"
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

struct ShiftLeft {
  template <class T>
  T operator()(T x, T bits) const {
    return bits < T{std::numeric_limits<T>::digits} ? static_cast<T>(x << bits) : T{0};
  }
};

struct ShiftRight {
  template <class T>
  T operator()(T x, T bits) const {
    return bits < T{std::numeric_limits<T>::digits} ? static_cast<T>(x >> bits) : T{0};
  }
};

/// out = Function(a, b) with operands and result of one type.
template <class Function, class T>
void run_typed(RunContext& context) {
  const std::array inputs{context.input(0), context.input(1)};
  for_each_broadcast(inputs, context.output(0), kCheapGrain, context.parallel(),
                     [](const BroadcastRun& run) { fill_binary<T, T>(run, Function()); });
}

template <class Function>
class Logical final : public Operator {
 public:
  explicit Logical(const Node&) {}
  void infer(InferContext& context) const override { infer_output(context); }
  void run(RunContext& context) const override { run_typed<Function, bool>(context); }
};

template <class Function>
class Bitwise final : public Operator {
 public:
  explicit Bitwise(const Node&) {}
  void infer(InferContext& context) const override { infer_output(context); }
  void run(RunContext& context) const override {
    visit_integer_type(context.input(0).type,
                       [&](auto tag) { run_typed<Function, typename decltype(tag)::type>(context); });
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

  void run(RunContext& context) const override {
    visit_type<uint8_t, uint16_t, uint32_t, uint64_t>(context.input(0).type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      if (left_) {
        run_typed<ShiftLeft, T>(context);
      } else {
        run_typed<ShiftRight, T>(context);
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

const OpDef& bit_shift() {
  static const OpDef def = bits("BitShift", 11, kUnsignedIntegers, make_operator<BitShift>);
  return def;
}

const OpDef& bitwise_and() {
  static const OpDef def = bits("BitwiseAnd", 18, kIntegers, make_operator<Bitwise<std::bit_and<>>>);
  return def;
}

const OpDef& bitwise_or() {
  static const OpDef def = bits("BitwiseOr", 18, kIntegers, make_operator<Bitwise<std::bit_or<>>>);
  return def;
}

const OpDef& bitwise_xor() {
  static const OpDef def = bits("BitwiseXor", 18, kIntegers, make_operator<Bitwise<std::bit_xor<>>>);
  return def;
}

const OpDef& logical_and() {
  static const OpDef def = bits("And", 7, kBoolOnly, make_operator<Logical<std::logical_and<>>>);
  return def;
}

const OpDef& logical_or() {
  static const OpDef def = bits("Or", 7, kBoolOnly, make_operator<Logical<std::logical_or<>>>);
  return def;
}

const OpDef& logical_xor() {
  static const OpDef def = bits("Xor", 7, kBoolOnly, make_operator<Logical<std::not_equal_to<>>>);
  return def;
}

}  // namespace attune::ops
