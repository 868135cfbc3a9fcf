#include "onnx/reader.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "attune/error.h"
#include "onnx/protobuf.h"
#include "onnx/writer.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

std::span<const std::byte> as_span(const std::string& bytes) { return std::as_bytes(std::span(bytes)); }

/// y = x * w + b with a symbolic batch.
Graph small_graph() {
  Graph graph;
  graph.opsets[""] = 17;
  graph.metadata.producer_name = "tests";
  graph.metadata.custom["character"] = "abc";
  Value* x = graph.add_value("x", DataType::kFloat, Shape{graph.symbols->fresh("N"), 2});
  graph.add_input(x);
  Value* w = graph.add_constant(Tensor::from_values<float>(Shape{2}, {2, 3}), "w");
  Value* b = graph.add_constant(Tensor::from_values<float>(Shape{1}, {1}), "b");
  Value* xw = graph.add_value("xw");
  Value* y = graph.add_value("y", DataType::kFloat);
  graph.add_node("Mul", {x, w}, {xw}, "scale");
  Node* add = graph.add_node("Add", {xw, b}, {y}, "shift");
  add->attributes.set("ints", std::vector<int64_t>{1, -2});
  add->attributes.set("text", std::string("hello"));
  add->attributes.set("f", 0.5F);
  add->attributes.set("i", int64_t{-3});
  add->attributes.set("t", Tensor::from_values<int64_t>(Shape{2}, {7, 8}));
  graph.add_output(y);
  return graph;
}

ErrorCode code_of(const std::string& bytes, std::string* text = nullptr) {
  try {
    load_graph(as_span(bytes), nullptr);
  } catch (const Error& error) {
    if (text != nullptr) *text = error.text();
    return error.code();
  }
  ADD_FAILURE() << "accepted";
  return ErrorCode::kFail;
}

TEST(Reader, AFieldOfAnotherWireTypeIsDamage) {
  const std::string number_for_graph = {7 << 3 | 0, 5, 0, 0, 0, 0, 0};
  EXPECT_EQ(code_of(number_for_graph), ErrorCode::kInvalidProtobuf);
  const std::string text_for_ir_version = {1 << 3 | 2, 1, 'x'};
  EXPECT_EQ(code_of(text_for_ir_version), ErrorCode::kInvalidProtobuf);
}

TEST(Reader, ReadsWhatTheWriterWrites) {
  const std::string bytes = write_model(small_graph());
  const Graph graph = load_graph(as_span(bytes), nullptr);
  graph.check();
  EXPECT_EQ(graph.metadata.producer_name, "tests");
  EXPECT_EQ(graph.metadata.custom.at("character"), "abc");
  EXPECT_EQ(graph.opsets.at(""), 17);
  ASSERT_EQ(graph.inputs().size(), 1u);
  EXPECT_EQ(graph.symbols->name((*graph.inputs()[0]->shape)[0]), "N");
  EXPECT_EQ((*graph.inputs()[0]->shape)[1], 2);
  EXPECT_EQ(graph.find_value("w")->constant.values<float>()[1], 3.0F);
  const Node& add = *graph.nodes()[1];
  EXPECT_EQ(add.describe(), "Add node. Name:'shift'");
  EXPECT_EQ(add.attributes.require_ints("ints")[1], -2);
  EXPECT_EQ(add.attributes.get_string("text", ""), "hello");
  EXPECT_EQ(add.attributes.get_float("f", 0), 0.5F);
  EXPECT_EQ(add.attributes.get_int("i", 0), -3);
  EXPECT_EQ(add.attributes.get_tensor("t").values<int64_t>()[1], 8);
  EXPECT_THROW(add.attributes.get_int("f", 0), Error);
}

TEST(Reader, LargeInitializersAreViewsOfTheFile) {
  Graph graph = small_graph();
  graph.add_constant(Tensor::allocate(DataType::kFloat, Shape{256, 256}), "large");
  const std::string bytes = write_model(graph);
  const Graph loaded = load_graph(as_span(bytes), nullptr);
  const auto* data = static_cast<const char*>(loaded.find_value("large")->constant.raw());
  EXPECT_GE(data, bytes.data());
  EXPECT_LT(data, bytes.data() + bytes.size());
}

TEST(Reader, NonModelsAreErrors) {
  std::string text;
  EXPECT_EQ(code_of("", &text), ErrorCode::kInvalidArgument);
  EXPECT_EQ(text, "No graph was found in the protobuf.");
  EXPECT_EQ(code_of("abc"), ErrorCode::kInvalidProtobuf);
  EXPECT_EQ(code_of(std::string(100, '\0')), ErrorCode::kInvalidProtobuf);
  EXPECT_EQ(code_of("\x08\x07"), ErrorCode::kInvalidArgument);
}

TEST(Reader, EveryTruncationIsAnError) {
  const std::string bytes = write_model(small_graph());
  size_t graph_end = 0;
  for (size_t size = 0; size < bytes.size(); ++size) {
    // A cut between two fields of the model leaves a valid message; the graph must be whole in it.
    try {
      const Graph graph = load_graph(as_span(bytes).first(size), nullptr);
      EXPECT_EQ(graph.nodes().size(), 2u);
      graph_end = graph_end == 0 ? size : graph_end;
    } catch (const Error&) {
      EXPECT_TRUE(graph_end == 0 || size > graph_end);
    }
  }
}

TEST(Reader, RandomDamageNeverCrashes) {
  const std::string bytes = write_model(small_graph());
  std::mt19937 random(3);
  int accepted = 0;
  for (int round = 0; round < 5000; ++round) {
    std::string damaged = bytes;
    for (int k = 0; k < 1 + static_cast<int>(random() % 4); ++k) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    try {
      load_graph(as_span(damaged), nullptr).check();
      ++accepted;
    } catch (const Error& error) {
      EXPECT_FALSE(error.text().empty());
    }
  }
  EXPECT_GT(accepted, 0);  // a changed letter of a name does no harm
}

TEST(Reader, WrongSizesAreErrors) {
  std::string tensor;
  {
    protozero::pbf_writer writer(tensor);
    const std::vector<int64_t> dims = {int64_t{1} << 40, int64_t{1} << 40};
    writer.add_packed_int64(1, dims.begin(), dims.end());
    writer.add_int32(2, 1);
    writer.add_string(8, "huge");
    writer.add_bytes(9, "1234");
  }
  const auto model_with = [](const std::string& initializer) {
    std::string bytes;
    protozero::pbf_writer model(bytes);
    protozero::pbf_writer graph(model, 7);
    graph.add_bytes(5, initializer);
    return bytes;
  };
  std::string model = model_with(tensor);
  EXPECT_EQ(code_of(model), ErrorCode::kInvalidArgument);
  tensor.clear();
  {
    protozero::pbf_writer writer(tensor);
    const std::vector<int64_t> dims = {3};
    writer.add_packed_int64(1, dims.begin(), dims.end());
    writer.add_int32(2, 1);
    writer.add_string(8, "short");
    writer.add_bytes(9, "12345678");
  }
  std::string text;
  EXPECT_EQ(code_of(model_with(tensor), &text), ErrorCode::kInvalidArgument);
  EXPECT_NE(text.find("short"), std::string::npos);
}

TEST(Reader, UndefinedInputsAndDuplicatesAreErrors) {
  std::string bytes;
  {
    protozero::pbf_writer model(bytes);
    {
      protozero::pbf_writer graph(model, 7);
      protozero::pbf_writer node(graph, 1);
      node.add_string(1, "nowhere");
      node.add_string(2, "y");
      node.add_string(4, "Relu");
    }
    protozero::pbf_writer opset(model, 8);
    opset.add_int64(2, 17);
  }
  std::string text;
  EXPECT_EQ(code_of(bytes, &text), ErrorCode::kInvalidArgument);
  EXPECT_NE(text.find("'nowhere'"), std::string::npos);
}

class ExternalDataTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("attune_reader_test_" + std::to_string(getpid()));
    fs::create_directories(folder_ / "model");
    std::ofstream(folder_ / "secret.bin", std::ios::binary) << "01234567";
    std::ofstream(folder_ / "model" / "weights.bin", std::ios::binary) << std::string(4096, 'w');
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path write(const std::string& location, const std::string& offset, const std::string& length) {
    std::string bytes;
    {
      protozero::pbf_writer model(bytes);
      protozero::pbf_writer graph(model, 7);
      protozero::pbf_writer tensor(graph, 5);
      const std::vector<int64_t> dims = {2};
      tensor.add_packed_int64(1, dims.begin(), dims.end());
      tensor.add_int32(2, 1);
      tensor.add_string(8, "w");
      for (const auto& [key, value] : std::vector<std::pair<std::string, std::string>>{
               {"location", location}, {"offset", offset}, {"length", length}}) {
        if (value.empty()) continue;
        protozero::pbf_writer entry(tensor, 13);
        entry.add_string(1, key);
        entry.add_string(2, value);
      }
      tensor.add_int32(14, 1);
    }
    const fs::path path = folder_ / "model" / "model.onnx";
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }

  void refused(const std::string& location, const std::string& offset = "0", const std::string& length = "8") {
    const fs::path path = write(location, offset, length);
    EXPECT_THROW(load_graph(path), Error) << location << " " << offset << " " << length;
  }

  fs::path folder_;
};

TEST_F(ExternalDataTest, ReadsInsideTheFolder) {
  const Graph graph = load_graph(write("weights.bin", "4", "8"));
  const auto* bytes = static_cast<const char*>(graph.find_value("w")->constant.raw());
  EXPECT_EQ(std::string(bytes, 8), "wwwwwwww");
}

TEST_F(ExternalDataTest, NothingOutsideTheFolderIsRead) {
  refused("../secret.bin");
  refused("sub/../../secret.bin");
  refused((folder_ / "secret.bin").string());
  fs::create_symlink(folder_ / "secret.bin", folder_ / "model" / "link.bin");
  refused("link.bin");
  fs::create_directory_symlink(folder_, folder_ / "model" / "up");
  refused("up/secret.bin");
}

TEST_F(ExternalDataTest, LinksMayLeadWhereTheModelsOwnLeads) {
  const fs::path blob = write("weights.bin", "4", "8");
  fs::create_directories(folder_ / "snapshot");
  fs::create_symlink(blob, folder_ / "snapshot" / "model.onnx");
  fs::create_symlink(folder_ / "model" / "weights.bin", folder_ / "snapshot" / "weights.bin");
  const Graph graph = load_graph(folder_ / "snapshot" / "model.onnx");
  EXPECT_EQ(std::string(static_cast<const char*>(graph.find_value("w")->constant.raw()), 8), "wwwwwwww");
  fs::remove(folder_ / "snapshot" / "weights.bin");
  fs::create_symlink(folder_ / "secret.bin", folder_ / "snapshot" / "weights.bin");
  EXPECT_THROW(load_graph(folder_ / "snapshot" / "model.onnx"), Error);
}

TEST_F(ExternalDataTest, BadRangesAreErrors) {
  refused("weights.bin", "4092", "8");
  refused("weights.bin", "18446744073709551615", "8");
  refused("weights.bin", "-1", "8");
  refused("weights.bin", "0", "4");
  refused("weights.bin", "0", "");
  refused("missing.bin");
  refused("");
}

TEST(Reader, MissingFilesAreNamed) {
  try {
    load_graph(fs::path("/nonexistent/model.onnx"));
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNoSuchFile);
    EXPECT_EQ(error.text(),
              "Load model from /nonexistent/model.onnx failed:Load model /nonexistent/model.onnx failed. File doesn't "
              "exist");
  }
}

}  // namespace
}  // namespace attune
