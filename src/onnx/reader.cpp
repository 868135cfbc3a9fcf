#include "onnx/reader.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "attune/error.h"
#include "base/file_mapping.h"
#include "onnx/external_data.h"
#include "onnx/graph_reader.h"
#include "onnx/protobuf.h"

namespace attune {
namespace {

using protozero::data_view;
using protozero::pbf_reader;

class ModelReader {
 public:
  ModelReader(std::shared_ptr<const void> owner, std::filesystem::path file, const GivenParts& given)
      : parts_{std::move(owner), ExternalData(std::move(file), given.files), given, {}} {}

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
          read_opset(model.get_message(), graph_.opsets);
          break;
        case 14:
          read_metadata(model.get_message());
          break;
        case 25: {
          auto [key, function] = read_function(model.get_message());
          parts_.functions.insert_or_assign(std::move(key), std::move(function));
          break;
        }
        default:
          model.skip();
      }
    }
    if (!has_graph) throw Error(ErrorCode::kInvalidArgument, "No graph was found in the protobuf.");
    if (graph_.opsets.empty()) graph_.opsets[""] = 1;
    read_main_graph(parts_, pbf_reader(graph_bytes), graph_);
    graph_.mappings = parts_.external.files();
    return std::move(graph_);
  }

 private:
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

  static std::pair<FunctionKey, Function> read_function(pbf_reader message) {
    Function function;
    std::string domain;
    std::string name;
    std::string overload;
    while (message.next()) {
      switch (message.tag()) {
        case 1:
          name = message.get_string();
          break;
        case 4:
          function.inputs.push_back(message.get_string());
          break;
        case 5:
          function.outputs.push_back(message.get_string());
          break;
        case 7:
          function.nodes.push_back(message.get_view());
          break;
        case 9:
          read_opset(message.get_message(), function.opsets);
          break;
        case 10:
          domain = read_domain(message);
          break;
        case 11:
          function.defaults.push_back(message.get_view());
          break;
        case 13:
          overload = message.get_string();
          break;
        default:
          message.skip();
      }
    }
    return {FunctionKey(std::move(domain), std::move(name), std::move(overload)), std::move(function)};
  }

  ModelParts parts_;
  Graph graph_;
};

Graph read_model(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, std::filesystem::path file,
                 const GivenParts& given, std::string_view failure) {
  try {
    return ModelReader(std::move(owner), std::move(file), given)
        .read(pbf_reader(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  } catch (const protozero::exception&) {
    throw Error(ErrorCode::kInvalidProtobuf, failure);
  }
}

}  // namespace

Graph load_graph(const std::filesystem::path& path, const GivenParts& given) {
  const auto mapping = std::make_shared<const FileMapping>(path);
  const std::string prefix = fmt::format("Load model from {} failed:", path.string());
  try {
    Graph graph = read_model(mapping->bytes(), mapping, path, given, "Protobuf parsing failed.");
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
