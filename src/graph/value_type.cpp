#include "graph/value_type.h"

#include <fmt/format.h>

namespace attune {

std::string value_type_name(ValueKind kind, DataType type) {
  const std::string tensor = tensor_type_name(type);
  switch (kind) {
    case ValueKind::kTensor:
      return tensor;
    case ValueKind::kSparseTensor:
      return fmt::format("sparse_{}", tensor);
    case ValueKind::kSequence:
      return fmt::format("seq({})", tensor);
    case ValueKind::kOptional:
      return fmt::format("optional({})", tensor);
    case ValueKind::kOptionalSequence:
      return fmt::format("optional(seq({}))", tensor);
    case ValueKind::kInt64Map:
    case ValueKind::kStringMap:
      return fmt::format("map({},{})", data_type_name(map_key_type(kind)), tensor);
    case ValueKind::kInt64MapSequence:
    case ValueKind::kStringMapSequence:
      return fmt::format("seq(map({},{}))", data_type_name(map_key_type(kind)), tensor);
    case ValueKind::kUnknown:
      return "container of another kind";
  }
  return tensor;
}

DataType map_key_type(ValueKind kind) {
  switch (kind) {
    case ValueKind::kInt64Map:
    case ValueKind::kInt64MapSequence:
      return DataType::kInt64;
    case ValueKind::kStringMap:
    case ValueKind::kStringMapSequence:
      return DataType::kString;
    default:
      return DataType::kUndefined;
  }
}

bool is_sequence_kind(ValueKind kind) {
  return kind == ValueKind::kSequence || kind == ValueKind::kOptionalSequence || kind == ValueKind::kInt64MapSequence ||
         kind == ValueKind::kStringMapSequence;
}

}  // namespace attune
