// What ONNX calls a type.
#pragma once

#include <cstdint>
#include <string>

#include "attune/tensor.h"

namespace attune {

/// A tensor of some element type, or a container of them.
enum class ValueKind : uint8_t {
  kTensor,
  kSparseTensor,
  kSequence,          ///< Of tensors.
  kOptional,          ///< A tensor or nothing.
  kOptionalSequence,  ///< A sequence of tensors or nothing.
  kInt64Map,          ///< From int64 to elements of a type.
  kStringMap,         ///< From strings to them.
  kInt64MapSequence,
  kStringMapSequence,
  kUnknown,  ///< What ONNX can say, but no operator takes or gives, such as a sequence of sequences.
};

/// "seq(tensor(float))" and so on, as onnxruntime's NodeArg.type gives it.
std::string value_type_name(ValueKind kind, DataType type);

/// Of the keys of a map, or of a sequence of maps; kUndefined for other kinds.
DataType map_key_type(ValueKind kind);

/// A sequence of tensors or of maps, or an optional one.
bool is_sequence_kind(ValueKind kind);

/// A type as an attribute has it.
struct ValueType {
  ValueKind kind = ValueKind::kTensor;
  DataType type = DataType::kUndefined;  ///< Of elements, in a container those of its tensors, in a map of its values.
};

}  // namespace attune
