// The description of an operator that the loader, the optimizer, the planner and the documentation share.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "attune/tensor.h"
#include "graph/graph.h"
#include "ops/operator.h"

namespace attune {

/// A set of element types. Some of them may be widened: an operator that accepts them computes in float, and its inputs
/// and outputs are converted on the way (widened_operator.h).
class TypeSet {
 public:
  constexpr TypeSet() = default;
  constexpr TypeSet(std::initializer_list<DataType> types) {
    for (const DataType type : types) bits_ |= bit(type);
  }
  constexpr bool contains(DataType type) const { return ((bits_ | widened_) & bit(type)) != 0; }
  constexpr bool widens(DataType type) const { return (widened_ & ~bits_ & bit(type)) != 0; }
  /// The same types, all widened.
  constexpr TypeSet widened() const {
    TypeSet set;
    set.widened_ = bits_ | widened_;
    return set;
  }
  /// What either has; a type that one of them takes as it is, is not widened.
  constexpr TypeSet operator|(TypeSet other) const {
    TypeSet both;
    both.bits_ = bits_ | other.bits_;
    both.widened_ = widened_ | other.widened_;
    return both;
  }

 private:
  static constexpr uint32_t bit(DataType type) {
    const auto number = static_cast<uint32_t>(type);
    return number < 32 ? uint32_t{1} << number : 0;  // sequences and maps are in no set
  }
  uint32_t bits_ = 0;
  uint32_t widened_ = 0;
};

constexpr TypeSet kFloatOnly{DataType::kFloat};
constexpr TypeSet kHalves{DataType::kFloat16, DataType::kBfloat16};
constexpr TypeSet kFloats = TypeSet{DataType::kFloat, DataType::kDouble} | kHalves.widened();
constexpr TypeSet kFloats8{DataType::kFloat8E4M3FN, DataType::kFloat8E4M3FNUZ, DataType::kFloat8E5M2,
                           DataType::kFloat8E5M2FNUZ, DataType::kFloat8E8M0};
constexpr TypeSet kSmallTypes{DataType::kInt4, DataType::kUint4, DataType::kInt2, DataType::kUint2,
                              DataType::kFloat4E2M1};
constexpr TypeSet kSignedIntegers{DataType::kInt8, DataType::kInt16, DataType::kInt32, DataType::kInt64};
constexpr TypeSet kUnsignedIntegers{DataType::kUint8, DataType::kUint16, DataType::kUint32, DataType::kUint64};
constexpr TypeSet kIntegers = kSignedIntegers | kUnsignedIntegers;
constexpr TypeSet kIndices{DataType::kInt32, DataType::kInt64};
constexpr TypeSet kNumbers = kFloats | kIntegers;
/// Every type whose elements can be moved by size alone, and strings.
constexpr TypeSet kAnyType = kNumbers | kHalves | kFloats8 | kSmallTypes |
                             TypeSet{DataType::kBool, DataType::kString, DataType::kComplex64, DataType::kComplex128};

enum class Occurrence : uint8_t { kRequired, kOptional, kVariadic };

/// A set of kinds of values.
class KindSet {
 public:
  constexpr KindSet(std::initializer_list<ValueKind> kinds) {
    for (const ValueKind kind : kinds) bits_ |= bit(kind);
  }
  constexpr bool contains(ValueKind kind) const { return (bits_ & bit(kind)) != 0; }

 private:
  static constexpr uint32_t bit(ValueKind kind) { return uint32_t{1} << static_cast<uint32_t>(kind); }
  uint32_t bits_ = 0;
};

constexpr KindSet kTensors{ValueKind::kTensor};
constexpr KindSet kSequences{ValueKind::kSequence};
constexpr KindSet kMaps{ValueKind::kInt64Map, ValueKind::kStringMap};
constexpr KindSet kMapSequences{ValueKind::kInt64MapSequence, ValueKind::kStringMapSequence};
constexpr KindSet kOptionals{ValueKind::kOptional, ValueKind::kOptionalSequence};
constexpr KindSet kAnyKind{ValueKind::kTensor, ValueKind::kSequence, ValueKind::kOptional,
                           ValueKind::kOptionalSequence};

/// An input or output. `type` names a TypeConstraint of the same OpDef, which is about elements: those of the tensors
/// in a container, of the values in a map.
struct Parameter {
  std::string_view name;
  std::string_view type;
  Occurrence occurrence = Occurrence::kRequired;
  KindSet kinds = kTensors;
};

/// All parameters of one constraint have the same element type, one of `types`, unless `mixed`.
struct TypeConstraint {
  std::string_view name;
  TypeSet types;
  bool mixed = false;
};

struct OpDef {
  std::string_view domain = "";
  std::string_view name;
  /// The opset versions of the domain that the implementation covers.
  int since = 1;
  int until = 1000;
  std::vector<Parameter> inputs;
  std::vector<Parameter> outputs;
  std::vector<TypeConstraint> types;
  /// Parses the attributes; throws Error(kInvalidGraph or kNotImplemented).
  std::unique_ptr<Operator> (*make)(const Node&) = nullptr;
  /// Inputs whose memory output 0 may take over when nobody else needs it and the bytes are as many.
  std::vector<int> in_place = {};
  /// Output 0 is input 0's elements in the same order: the planner lets both share memory and skips the copy.
  bool is_view = false;
  /// Reads only the shapes of its inputs, never their elements: Shape and Size.
  bool reads_shapes_only = false;
  /// Sums many products: denormal numbers count as zero while it runs. Trained weights are full of them, they make a
  /// multiplication a hundred times slower on Intel, and nothing below 1e-38 shows in such a sum.
  bool flushes_denormals = false;
  /// Gives something else on every run (random numbers): never folded, never merged.
  bool is_random = false;
  /// Runs subgraphs, its attributes of that type; a variadic last parameter may have no value at all.
  bool has_subgraphs = false;
};

template <class Op>
std::unique_ptr<Operator> make_operator(const Node& node) {
  return std::make_unique<Op>(node);
}

/// The operator that a node asks for; null when there is none for its domain, name and version.
const OpDef* find_op(std::string_view domain, std::string_view name, int version);

/// Every operator, sorted by domain and name.
const std::vector<const OpDef*>& all_ops();

/// The newest opset version of ai.onnx whose operators have been looked at.
constexpr int kNewestOpset = 28;

/// Finds the operator, checks the node against its parameters' counts and types where those are known, and parses its
/// attributes. Throws Error(kNotImplemented) when the operator or a type is not supported, kInvalidGraph when the node
/// is wrong; messages name the node.
std::unique_ptr<Operator> make_node_operator(const Node& node);

}  // namespace attune
