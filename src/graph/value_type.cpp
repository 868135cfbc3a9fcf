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
    case ValueKind::kMap:
      return fmt::format("map({})", tensor);
  }
  return tensor;
}

}  // namespace attune
