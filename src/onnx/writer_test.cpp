#include "onnx/writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "attune/error.h"
#include "onnx/reader.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

class WriterTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "attune_writer_XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_)) names.push_back(entry.path().filename().string());
    return names;
  }

  fs::path folder_;
};

/// y = x + small + large.
Graph sum_graph() {
  Graph graph;
  graph.opsets[""] = 17;
  graph.metadata.ir_version = 3;
  Value* x = graph.add_value("x", DataType::kFloat, Shape{1000});
  graph.add_input(x);
  Tensor large = Tensor::allocate(DataType::kFloat, Shape{1000});
  for (int i = 0; i < 1000; ++i) large.values<float>()[static_cast<size_t>(i)] = static_cast<float>(i);
  Value* sum = graph.add_value("sum");
  graph.add_node("Add", {x, graph.add_constant(Tensor::scalar(2.0F), "small")}, {sum});
  Value* y = graph.add_value("y", DataType::kFloat, Shape{1000});
  graph.add_node("Add", {sum, graph.add_constant(std::move(large), "large")}, {y});
  graph.add_output(y);
  return graph;
}

void expect_sum_graph(const Graph& graph) {
  EXPECT_EQ(graph.nodes().size(), 2U);
  EXPECT_EQ(graph.find_value("small")->constant.values<float>()[0], 2.0F);
  const Tensor large = graph.find_value("large")->constant.aligned();
  ASSERT_EQ(large.elements(), 1000);
  EXPECT_EQ(large.values<float>()[999], 999.0F);
  // Before version 4 initializers were inputs too.
  EXPECT_EQ(graph.metadata.ir_version, 4);
  EXPECT_EQ(graph.inputs().size(), 1U);
}

TEST_F(WriterTest, OneFile) {
  save_model(sum_graph(), folder_ / "m.onnx");
  EXPECT_THAT(files(), testing::ElementsAre("m.onnx"));
  expect_sum_graph(load_graph(folder_ / "m.onnx"));
}

TEST_F(WriterTest, LargeInitializersGoBesideTheModel) {
  save_model(sum_graph(), folder_ / "m.onnx", {.largest_message = 2000});
  EXPECT_THAT(files(), testing::UnorderedElementsAre("m.onnx", "m.onnx.data"));
  EXPECT_EQ(fs::file_size(folder_ / "m.onnx.data"), 4000U);
  EXPECT_LT(fs::file_size(folder_ / "m.onnx"), 1000U);
  expect_sum_graph(load_graph(folder_ / "m.onnx"));
}

TEST_F(WriterTest, TheDataFileMayBeNamed) {
  save_model(sum_graph(), folder_ / "m.onnx", {.name = "weights.bin", .smallest = 2000});
  EXPECT_THAT(files(), testing::UnorderedElementsAre("m.onnx", "weights.bin"));
  expect_sum_graph(load_graph(folder_ / "m.onnx"));
  save_model(sum_graph(), folder_ / "n.onnx", {.name = "unused.bin", .smallest = 5000});
  EXPECT_THAT(files(), testing::UnorderedElementsAre("m.onnx", "weights.bin", "n.onnx"));
  EXPECT_THROW(save_model(sum_graph(), folder_ / "m.onnx", {.name = "../weights.bin"}), Error);
}

TEST_F(WriterTest, TheModelItComesFromMayBeReplaced) {
  save_model(sum_graph(), folder_ / "m.onnx");
  for (int round = 0; round < 2; ++round) save_model(load_graph(folder_ / "m.onnx"), folder_ / "m.onnx");
  expect_sum_graph(load_graph(folder_ / "m.onnx"));
}

TEST_F(WriterTest, ConstantsOfNodesAreNoInitializers) {
  Graph graph = sum_graph();
  graph.find_value("sum")->constant = Tensor::scalar(1.0F);  // known, but still computed
  save_model(graph, folder_ / "m.onnx");
  expect_sum_graph(load_graph(folder_ / "m.onnx"));
}

TEST_F(WriterTest, APlaceThatCannotBeWrittenIsNamed) {
  const fs::path path = folder_ / "missing" / "m.onnx";
  try {
    save_model(sum_graph(), path);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kRuntimeException);
    EXPECT_THAT(error.text(), testing::HasSubstr(path.string()));
    EXPECT_THAT(error.text(), testing::HasSubstr("No such file or directory"));
  }
  EXPECT_TRUE(files().empty());
}

}  // namespace
}  // namespace attune
