#include "onnx/value_types.h"

#include <fmt/format.h>

#include "attune/error.h"
#include "onnx/tensor_reader.h"

namespace attune {
namespace {

using protozero::pbf_reader;

// onnx.TypeProto
enum TypeField : protozero::pbf_tag_type {
  kTensorType = 1,
  kSequenceType = 4,
  kMapType = 5,
  kSparseTensorType = 8,
  kOptionalType = 9,
};

int64_t read_dimension(pbf_reader message, const SymbolicDim& symbolic) {
  int64_t dim = 0;
  bool has_value = false;
  std::string label;
  std::string denotation;
  while (message.next()) {
    switch (message.tag()) {
      case 1:
        dim = message.get_int64();
        has_value = true;
        break;
      case 2:
        label = message.get_string();
        break;
      case 3:
        denotation = message.get_string();
        break;
      default:
        message.skip();
    }
  }
  return has_value && dim >= 0 ? dim : symbolic(label, denotation);
}

Shape read_shape(pbf_reader message, const SymbolicDim& symbolic) {
  Shape shape;
  while (message.next()) {
    if (message.tag() != 1) {
      message.skip();
      continue;
    }
    shape.push_back(read_dimension(message.get_message(), symbolic));
  }
  return shape;
}

void read_tensor_type(pbf_reader message, std::string_view what, const SymbolicDim& symbolic, StatedType& stated) {
  while (message.next()) {
    switch (message.tag()) {
      case 1: {
        const int32_t number = message.get_int32();
        if (number != 0) stated.type = read_data_type(number, what);
        break;
      }
      case 2:
        stated.shape = read_shape(message.get_message(), symbolic);
        break;
      default:
        message.skip();
    }
  }
}

/// The type inside a sequence or an optional: field 1 of either message.
StatedType read_element_type(pbf_reader message, std::string_view what, int depth);

/// A map from int64 or strings to tensors without dimensions: what operators take and give.
StatedType read_map_type(pbf_reader message, std::string_view what, int depth);

ValueKind sequence_of(ValueKind element) {
  switch (element) {
    case ValueKind::kTensor:
      return ValueKind::kSequence;
    case ValueKind::kInt64Map:
      return ValueKind::kInt64MapSequence;
    case ValueKind::kStringMap:
      return ValueKind::kStringMapSequence;
    default:
      return ValueKind::kUnknown;
  }
}

ValueKind optional_of(ValueKind element) {
  switch (element) {
    case ValueKind::kTensor:
      return ValueKind::kOptional;
    case ValueKind::kSequence:
      return ValueKind::kOptionalSequence;
    default:
      return ValueKind::kUnknown;
  }
}

StatedType read_type(pbf_reader message, std::string_view what, const SymbolicDim& symbolic, int depth) {
  StatedType stated;
  while (message.next()) {
    switch (message.tag()) {
      case kTensorType:
        read_tensor_type(message.get_message(), what, symbolic, stated);
        break;
      case kSequenceType: {
        const StatedType element = read_element_type(message.get_message(), what, depth);
        stated.kind = sequence_of(element.kind);
        stated.type = element.type;
        break;
      }
      case kMapType:
        stated = read_map_type(message.get_message(), what, depth);
        break;
      case kSparseTensorType:
        stated.kind = ValueKind::kSparseTensor;
        message.skip();
        break;
      case kOptionalType: {
        const StatedType element = read_element_type(message.get_message(), what, depth);
        stated.kind = optional_of(element.kind);
        stated.type = element.type;
        break;
      }
      default:
        message.skip();
    }
  }
  return stated;
}

/// The type inside another one, whose dimensions nobody asks for.
StatedType read_nested_type(pbf_reader message, std::string_view what, int depth) {
  constexpr int kMostNested = 8;  // ONNX has two; more is an attack on the stack
  if (depth >= kMostNested) {
    throw Error(ErrorCode::kInvalidGraph,
                fmt::format("This is an invalid model. The type of '{}' is nested too deep.", what));
  }
  const SymbolicDim unknown = [](const std::string&, const std::string&) { return kUnknownDim; };
  return read_type(message, what, unknown, depth + 1);
}

StatedType read_element_type(pbf_reader message, std::string_view what, int depth) {
  StatedType element;
  while (message.next()) {
    if (message.tag() == 1) {
      element = read_nested_type(message.get_message(), what, depth);
    } else {
      message.skip();
    }
  }
  return element;
}

StatedType read_map_type(pbf_reader message, std::string_view what, int depth) {
  DataType key = DataType::kUndefined;
  StatedType map;
  while (message.next()) {
    switch (message.tag()) {
      case 1:
        key = read_data_type(message.get_int32(), what);
        break;
      case 2:
        map = read_nested_type(message.get_message(), what, depth);
        break;
      default:
        message.skip();
    }
  }
  map.shape.reset();
  if (map.kind != ValueKind::kTensor || (key != DataType::kInt64 && key != DataType::kString)) {
    map.kind = ValueKind::kUnknown;
  } else {
    map.kind = key == DataType::kInt64 ? ValueKind::kInt64Map : ValueKind::kStringMap;
  }
  return map;
}

}  // namespace

StatedType read_type(pbf_reader message, std::string_view what, const SymbolicDim& symbolic) {
  return read_type(message, what, symbolic, 0);
}

}  // namespace attune
