// Real models, as many as the folder ATTUNE_MODELS holds: what each level makes of them computes the same.
#include <cstdlib>
#include <filesystem>

#include "onnx/reader.h"
#include "optimize/optimize_testing.h"

namespace attune {
namespace {

/// Larger files take more memory, four times over, than a test should.
constexpr uintmax_t kLargestModel = uintmax_t{200} << 20;

std::vector<std::filesystem::path> find_models() {
  std::vector<std::filesystem::path> models;
  const char* folder = std::getenv("ATTUNE_MODELS");
  if (folder == nullptr) return models;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".onnx" && entry.file_size() <= kLargestModel) models.push_back(entry.path());
  }
  std::sort(models.begin(), models.end());
  return models;
}

/// Small numbers for whatever the model takes: two sequences of ten tokens, one image of 64 pixels a side.
std::map<std::string, Tensor> make_feeds(const Graph& graph) {
  std::map<std::string, Tensor> feeds;
  for (const Value* input : graph.inputs()) {
    Shape shape = *input->shape;
    for (int axis = 0; axis < shape.rank(); ++axis) {
      if (!is_known(shape[axis])) shape[axis] = shape.rank() == 4 ? (axis == 0 ? 1 : 64) : (axis == 0 ? 2 : 10);
    }
    if (input->type == DataType::kFloat) {
      feeds[input->name] = random_feed(shape);
    } else {
      Tensor tensor = Tensor::allocate(input->type, shape);
      const bool is_mask = input->name.find("mask") != std::string::npos;
      std::span<int64_t> values = tensor.values<int64_t>();
      for (size_t i = 0; i < values.size(); ++i) values[i] = is_mask ? 1 : static_cast<int64_t>(100 + 7 * i);
      feeds[input->name] = std::move(tensor);
    }
  }
  return feeds;
}

TEST(Models, EveryLevelComputesTheSame) {
  const auto models = find_models();
  if (models.empty()) GTEST_SKIP() << "ATTUNE_MODELS names no folder with models";
  int evaluated = 0;
  for (const auto& path : models) {
    SCOPED_TRACE(path.filename().string());
    const Graph original = load_graph(path);
    if (!can_evaluate(original)) continue;
    ++evaluated;
    const auto feeds = make_feeds(original);
    const std::vector<Tensor> expected = evaluate_graph(original, feeds);
    for (const auto level : {OptimizationLevel::kBasic, OptimizationLevel::kExtended, OptimizationLevel::kAll}) {
      SCOPED_TRACE("level " + std::to_string(static_cast<int>(level)));
      Graph optimized = load_graph(path);
      optimize_checked(optimized, level);
      EXPECT_LT(optimized.nodes().size(), original.nodes().size());
      const std::vector<Tensor> actual = evaluate_graph(optimized, feeds);
      ASSERT_EQ(actual.size(), expected.size());
      for (size_t i = 0; i < expected.size(); ++i) {
        EXPECT_EQ(optimized.outputs()[i].name, original.outputs()[i].name);
        expect_close(actual[i], expected[i], 1e-4F);
      }
    }
  }
  EXPECT_GT(evaluated, 0);
  RecordProperty("models", evaluated);
}

/// A chain of blocks as large models have them must optimize in milliseconds; the bound leaves room for a busy machine.
TEST(Models, AThousandNodesTakeMilliseconds) {
  GraphMaker make;
  const Shape shape{1, 8, 6, 6};
  Value* x = make.input("x", shape);
  while (make.graph.nodes().size() < 1000) {
    Value* y = make.op("Conv", {x, make.weights({8, 8, 1, 1})}, {}, shape);
    y = make.op("Add", {y, make.weights({1, 8, 1, 1})}, {}, shape);
    y = make.op("Identity", {y}, {}, shape);
    y = make.op("Mul", {y, make.op("Sigmoid", {y}, {}, shape)}, {}, shape);
    x = make.op("Add", {x, y}, {}, shape);
  }
  make.output(x);
  OptimizeReport report;
  OptimizeContext context;
  context.report = &report;
  context.verify = false;
  optimize_graph(make.graph, OptimizationLevel::kAll, context);
  double total = 0.0;
  for (const PassReport& pass : report.passes) total += pass.milliseconds;
  EXPECT_LT(total, 200.0);
  EXPECT_EQ(count_ops(make.graph)["Identity"], 0);
}

}  // namespace
}  // namespace attune
