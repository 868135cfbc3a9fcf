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
  kMap,
};

/// "seq(tensor(float))" and so on, as onnxruntime's NodeArg.type gives it.
std::string value_type_name(ValueKind kind, DataType type);

/// A type as an attribute has it.
struct ValueType {
  ValueKind kind = ValueKind::kTensor;
  DataType type = DataType::kUndefined;  ///< Of elements, in a container those of its tensors.
};

}  // namespace attune
