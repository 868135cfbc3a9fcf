#include "onnx/reader.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "attune/error.h"
#include "base/file_mapping.h"
#include "onnx/external_data.h"
#include "onnx/protobuf.h"
#include "onnx/tensor_reader.h"

namespace attune {
namespace {

using protozero::data_view;
using protozero::pbf_reader;

// onnx.AttributeProto.AttributeType
enum AttributeType : int32_t {
  kUndefinedAttribute = 0,
  kFloat = 1,
  kInt = 2,
  kString = 3,
  kTensor = 4,
  kGraph = 5,
  kFloats = 6,
  kInts = 7,
  kStrings = 8,
  kTensors = 9,
  kGraphs = 10,
};

[[noreturn]] void throw_invalid(std::string_view what) {
  throw Error(ErrorCode::kInvalidGraph, fmt::format("This is an invalid model. Error: {}", what));
}

/// What becomes of symbolic dimensions.
enum class Symbolic {
  kUnknown,  ///< Unknown, so that what inference finds out stands.
  kNamed,    ///< A symbol with the model's label.
  kSized,    ///< The same, or the size that GivenParts has for it.
};

/// What an onnx.TypeProto states.
struct StatedType {
  ValueKind kind = ValueKind::kTensor;
  DataType type = DataType::kUndefined;
  std::optional<Shape> shape;
};

/// ai.onnx has two names.
std::string read_domain(pbf_reader& message) {
  std::string domain = message.get_string();
  return domain == "ai.onnx" ? std::string() : domain;
}

class ModelReader {
 public:
  ModelReader(std::shared_ptr<const void> owner, std::filesystem::path folder, const GivenParts& given)
      : owner_(std::move(owner)), external_(std::move(folder), given.files), given_(given) {}

  Graph read(pbf_reader model) {
    bool has_graph = false;
    data_view graph_bytes;
    while (model.next()) {
      switch (model.tag()) {
        case 1:
          graph_.metadata.ir_version = model.get_int64();
          break;
        case 2:
          graph_.metadata.producer_name = model.get_string();
          break;
        case 3:
          graph_.metadata.producer_version = model.get_string();
          break;
        case 4:
          graph_.metadata.domain = model.get_string();
          break;
        case 5:
          graph_.metadata.version = model.get_int64();
          break;
        case 6:
          graph_.metadata.description = model.get_string();
          break;
        case 7:
          graph_bytes = model.get_view();
          has_graph = true;
          break;
        case 8:
          read_opset(model.get_message());
          break;
        case 14:
          read_metadata(model.get_message());
          break;
        default:
          model.skip();
      }
    }
    if (!has_graph) throw Error(ErrorCode::kInvalidArgument, "No graph was found in the protobuf.");
    if (graph_.opsets.empty()) graph_.opsets[""] = 1;
    read_graph(pbf_reader(graph_bytes));
    graph_.mappings = external_.files();
    return std::move(graph_);
  }

 private:
  void read_opset(pbf_reader opset) {
    std::string domain;
    int64_t version = 0;
    while (opset.next()) {
      switch (opset.tag()) {
        case 1:
          domain = read_domain(opset);
          break;
        case 2:
          version = opset.get_int64();
          break;
        default:
          opset.skip();
      }
    }
    if (version < 1 || version > 1'000'000) throw_invalid(fmt::format("opset {} of domain '{}'", version, domain));
    graph_.opsets[domain] = static_cast<int>(version);
  }

  void read_metadata(pbf_reader entry) {
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
    graph_.metadata.custom[key] = value;
  }

  /// The parts may come in any order: nodes are made once all names are known.
  void read_graph(pbf_reader graph) {
    std::vector<data_view> nodes;
    std::vector<data_view> inputs;
    std::vector<data_view> outputs;
    std::vector<data_view> values;
    std::vector<data_view> initializers;
    while (graph.next()) {
      switch (graph.tag()) {
        case 1:
          nodes.push_back(graph.get_view());
          break;
        case 2:
          graph_.metadata.graph_name = graph.get_string();
          break;
        case 5:
          initializers.push_back(graph.get_view());
          break;
        case 10:
          graph_.metadata.graph_description = graph.get_string();
          break;
        case 11:
          inputs.push_back(graph.get_view());
          break;
        case 12:
          outputs.push_back(graph.get_view());
          break;
        case 13:
          values.push_back(graph.get_view());
          break;
        case 15:
          throw Error(ErrorCode::kNotImplemented, "Sparse initializers are not supported.");
        default:
          graph.skip();
      }
    }
    const auto find_given = [&](const std::string& name) {
      const auto entry = given_.initializers.find(name);
      return entry == given_.initializers.end() ? nullptr : &entry->second;
    };
    for (const data_view& initializer : initializers) {
      NamedTensor named = read_tensor(pbf_reader(initializer), owner_, external_, find_given);
      if (named.name.empty()) throw_invalid("an initializer has no name");
      graph_.add_constant(std::move(named.tensor), named.name);
    }
    for (const data_view& input : inputs) read_input(pbf_reader(input));
    read_nodes(nodes);
    for (const data_view& value : values) read_value_info(pbf_reader(value));
    for (const data_view& output : outputs) read_output(pbf_reader(output));
    graph_.sort();
  }

  std::pair<std::string, StatedType> read_value(pbf_reader message, Symbolic symbolic) {
    std::string name;
    StatedType type;
    while (message.next()) {
      switch (message.tag()) {
        case 1:
          name = message.get_string();
          break;
        case 2:
          type = read_type(message.get_message(), name, symbolic);
          break;
        default:
          message.skip();
      }
    }
    return {std::move(name), std::move(type)};
  }

  StatedType read_type(pbf_reader message, std::string_view name, Symbolic symbolic) {
    StatedType stated;
    while (message.next()) {
      switch (message.tag()) {
        case 1:
          read_tensor_type(message.get_message(), name, symbolic, stated);
          break;
        case 4:
          stated.kind = ValueKind::kSequence;
          message.skip();
          break;
        case 5:
          stated.kind = ValueKind::kMap;
          message.skip();
          break;
        case 8:
          stated.kind = ValueKind::kSparseTensor;
          message.skip();
          break;
        case 9:
          stated.kind = ValueKind::kOptional;
          message.skip();
          break;
        default:
          message.skip();
      }
    }
    return stated;
  }

  void read_tensor_type(pbf_reader message, std::string_view name, Symbolic symbolic, StatedType& stated) {
    while (message.next()) {
      switch (message.tag()) {
        case 1: {
          const int32_t number = message.get_int32();
          if (number != 0) stated.type = read_data_type(number, name);
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

  Shape read_shape(pbf_reader message, Symbolic symbolic) {
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

  int64_t read_dimension(pbf_reader message, Symbolic symbolic) {
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
    if (has_value && dim >= 0) return dim;
    if (symbolic == Symbolic::kUnknown) return kUnknownDim;
    if (symbolic == Symbolic::kSized) {
      const auto named = given_.sizes_by_name.find(label);
      if (named != given_.sizes_by_name.end() && !label.empty()) return named->second;
      const auto denoted = given_.sizes_by_denotation.find(denotation);
      if (denoted != given_.sizes_by_denotation.end() && !denotation.empty()) return denoted->second;
    }
    return graph_.symbols->fresh(label);
  }

  void read_input(pbf_reader message) {
    auto [name, stated] = read_value(message, Symbolic::kSized);
    if (name.empty()) throw_invalid("an input has no name");
    if (Value* initializer = graph_.find_value(name)) {
      // Before IR version 4 every initializer had to be an input, and none could be fed.
      if (!initializer->is_constant()) throw_invalid(fmt::format("Duplicate definition of name ({}).", name));
      if (graph_.metadata.ir_version < 4) return;
      if (given_.declare_overridable && stated.shape) initializer->shape = stated.shape;
      graph_.add_overridable(initializer);
      return;
    }
    if (stated.kind != ValueKind::kTensor) {
      throw Error(ErrorCode::kNotImplemented, fmt::format("Input '{}' is not a tensor, which is not supported.", name));
    }
    Value* value = graph_.add_value(name, stated.type, stated.shape);
    graph_.add_input(value);
  }

  void read_value_info(pbf_reader message) {
    const auto [name, stated] = read_value(message, Symbolic::kUnknown);
    Value* value = graph_.find_value(name);
    if (value == nullptr || value->is_constant() || value->producer() == nullptr) return;
    value->kind = stated.kind;
    value->type = stated.type;
    value->shape = stated.shape;
  }

  void read_output(pbf_reader message) {
    const auto [name, stated] = read_value(message, Symbolic::kNamed);
    Value* value = graph_.find_value(name);
    if (value == nullptr) {
      throw_invalid(fmt::format("Graph output ({}) is not a graph input, initializer, or output of a node.", name));
    }
    graph_.add_output(value, name, stated.shape);
    if (value->producer() == nullptr || stated.kind != ValueKind::kTensor) return;
    if (value->type == DataType::kUndefined) value->type = stated.type;
    if (!value->shape && stated.shape) {
      Shape shape = *stated.shape;
      for (int axis = 0; axis < shape.rank(); ++axis) {
        if (!is_known(shape[axis])) shape[axis] = kUnknownDim;
      }
      value->shape = shape;
    }
  }

  struct NodeParts {
    std::vector<std::string> inputs;
    std::vector<std::string> outputs;
    std::string name;
    std::string op_type;
    std::string domain;
    std::vector<data_view> attributes;
  };

  static NodeParts read_node_parts(pbf_reader message) {
    NodeParts node;
    while (message.next()) {
      switch (message.tag()) {
        case 1:
          node.inputs.push_back(message.get_string());
          break;
        case 2:
          node.outputs.push_back(message.get_string());
          break;
        case 3:
          node.name = message.get_string();
          break;
        case 4:
          node.op_type = message.get_string();
          break;
        case 5:
          node.attributes.push_back(message.get_view());
          break;
        case 7:
          node.domain = read_domain(message);
          break;
        default:
          message.skip();
      }
    }
    return node;
  }

  void read_nodes(const std::vector<data_view>& messages) {
    std::vector<NodeParts> nodes;
    nodes.reserve(messages.size());
    for (const data_view& message : messages) {
      nodes.push_back(read_node_parts(pbf_reader(message)));
      for (const std::string& output : nodes.back().outputs) {
        if (!output.empty()) graph_.add_value(output);
      }
    }
    for (NodeParts& parts : nodes) {
      if (!graph_.opsets.contains(parts.domain)) {
        throw Error(ErrorCode::kInvalidGraph,
                    fmt::format("This is an invalid model. In Node, (\"{}\", {}, \"{}\"), Error No opset import for "
                                "domain '{}'",
                                parts.name, parts.op_type, parts.domain, parts.domain));
      }
      Node* node = graph_.add_node(parts.op_type, find_inputs(parts), find_outputs(parts), parts.name, parts.domain);
      for (const data_view& attribute : parts.attributes) read_attribute(pbf_reader(attribute), *node);
    }
  }

  /// Absent optional values have empty names; trailing ones are as good as not written.
  std::vector<Value*> find_inputs(const NodeParts& node) {
    std::vector<Value*> inputs;
    for (const std::string& name : node.inputs) {
      Value* value = name.empty() ? nullptr : graph_.find_value(name);
      if (value == nullptr && !name.empty()) {
        throw Error(ErrorCode::kInvalidArgument,
                    fmt::format("Invalid model. Node input '{}' is not a graph input, initializer, or output of a "
                                "previous node.",
                                name));
      }
      inputs.push_back(value);
    }
    while (!inputs.empty() && inputs.back() == nullptr) inputs.pop_back();
    return inputs;
  }

  std::vector<Value*> find_outputs(const NodeParts& node) {
    std::vector<Value*> outputs;
    for (const std::string& name : node.outputs) outputs.push_back(name.empty() ? nullptr : graph_.find_value(name));
    while (!outputs.empty() && outputs.back() == nullptr) outputs.pop_back();
    return outputs;
  }

  void read_attribute(pbf_reader message, Node& node) {
    std::string name;
    int32_t type = kUndefinedAttribute;
    float f = 0.0F;
    int64_t i = 0;
    std::string s;
    Tensor t;
    std::vector<float> floats;
    std::vector<int64_t> ints;
    std::vector<std::string> strings;
    std::vector<Tensor> tensors;
    bool has_graph = false;
    const auto is_packed = [&] { return message.wire_type() == protozero::pbf_wire_type::length_delimited; };
    while (message.next()) {
      switch (message.tag()) {
        case 1:
          name = message.get_string();
          break;
        case 2:
          f = message.get_float();
          break;
        case 3:
          i = message.get_int64();
          break;
        case 4:
          s = message.get_string();
          break;
        case 5:
          t = read_tensor(message.get_message(), owner_, external_).tensor;
          break;
        case 6:
        case 11:
          has_graph = true;
          message.skip();
          break;
        case 7:
          if (is_packed()) {
            for (const float value : message.get_packed_float()) floats.push_back(value);
          } else {
            floats.push_back(message.get_float());
          }
          break;
        case 8:
          if (is_packed()) {
            for (const int64_t value : message.get_packed_int64()) ints.push_back(value);
          } else {
            ints.push_back(message.get_int64());
          }
          break;
        case 9:
          strings.push_back(message.get_string());
          break;
        case 10:
          tensors.push_back(read_tensor(message.get_message(), owner_, external_).tensor);
          break;
        case 20:
          type = message.get_int32();
          break;
        default:
          message.skip();
      }
    }
    if (has_graph || type == kGraph || type == kGraphs) {
      throw Error(ErrorCode::kNotImplemented,
                  fmt::format("{}: subgraphs (attribute '{}') are not supported.", node.describe(), name));
    }
    switch (type) {
      case kFloat:
        return node.attributes.set(name, f);
      case kInt:
        return node.attributes.set(name, i);
      case kString:
        return node.attributes.set(name, std::move(s));
      case kTensor:
        return node.attributes.set(name, std::move(t));
      case kFloats:
        return node.attributes.set(name, std::move(floats));
      case kInts:
        return node.attributes.set(name, std::move(ints));
      case kStrings:
        return node.attributes.set(name, std::move(strings));
      case kTensors:
        return node.attributes.set(name, std::move(tensors));
      default:
        throw_invalid(fmt::format("{}: attribute '{}' has the unsupported type {}.", node.describe(), name, type));
    }
  }

  std::shared_ptr<const void> owner_;
  ExternalData external_;
  const GivenParts& given_;
  Graph graph_;
};

Graph read_model(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, std::filesystem::path folder,
                 const GivenParts& given, std::string_view failure) {
  try {
    return ModelReader(std::move(owner), std::move(folder), given)
        .read(pbf_reader(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  } catch (const protozero::exception&) {
    throw Error(ErrorCode::kInvalidProtobuf, failure);
  }
}

}  // namespace

Graph load_graph(const std::filesystem::path& path, const GivenParts& given) {
  const auto mapping = std::make_shared<const FileMapping>(path);
  std::filesystem::path folder = path.parent_path();
  if (folder.empty()) folder = ".";
  const std::string prefix = fmt::format("Load model from {} failed:", path.string());
  try {
    Graph graph = read_model(mapping->bytes(), mapping, std::move(folder), given, "Protobuf parsing failed.");
    graph.mappings.push_back(mapping);
    return graph;
  } catch (const Error& error) {
    throw Error(error.code(), prefix + error.text());
  }
}

Graph load_graph(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, const GivenParts& given) {
  return read_model(bytes, std::move(owner), {}, given, "Failed to load model because protobuf parsing failed.");
}

}  // namespace attune
