#include "onnx/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <limits>
#include <system_error>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "attune/error.h"
#include "base/thread.h"
#include "onnx/protobuf.h"
#include "tensor/packed_elements.h"

namespace attune {
namespace {

using protozero::pbf_writer;

void write_entry(pbf_writer& parent, protozero::pbf_tag_type tag, std::string_view key, std::string_view value) {
  pbf_writer entry(parent, tag);
  entry.add_string(1, key.data(), key.size());
  entry.add_string(2, value.data(), value.size());
}

/// Takes initializers that are kept beside the model.
class DataFile {
 public:
  explicit DataFile(std::filesystem::path path) : path_(std::move(path)), stream_(path_, std::ios::binary) {}

  /// Where the tensor's bytes begin: at a page, so that they can be mapped.
  int64_t add(const Tensor& tensor) {
    constexpr int64_t kPage = 4096;
    const int64_t offset = (size_ + kPage - 1) / kPage * kPage;
    stream_.seekp(offset);
    stream_.write(static_cast<const char*>(tensor.raw()), static_cast<std::streamsize>(tensor.bytes()));
    size_ = offset + static_cast<int64_t>(tensor.bytes());
    return offset;
  }

  bool is_empty() const { return size_ == 0; }

  bool close() {
    stream_.close();
    return !stream_.fail();
  }

 private:
  std::filesystem::path path_;
  std::ofstream stream_;
  int64_t size_ = 0;
};

/// Initializers of at least `smallest` bytes go to `file`, under its later name `location`.
struct ExternalTarget {
  DataFile* file = nullptr;
  std::string location;
  size_t smallest = 0;

  bool takes(const Tensor& tensor) const {
    return file != nullptr && tensor.type() != DataType::kString && tensor.bytes() >= smallest;
  }
};

void write_external(pbf_writer& message, const Tensor& tensor, const ExternalTarget& target) {
  const int64_t offset = target.file->add(tensor);
  write_entry(message, 13, "location", target.location);
  write_entry(message, 13, "offset", std::to_string(offset));
  write_entry(message, 13, "length", std::to_string(tensor.bytes()));
  message.add_enum(14, 1);  // EXTERNAL
}

void write_tensor(pbf_writer& message, const Tensor& tensor, std::string_view name, const ExternalTarget& target = {}) {
  message.add_packed_int64(1, tensor.shape().begin(), tensor.shape().end());
  message.add_int32(2, static_cast<int32_t>(tensor.type()));
  if (!name.empty()) message.add_string(8, name.data(), name.size());
  if (tensor.type() == DataType::kString) {
    for (const std::string& value : tensor.values<std::string>()) message.add_string(6, value);
  } else if (const size_t each = elements_per_byte(tensor.type()); each > 1) {
    const auto count = static_cast<size_t>(tensor.elements());
    std::vector<std::byte> packed((count + each - 1) / each);
    pack_elements(tensor.type(), static_cast<const uint8_t*>(tensor.raw()), count, packed.data());
    message.add_bytes(9, reinterpret_cast<const char*>(packed.data()), packed.size());
  } else if (target.takes(tensor)) {
    write_external(message, tensor, target);
  } else {
    message.add_bytes(9, static_cast<const char*>(tensor.raw()), tensor.bytes());
  }
}

void write_shape(pbf_writer& parent, protozero::pbf_tag_type tag, const Shape& shape, const Symbols& symbols) {
  std::string bytes;  // likewise: a scalar has a shape, without dimensions
  pbf_writer message(bytes);
  for (const int64_t dim : shape) {
    std::string dimension;  // not a nested writer: that would leave out a dimension of which nothing is known
    if (is_known(dim)) {
      pbf_writer(dimension).add_int64(1, dim);
    } else if (const std::string_view label = symbols.name(dim); !label.empty()) {
      pbf_writer(dimension).add_string(2, label.data(), label.size());
    }
    message.add_message(1, dimension);
  }
  parent.add_message(tag, bytes);
}

// onnx.TypeProto
constexpr protozero::pbf_tag_type kTensorType = 1;
constexpr protozero::pbf_tag_type kSequenceType = 4;
constexpr protozero::pbf_tag_type kMapType = 5;
constexpr protozero::pbf_tag_type kOptionalType = 9;

/// What a sequence or an optional holds.
ValueKind element_kind(ValueKind container) {
  switch (container) {
    case ValueKind::kOptionalSequence:
      return ValueKind::kSequence;
    case ValueKind::kInt64MapSequence:
      return ValueKind::kInt64Map;
    case ValueKind::kStringMapSequence:
      return ValueKind::kStringMap;
    default:
      return ValueKind::kTensor;
  }
}

void write_type(pbf_writer& message, ValueKind kind, DataType type, const std::optional<Shape>& shape,
                const Symbols& symbols) {
  if (kind == ValueKind::kTensor) {
    pbf_writer tensor_type(message, kTensorType);
    tensor_type.add_int32(1, static_cast<int32_t>(type));
    if (shape) write_shape(tensor_type, 2, *shape, symbols);
    return;
  }
  if (kind == ValueKind::kInt64Map || kind == ValueKind::kStringMap) {
    pbf_writer map(message, kMapType);
    map.add_int32(1, static_cast<int32_t>(map_key_type(kind)));
    pbf_writer values(map, 2);
    write_type(values, ValueKind::kTensor, type, std::nullopt, symbols);
    return;
  }
  const bool is_optional = kind == ValueKind::kOptional || kind == ValueKind::kOptionalSequence;
  pbf_writer container(message, is_optional ? kOptionalType : kSequenceType);
  pbf_writer element(container, 1);
  write_type(element, element_kind(kind), type, std::nullopt, symbols);
}

void write_value(pbf_writer& parent, protozero::pbf_tag_type tag, std::string_view name, const Value& value,
                 const std::optional<Shape>& shape, const Symbols& symbols) {
  pbf_writer message(parent, tag);
  message.add_string(1, name.data(), name.size());
  pbf_writer type_message(message, 2);
  write_type(type_message, value.kind, value.type, shape, symbols);
}

/// What values are called where they are written: a subgraph's may not have names of the graphs around it, other than
/// those of the values that it reads there.
class Names {
 public:
  /// `node`, in the scope `outer`, has the subgraph; null for the main graph.
  Names(const Graph& graph, const Names* outer, const Node* node) : outer_(outer) {
    if (node != nullptr) {
      const std::span<Value* const> given = node->inputs().last(static_cast<size_t>(node->captured()));
      const size_t own = graph.inputs().size() - given.size();
      for (size_t k = 0; k < given.size(); ++k) names_[graph.inputs()[own + k]] = outer->of(given[k]);
    }
    for (const Value* value : graph.values()) {
      if (names_.contains(value)) continue;
      std::string name = value->name;
      for (int count = 1; is_taken(name); ++count) name = fmt::format("{}_{}", value->name, count);
      taken_.insert(name);
      names_[value] = std::move(name);
    }
  }

  std::string of(const Value* value) const { return value == nullptr ? std::string() : names_.at(value); }

 private:
  bool is_taken(const std::string& name) const {
    return taken_.contains(name) || (outer_ != nullptr && outer_->is_taken(name));
  }

  const Names* outer_;
  std::unordered_map<const Value*, std::string> names_;
  std::unordered_set<std::string> taken_;
};

void write_graph(pbf_writer& message, const Graph& graph, const Names& names, const Node* node,
                 const ExternalTarget& target);

// onnx.AttributeProto.AttributeType, by the alternative of AttributeValue.
struct AttributeWriter {
  pbf_writer& message;
  const Node& node;
  const Names& names;
  const ExternalTarget& target;

  void operator()(int64_t value) {
    message.add_int64(3, value);
    message.add_enum(20, 2);
  }
  void operator()(float value) {
    message.add_float(2, value);
    message.add_enum(20, 1);
  }
  void operator()(const std::string& value) {
    message.add_bytes(4, value);
    message.add_enum(20, 3);
  }
  void operator()(const Tensor& value) {
    {
      pbf_writer tensor(message, 5);
      write_tensor(tensor, value, {});
    }
    message.add_enum(20, 4);
  }
  void operator()(const std::vector<int64_t>& values) {
    message.add_packed_int64(8, values.begin(), values.end());
    message.add_enum(20, 7);
  }
  void operator()(const std::vector<float>& values) {
    message.add_packed_float(7, values.begin(), values.end());
    message.add_enum(20, 6);
  }
  void operator()(const std::vector<std::string>& values) {
    for (const std::string& value : values) message.add_bytes(9, value);
    message.add_enum(20, 8);
  }
  void operator()(const std::vector<Tensor>& values) {
    for (const Tensor& value : values) {
      pbf_writer tensor(message, 10);
      write_tensor(tensor, value, {});
    }
    message.add_enum(20, 9);
  }
  void operator()(const ValueType& type) {
    {
      pbf_writer type_message(message, 14);
      write_type(type_message, type.kind, type.type, std::nullopt, Symbols());
    }
    message.add_enum(20, 13);
  }
  void operator()(const std::shared_ptr<Graph>& body) {
    {
      pbf_writer graph(message, 6);
      write_graph(graph, *body, Names(*body, &names, &node), &node, target);
    }
    message.add_enum(20, 5);
  }
};

void write_node(pbf_writer& graph, const Node& node, const Names& names, const ExternalTarget& target) {
  pbf_writer message(graph, 1);
  for (int i = 0; i < node.own_input_count(); ++i) message.add_string(1, names.of(node.input(i)));
  for (const Value* output : node.outputs()) message.add_string(2, names.of(output));
  message.add_string(3, node.name);
  message.add_string(4, node.op_type);
  for (const Attributes::Entry& entry : node.attributes.entries()) {
    pbf_writer attribute(message, 5);
    attribute.add_string(1, entry.name);
    std::visit(AttributeWriter{attribute, node, names, target}, entry.value);
  }
  if (!node.domain.empty()) message.add_string(7, node.domain);
}

/// `node` has the graph as a subgraph, and captures what it reads from outside; null for the main graph.
void write_graph(pbf_writer& message, const Graph& graph, const Names& names, const Node* node,
                 const ExternalTarget& target) {
  for (const auto& inner : graph.nodes()) write_node(message, *inner, names, target);
  message.add_string(2, graph.metadata.graph_name);
  for (const Value* value : graph.values()) {
    if (!value->is_constant() || value->producer() != nullptr) continue;
    pbf_writer tensor(message, 5);
    write_tensor(tensor, value->constant, names.of(value), target);
  }
  message.add_string(10, graph.metadata.graph_description);
  const size_t inputs = graph.inputs().size() - static_cast<size_t>(node == nullptr ? 0 : node->captured());
  for (size_t i = 0; i < inputs; ++i) {
    const Value& input = *graph.inputs()[i];
    write_value(message, 11, names.of(&input), input, input.shape, *graph.symbols);
  }
  for (const Value* value : graph.overridable()) {
    write_value(message, 11, names.of(value), *value, value->shape, *graph.symbols);
  }
  for (const GraphOutput& output : graph.outputs()) {
    write_value(message, 12, node == nullptr ? output.name : names.of(output.value), *output.value,
                output.stated_shape ? output.stated_shape : output.value->shape, *graph.symbols);
  }
}

/// Initializers need not be inputs since this version; before it none of them could be left out of the inputs.
constexpr int64_t kLeastIrVersion = 4;

std::string write_model(const Graph& graph, const ExternalTarget& target) {
  std::string bytes;
  pbf_writer model(bytes);
  const ModelMetadata& metadata = graph.metadata;
  model.add_int64(1, metadata.ir_version != 0 ? std::max(metadata.ir_version, kLeastIrVersion) : 8);
  model.add_string(2, metadata.producer_name);
  model.add_string(3, metadata.producer_version);
  model.add_string(4, metadata.domain);
  model.add_int64(5, metadata.version);
  model.add_string(6, metadata.description);
  {
    pbf_writer message(model, 7);
    write_graph(message, graph, Names(graph, nullptr, nullptr), nullptr, target);
  }
  for (const auto& [domain, version] : graph.opsets) {
    pbf_writer opset(model, 8);
    opset.add_string(1, domain);
    opset.add_int64(2, version);
  }
  for (const auto& [key, value] : metadata.custom) write_entry(model, 14, key, value);
  if (bytes.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("A model of {} bytes is larger than protobuf allows.", bytes.size()));
  }
  return bytes;
}

[[noreturn]] void throw_unwritable(const std::filesystem::path& path, std::string_view why) {
  throw Error(ErrorCode::kRuntimeException, fmt::format("The model cannot be written to '{}': {}", path.string(), why));
}

std::filesystem::path with_suffix(std::filesystem::path path, std::string_view suffix) {
  path += suffix;
  return path;
}

/// A file under a name of its own until all of it is there; taken away again when something fails.
class NewFile {
 public:
  explicit NewFile(std::filesystem::path target)
      : target_(std::move(target)), path_(with_suffix(target_, fmt::format(".new-{}", current_process_id()))) {}
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  ~NewFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }

  const std::filesystem::path& path() const { return path_; }

  void keep() {
    std::error_code error;
    std::filesystem::rename(path_, target_, error);
    if (error) throw_unwritable(target_, error.message());
  }

 private:
  std::filesystem::path target_;
  std::filesystem::path path_;
};

size_t initializer_bytes(const Graph& graph) {
  size_t bytes = 0;
  for (const Value* value : graph.values()) {
    if (value->is_constant() && value->producer() == nullptr) bytes += value->constant.bytes();
  }
  for (const auto& node : graph.nodes()) {
    for (const auto& body : node->subgraphs()) bytes += initializer_bytes(*body);
  }
  return bytes;
}

}  // namespace

std::string write_model(const Graph& graph) { return write_model(graph, ExternalTarget{}); }

void save_model(const Graph& graph, const std::filesystem::path& path, const DataFileOptions& data_file) {
  if (std::filesystem::path(data_file.name).has_parent_path()) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("Initializers must be written beside the model, not to '{}'.", data_file.name));
  }
  NewFile model(path);
  const std::filesystem::path data_path =
      data_file.name.empty() ? with_suffix(path, ".data") : path.parent_path() / data_file.name;
  NewFile data(data_path);
  const auto write = [&](const ExternalTarget& target) {
    errno = 0;
    std::ofstream stream(model.path(), std::ios::binary);
    if (!stream) throw_unwritable(path, std::strerror(errno));
    const std::string bytes = write_model(graph, target);
    stream.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    stream.close();
    if (!stream) throw_unwritable(path, std::strerror(errno));
  };
  if (!data_file.name.empty() || initializer_bytes(graph) > data_file.largest_message) {
    DataFile file(data.path());
    write({&file, data_path.filename().string(), data_file.smallest});
    errno = 0;
    if (!file.close()) throw_unwritable(data_path, std::strerror(errno));
    if (!file.is_empty()) data.keep();
  } else {
    write({});
  }
  model.keep();
}

}  // namespace attune
