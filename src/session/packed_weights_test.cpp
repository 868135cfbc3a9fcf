#include "session/packed_weights.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <utility>
#include <vector>

#include "attune/log.h"
#include "attune/session.h"
#include "onnx/writer.h"

namespace attune {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kVariable = "ATTUNE_PACKED_WEIGHTS";

/// Collects lines as "severity text" while it lives.
class Collector {
 public:
  Collector() {
    set_log_sink([this](const LogRecord& record) {
      const std::lock_guard lock(mutex_);
      lines_.push_back(fmt::format("{} {}", static_cast<int>(record.severity), record.text));
    });
  }
  ~Collector() { set_log_sink({}); }
  std::vector<std::string> take() { return std::exchange(lines_, {}); }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

Tensor numbers(const Shape& shape, float scale) {
  Tensor tensor = Tensor::allocate(DataType::kFloat, shape);
  int64_t i = 0;
  for (float& value : tensor.values<float>()) value = scale * static_cast<float>(i++ % 17 - 8);
  return tensor;
}

/// A convolution whose weights take a BatchNormalization's factors, a wide one, and a product: [N, 3, 8, 8] -> [N, 10].
Graph network(float scale) {
  Graph graph;
  graph.opsets[""] = 17;
  Value* x = graph.add_value("x", DataType::kFloat, Shape{graph.symbols->fresh("N"), 3, 8, 8});
  graph.add_input(x);
  Value* y = graph.add_value("y");
  const auto conv = [&](Value* from, int64_t in, int64_t out, int64_t size) {
    Value* weights = graph.add_constant(numbers({out, in, size, size}, scale), fmt::format("w{}", out));
    Value* result = graph.add_value();
    graph.add_node("Conv", {from, weights}, {result})->attributes.set("pads", std::vector<int64_t>(4, size / 2));
    return result;
  };
  Value* sum = conv(x, 3, 24, 3);
  Value* normal = graph.add_value();
  Tensor variance = numbers({24}, 0.0F);
  for (float& value : variance.values<float>()) value = 1.5F;
  graph.add_node("BatchNormalization",
                 {sum, graph.add_constant(numbers({24}, 0.3F)), graph.add_constant(numbers({24}, 0.1F)),
                  graph.add_constant(numbers({24}, 0.2F)), graph.add_constant(std::move(variance))},
                 {normal});
  Value* wide = conv(normal, 24, 96, 3);
  Value* pooled = graph.add_value();
  graph.add_node("GlobalAveragePool", {wide}, {pooled});
  Value* flat = graph.add_value();
  graph.add_node("Flatten", {pooled}, {flat});
  graph.add_node("MatMul", {flat, graph.add_constant(numbers({96, 10}, scale), "matrix")}, {y});
  graph.add_output(y);
  return graph;
}

class PackedWeightsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "attune_packed_weights_XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    model_ = folder_ / "model.onnx";
    packed_ = folder_ / "model.packed";
    save(network(0.01F));
  }
  void TearDown() override {
    ::unsetenv(kVariable);
    fs::remove_all(folder_);
  }

  void save(const Graph& graph) const { std::ofstream(model_, std::ios::binary) << write_model(graph); }

  static SessionOptions with(const fs::path& packed, int severity = 1) {
    SessionOptions options;
    options.log_severity_level = severity;
    options.intra_op_num_threads = 2;
    options.config_entries[kPackedWeights] = packed.string();
    return options;
  }

  static PlanReport plan_of(InferenceSession& session) { return session.plan_report({{"x", {1, 3, 8, 8}}}); }

  static std::vector<float> run(InferenceSession& session) {
    const std::vector<NamedTensor> feeds = {{"x", numbers({2, 3, 8, 8}, 0.25F)}};
    const Tensor y = session.run(feeds)[0];
    return {y.values<float>().begin(), y.values<float>().end()};
  }

  std::vector<float> expected() const {
    InferenceSession plain(model_);
    return run(plain);
  }

  std::vector<fs::path> files_in(const fs::path& folder) const {
    return {fs::directory_iterator(folder), fs::directory_iterator()};
  }

  fs::path folder_;
  fs::path model_;
  fs::path packed_;
  Collector collector_;
};

TEST_F(PackedWeightsTest, ServeEveryWeightWithTheSameBits) {
  const size_t bytes = InferenceSession::write_packed_weights(model_, packed_);
  EXPECT_GT(bytes, 24U * 96 * 9 * 4);
  InferenceSession session(model_, with(packed_));
  EXPECT_THAT(collector_.take(), Contains(HasSubstr("1 Mapped")));
  EXPECT_EQ(plan_of(session).packed_weight_bytes, bytes);
  EXPECT_EQ(plan_of(session).mapped_weight_bytes, bytes);
  EXPECT_EQ(run(session), expected());
}

TEST_F(PackedWeightsTest, OutliveTheFile) {
  InferenceSession::write_packed_weights(model_, packed_);
  InferenceSession session(model_, with(packed_));
  fs::remove(packed_);
  EXPECT_EQ(run(session), expected());
}

TEST_F(PackedWeightsTest, ACopyOfTheModelIsTheSameModel) {
  InferenceSession::write_packed_weights(model_, packed_);
  const fs::path copy = folder_ / "copy.onnx";
  fs::copy(model_, copy);
  fs::last_write_time(copy, fs::last_write_time(model_) + std::chrono::hours(1));
  InferenceSession session(copy, with(packed_));
  EXPECT_EQ(plan_of(session).mapped_weight_bytes, plan_of(session).packed_weight_bytes);
}

TEST_F(PackedWeightsTest, WhatDoesNotServeIsAWarning) {
  InferenceSession::write_packed_weights(model_, packed_);
  const auto expect_warning = [&](const std::string& text) {
    collector_.take();
    InferenceSession session(model_, with(packed_, 2));
    EXPECT_THAT(collector_.take(), ElementsAre(HasSubstr(text)));
    EXPECT_EQ(plan_of(session).mapped_weight_bytes, 0U);
    EXPECT_EQ(run(session), expected());
  };
  save(network(0.02F));  // the same size
  expect_warning("model.packed' was packed from another");
  fs::resize_file(packed_, fs::file_size(packed_) - 1);
  expect_warning("is damaged");
  fs::remove(packed_);
  expect_warning("does not exist. Weights are packed instead.");
}

TEST_F(PackedWeightsTest, ADamagedWeightIsPackedAgain) {
  InferenceSession::write_packed_weights(model_, packed_);
  std::fstream file(packed_, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(100).put('?');
  file.close();
  collector_.take();
  InferenceSession session(model_, with(packed_, 2));
  EXPECT_THAT(collector_.take(), ElementsAre(HasSubstr("lacks")));
  EXPECT_GT(plan_of(session).mapped_weight_bytes, 0U);
  EXPECT_LT(plan_of(session).mapped_weight_bytes, plan_of(session).packed_weight_bytes);
  EXPECT_EQ(run(session), expected());
}

TEST_F(PackedWeightsTest, OtherOptionsTakeWhatIsTheSame) {
  InferenceSession::write_packed_weights(model_, packed_);
  SessionOptions options = with(packed_, 2);
  options.graph_optimization_level = GraphOptimizationLevel::kDisableAll;
  collector_.take();
  InferenceSession session(model_, options);
  // The first convolution's weights are without the factors there.
  EXPECT_THAT(collector_.take(), ElementsAre(HasSubstr("lacks")));
  EXPECT_GT(plan_of(session).mapped_weight_bytes, 0U);
  options.config_entries.clear();
  InferenceSession plain(model_, options);
  EXPECT_EQ(run(session), run(plain));
}

TEST_F(PackedWeightsTest, AFolderIsFilledByTheFirstSession) {
  const fs::path cache = folder_ / "cache" / "";
  InferenceSession first(model_, with(cache));
  EXPECT_THAT(collector_.take(), Contains(HasSubstr("1 Wrote 3 packed weights")));
  EXPECT_EQ(plan_of(first).mapped_weight_bytes, 0U);
  struct stat status {};
  ASSERT_EQ(::stat((folder_ / "cache").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0700U);
  const auto files = files_in(cache);
  ASSERT_EQ(files.size(), 1U);
  EXPECT_THAT(files[0].filename().string(), testing::MatchesRegex("model-[0-9a-f]{16}\\.packed"));

  InferenceSession second(model_, with(cache));
  EXPECT_THAT(collector_.take(), Not(Contains(HasSubstr("Wrote"))));
  EXPECT_EQ(plan_of(second).mapped_weight_bytes, plan_of(second).packed_weight_bytes);
  EXPECT_EQ(run(second), run(first));

  SessionOptions other = with(cache);
  other.graph_optimization_level = GraphOptimizationLevel::kDisableAll;
  const InferenceSession third(model_, other);
  EXPECT_EQ(files_in(cache).size(), 2U) << "other options, another file";
}

TEST_F(PackedWeightsTest, AFileOfAFolderThatDoesNotServeIsReplaced) {
  const fs::path cache = folder_ / "cache" / "";
  { const InferenceSession session(model_, with(cache)); }
  const fs::path file = files_in(cache).at(0);
  std::ofstream(file, std::ios::trunc) << "nothing";
  collector_.take();
  { const InferenceSession session(model_, with(cache, 2)); }
  EXPECT_THAT(collector_.take(), ElementsAre(HasSubstr("is no file of packed weights")));
  { const InferenceSession session(model_, with(cache, 2)); }
  EXPECT_THAT(collector_.take(), IsEmpty());
}

TEST_F(PackedWeightsTest, AFolderThatCannotBeWrittenIsAWarning) {
  std::ofstream(folder_ / "file") << "in the way";
  InferenceSession session(model_, with(folder_ / "file" / "", 2));
  EXPECT_THAT(collector_.take(), ElementsAre(HasSubstr("are not kept: ")));
  EXPECT_EQ(run(session), expected());
}

TEST_F(PackedWeightsTest, ATargetThatCannotBeWrittenIsAnError) {
  EXPECT_THROW(InferenceSession::write_packed_weights(model_, folder_ / "missing" / "file"), Error);
  EXPECT_THROW(InferenceSession::write_packed_weights(folder_ / "missing.onnx", packed_), Error);
  EXPECT_FALSE(fs::exists(packed_));
}

TEST_F(PackedWeightsTest, TheVariableSpeaksForSessionsWithoutTheEntry) {
  InferenceSession::write_packed_weights(model_, packed_);
  ::setenv(kVariable, packed_.c_str(), 1);
  InferenceSession session(model_);
  EXPECT_GT(plan_of(session).mapped_weight_bytes, 0U);
  InferenceSession refuses(model_, with(""));
  EXPECT_EQ(plan_of(refuses).mapped_weight_bytes, 0U);
}

TEST_F(PackedWeightsTest, AModelOfBytesHasNone) {
  InferenceSession::write_packed_weights(model_, packed_);
  const auto bytes = std::make_shared<const std::string>(write_model(network(0.01F)));
  collector_.take();
  { const InferenceSession session(std::as_bytes(std::span(*bytes)), bytes, with(packed_, 2)); }
  EXPECT_THAT(collector_.take(), ElementsAre(HasSubstr("needs a model that is a file")));
  ::setenv(kVariable, packed_.c_str(), 1);
  { const InferenceSession session(std::as_bytes(std::span(*bytes)), bytes); }
  EXPECT_THAT(collector_.take(), IsEmpty()) << "the variable is not about this model";
}

}  // namespace
}  // namespace attune
