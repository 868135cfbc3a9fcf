#include "onnx/tensor_reader.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>
#include <span>
#include <vector>

#include "attune/error.h"
#include "tensor/packed_elements.h"

namespace attune {
namespace {

// Field numbers of onnx.TensorProto.
enum TensorField : protozero::pbf_tag_type {
  kDims = 1,
  kDataType = 2,
  kSegment = 3,
  kFloatData = 4,
  kInt32Data = 5,
  kStringData = 6,
  kInt64Data = 7,
  kName = 8,
  kRawData = 9,
  kDoubleData = 10,
  kUint64Data = 11,
  kExternalData = 13,
  kDataLocation = 14,
};

// Below this a copy is cheaper than keeping track of where the bytes lie.
constexpr size_t kCopyBytes = 64 * 1024;

using View = std::span<const std::byte>;

View as_bytes(protozero::data_view view) { return std::as_bytes(std::span(view.data(), view.size())); }

/// Everything a TensorProto may hold, before it is known which of it counts.
struct Parts {
  std::string name;
  std::vector<int64_t> dims;
  int64_t type = 0;
  bool has_raw = false;
  View raw;
  std::vector<View> chunks;        // packed float_data or double_data, little-endian
  std::vector<std::byte> loose;    // the same, written as a field for each number
  std::vector<uint64_t> integers;  // int32_data, int64_data and uint64_data, bits extended
  std::vector<std::string> strings;
  bool is_external = false;
  std::string location;
  uint64_t offset = 0;
  uint64_t length = 0;
};

uint64_t read_number(std::string_view text, const Parts& parts) {
  uint64_t number = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), number);
  if (end.ec != std::errc() || end.ptr != text.data() + text.size()) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("External data of initializer '{}' has the invalid number '{}'.", parts.name, text));
  }
  return number;
}

void read_external_entry(protozero::pbf_reader entry, Parts& parts) {
  std::string key;
  std::string value;
  while (entry.next()) {
    switch (entry.tag()) {
      case 1:
        key = entry.get_string();
        break;
      case 2:
        value = entry.get_string();
        break;
      default:
        entry.skip();
    }
  }
  if (key == "location") parts.location = value;
  if (key == "offset") parts.offset = read_number(value, parts);
  if (key == "length") parts.length = read_number(value, parts);
}

template <class T>
void append(std::vector<T>& target, auto range) {
  for (const auto value : range) target.push_back(static_cast<T>(value));
}

void append_loose(std::vector<std::byte>& bytes, auto number) {
  const auto* first = reinterpret_cast<const std::byte*>(&number);
  bytes.insert(bytes.end(), first, first + sizeof(number));
}

/// Repeated numbers come packed into one field, or as a field each.
Parts read_parts(protozero::pbf_reader& message) {
  Parts parts;
  const auto is_packed = [&] { return message.wire_type() == protozero::pbf_wire_type::length_delimited; };
  while (message.next()) {
    switch (message.tag()) {
      case kDims:
        if (is_packed()) {
          append(parts.dims, message.get_packed_int64());
        } else {
          parts.dims.push_back(message.get_int64());
        }
        break;
      case kDataType:
        parts.type = message.get_int32();
        break;
      case kSegment:
        throw Error(ErrorCode::kNotImplemented, "Initializers in segments are not supported.");
      case kFloatData:
        if (is_packed()) {
          parts.chunks.push_back(as_bytes(message.get_view()));
        } else {
          append_loose(parts.loose, message.get_float());
        }
        break;
      case kDoubleData:
        if (is_packed()) {
          parts.chunks.push_back(as_bytes(message.get_view()));
        } else {
          append_loose(parts.loose, message.get_double());
        }
        break;
      case kInt32Data:
        if (is_packed()) {
          append(parts.integers, message.get_packed_int32());
        } else {
          parts.integers.push_back(static_cast<uint64_t>(message.get_int32()));
        }
        break;
      case kInt64Data:
        if (is_packed()) {
          append(parts.integers, message.get_packed_int64());
        } else {
          parts.integers.push_back(static_cast<uint64_t>(message.get_int64()));
        }
        break;
      case kUint64Data:
        if (is_packed()) {
          append(parts.integers, message.get_packed_uint64());
        } else {
          parts.integers.push_back(message.get_uint64());
        }
        break;
      case kStringData:
        parts.strings.push_back(message.get_string());
        break;
      case kName:
        parts.name = message.get_string();
        break;
      case kRawData:
        parts.raw = as_bytes(message.get_view());
        parts.has_raw = true;
        break;
      case kExternalData:
        read_external_entry(message.get_message(), parts);
        break;
      case kDataLocation:
        parts.is_external = message.get_int32() == 1;
        break;
      default:
        message.skip();
    }
  }
  return parts;
}

[[noreturn]] void throw_size(const Parts& parts, size_t wanted, size_t held) {
  throw Error(
      ErrorCode::kInvalidArgument,
      fmt::format("Initializer '{}' needs {} bytes for its shape, but the model holds {}.", parts.name, wanted, held));
}

Tensor unpack(const Parts& parts, DataType type, const Shape& shape, View bytes) {
  const size_t each = elements_per_byte(type);
  const auto count = static_cast<size_t>(shape.elements());
  const size_t wanted = (count + each - 1) / each;
  if (bytes.size() != wanted) throw_size(parts, wanted, bytes.size());
  Tensor tensor = Tensor::allocate(type, shape);
  unpack_elements(type, bytes.data(), count, static_cast<uint8_t*>(tensor.raw()));
  return tensor;
}

Tensor from_bytes(const Parts& parts, DataType type, const Shape& shape, View bytes,
                  const std::shared_ptr<const void>& owner) {
  if (elements_per_byte(type) > 1) return unpack(parts, type, shape, bytes);
  const size_t wanted = static_cast<size_t>(shape.elements()) * element_size(type);
  if (bytes.size() != wanted) throw_size(parts, wanted, bytes.size());
  Tensor view = Tensor::view(type, shape, const_cast<std::byte*>(bytes.data()), owner);
  if (type == DataType::kBool) {
    // A bool that is neither 0 nor 1 is undefined behaviour to read.
    Tensor copy = Tensor::allocate(type, shape);
    for (size_t i = 0; i < wanted; ++i) copy.values<bool>()[i] = bytes[i] != std::byte{0};
    return copy;
  }
  return bytes.size() <= kCopyBytes ? view.aligned() : view;
}

Tensor from_chunks(const Parts& parts, DataType type, const Shape& shape, const std::shared_ptr<const void>& owner) {
  const std::vector<View>& chunks = parts.chunks;
  if (chunks.size() == 1) return from_bytes(parts, type, shape, chunks[0], owner);
  const size_t wanted = static_cast<size_t>(shape.elements()) * element_size(type);
  size_t held = 0;
  for (const View chunk : chunks) held += chunk.size();
  if (held != wanted) throw_size(parts, wanted, held);
  Tensor tensor = Tensor::allocate(type, shape);
  auto* target = static_cast<std::byte*>(tensor.raw());
  for (const View chunk : chunks) {
    std::memcpy(target, chunk.data(), chunk.size());
    target += chunk.size();
  }
  return tensor;
}

/// Each integer's low bytes are the element, as ONNX stores small types in int32_data.
Tensor from_integers(const Parts& parts, DataType type, const Shape& shape) {
  if (elements_per_byte(type) > 1) {
    std::vector<std::byte> bytes;
    for (const uint64_t value : parts.integers) bytes.push_back(static_cast<std::byte>(value));
    return unpack(parts, type, shape, bytes);
  }
  const size_t size = element_size(type);
  const auto count = static_cast<size_t>(shape.elements());
  if (parts.integers.size() != count) throw_size(parts, count * size, parts.integers.size() * size);
  Tensor tensor = Tensor::allocate(type, shape);
  auto* target = static_cast<std::byte*>(tensor.raw());
  for (uint64_t value : parts.integers) {
    if (type == DataType::kBool) value = value != 0 ? 1 : 0;
    std::memcpy(target, &value, size);  // little-endian: base/ refuses to build elsewhere
    target += size;
  }
  return tensor;
}

Tensor from_strings(Parts& parts, const Shape& shape) {
  if (parts.strings.size() != static_cast<size_t>(shape.elements())) {
    throw_size(parts, static_cast<size_t>(shape.elements()), parts.strings.size());
  }
  Tensor tensor = Tensor::allocate(DataType::kString, shape);
  std::move(parts.strings.begin(), parts.strings.end(), tensor.values<std::string>().begin());
  return tensor;
}

}  // namespace

DataType read_data_type(int64_t number, std::string_view what) {
  if (number <= 0 || number > static_cast<int64_t>(DataType::kInt2)) {
    throw Error(ErrorCode::kInvalidGraph,
                fmt::format("This is an invalid model. '{}' has the unknown element type {}.", what, number));
  }
  return static_cast<DataType>(number);
}

NamedTensor read_tensor(protozero::pbf_reader message, const std::shared_ptr<const void>& owner, ExternalData& external,
                        const std::function<const Tensor*(const std::string&)>& find_given) {
  Parts parts = read_parts(message);
  const DataType type = read_data_type(parts.type, parts.name);
  const Shape shape(parts.dims);
  for (const int64_t dim : shape) {
    if (dim < 0) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("Initializer '{}' has the negative dimension {}.", parts.name, dim));
    }
  }
  if (const Tensor* given = find_given ? find_given(parts.name) : nullptr) {
    if (given->type() != type || given->shape() != shape) {
      throw Error(
          ErrorCode::kInvalidArgument,
          fmt::format("The tensor given for initializer '{}' is a {} of shape {}; the model has a {} of shape {}.",
                      parts.name, tensor_type_name(given->type()), given->shape().to_string(), tensor_type_name(type),
                      shape.to_string()));
    }
    return {std::move(parts.name), *given};
  }
  const size_t size = element_size(type);
  if (static_cast<size_t>(shape.elements()) > (size_t{1} << 48) / size) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("Initializer '{}' has too many elements: {}.", parts.name, shape.to_string()));
  }

  Tensor tensor;
  if (parts.is_external) {
    const ExternalData::Piece piece = external.find(parts.name, parts.location, parts.offset, parts.length);
    tensor = from_bytes(parts, type, shape, piece.bytes, piece.owner);
  } else if (type == DataType::kString) {
    tensor = from_strings(parts, shape);
  } else if (parts.has_raw) {
    tensor = from_bytes(parts, type, shape, parts.raw, owner);
  } else if (type == DataType::kFloat || type == DataType::kComplex64 || type == DataType::kDouble ||
             type == DataType::kComplex128) {
    if (!parts.loose.empty()) parts.chunks.push_back(parts.loose);
    // Numbers that were written one by one live only as long as this call.
    tensor = from_chunks(parts, type, shape, owner);
    if (!parts.loose.empty()) tensor = tensor.copied();
  } else {
    tensor = from_integers(parts, type, shape);
  }
  return {std::move(parts.name), std::move(tensor)};
}

}  // namespace attune
