// What a session and its runs log.
#include "session/session_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>

#include "attune/session.h"
#include "base/content_hash.h"
#include "base/cpu.h"
#include "onnx/writer.h"

namespace attune {
namespace {

using testing::Contains;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

/// Collects lines as "severity id text" while it lives.
class Collector {
 public:
  Collector() {
    set_log_sink([this](const LogRecord& record) {
      const std::lock_guard lock(mutex_);
      lines_.push_back(fmt::format("{} {} {}", static_cast<int>(record.severity), record.id, record.text));
    });
  }
  ~Collector() { set_log_sink({}); }
  std::vector<std::string> take() { return std::exchange(lines_, {}); }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

/// y = relu(x + 1 + 1) in [N, 4], in nodes that depend on each other.
Graph chain(DataType type = DataType::kFloat) {
  Graph graph;
  graph.opsets[""] = 17;
  graph.metadata.graph_name = "chain";
  Value* x = graph.add_value("x", type, Shape{graph.symbols->fresh("N"), 4});
  graph.add_input(x);
  Tensor weights = Tensor::allocate(type, Shape{4, 4});
  std::fill_n(static_cast<std::byte*>(weights.raw()), weights.bytes(), std::byte{0});
  Value* product = graph.add_value();
  graph.add_node("MatMul", {x, graph.add_constant(std::move(weights), "w")}, {product}, "product");
  Value* same = graph.add_value();
  graph.add_node("Identity", {product}, {same}, "same");
  Value* y = graph.add_value("y");
  graph.add_node("Neg", {same}, {y}, "negative");
  graph.add_output(y);
  return graph;
}

InferenceSession session_of(const Graph& graph, const SessionOptions& options) {
  const auto bytes = std::make_shared<const std::string>(write_model(graph));
  return InferenceSession(std::as_bytes(std::span(*bytes)), bytes, options);
}

SessionOptions with_severity(int severity) {
  SessionOptions options;
  options.logid = "me";
  options.log_severity_level = severity;
  options.intra_op_num_threads = 1;
  return options;
}

void run(InferenceSession& session, int64_t rows, const RunOptions& options = {}) {
  const std::vector<NamedTensor> feeds = {{"x", Tensor::allocate(DataType::kFloat, Shape{rows, 4})}};
  session.run(feeds, {}, options);
}

TEST(SessionLog, InfoTellsWhatWasLoadedOptimizedAndPlanned) {
  Collector collector;
  InferenceSession session = session_of(chain(), with_severity(1));
  const std::vector<std::string> lines = collector.take();
  EXPECT_THAT(lines, Contains(ContainsRegex("^1 me Loaded a model in memory: graph 'chain', ai.onnx 17, 3 nodes, 16 "
                                            "parameters, 1 inputs, 1 outputs")));
  EXPECT_THAT(lines, Contains(ContainsRegex("^1 me Optimized at ORT_ENABLE_ALL in .* ms: 3 nodes became 2. Passes that "
                                            "acted: remove_no_ops 1.")));
  EXPECT_THAT(lines, Contains(ContainsRegex("^1 me Ready in .* ms: 2 steps")));
  run(session, 3);
  EXPECT_THAT(collector.take(), Contains(ContainsRegex("^1 me Planned x \\{3,4\\}: 2 steps to run, .* MiB")));
  run(session, 3);
  EXPECT_THAT(collector.take(), testing::IsEmpty());
}

TEST(SessionLog, VerboseTellsOfEachPass) {
  Collector collector;
  session_of(chain(), with_severity(0));
  EXPECT_THAT(collector.take(), Contains(HasSubstr("0 me Pass remove_no_ops: 1 changes")));
}

TEST(SessionLog, ARunHasItsOwnSeverity) {
  Collector collector;
  InferenceSession session = session_of(chain(), with_severity(4));
  run(session, 2);
  EXPECT_THAT(collector.take(), testing::IsEmpty());
  RunOptions options;
  options.log_severity_level = 1;
  options.run_tag = "third";
  run(session, 3, options);
  EXPECT_THAT(collector.take(), testing::ElementsAre(HasSubstr("1 me:third Planned x {3,4}")));
  InferenceSession talkative = session_of(chain(), with_severity(1));
  collector.take();
  options.log_severity_level = 4;
  run(talkative, 3, options);
  EXPECT_THAT(collector.take(), testing::IsEmpty());
}

TEST(SessionLog, WarningsNameWhatCostsTime) {
  Collector collector;
  SessionOptions options = with_severity(2);
  options.intra_op_num_threads = usable_cpus() + 1;
  session_of(chain(), options);
  EXPECT_THAT(collector.take(), testing::ElementsAre(HasSubstr("2 me intra_op_num_threads is")));

  session_of(chain(DataType::kDouble), with_severity(2));
  EXPECT_THAT(collector.take(), testing::ElementsAre(HasSubstr("1 matrix products are of type double")));

  options = with_severity(2);
  options.execution_mode = ExecutionMode::kParallel;
  options.inter_op_num_threads = 2;
  InferenceSession parallel = session_of(chain(), options);
  collector.take();  // on a machine with one CPU two threads are worth a warning
  run(parallel, 1);
  EXPECT_THAT(collector.take(), testing::ElementsAre(HasSubstr("no two steps of this model are independent")));
}

TEST(SessionLog, FoldingThatMultipliesTheWeightsIsWorthAWarning) {
  Graph graph;
  Collector collector;
  OptimizeReport report;
  graph.add_constant(Tensor::allocate(DataType::kFloat, Shape{1 << 23}), "folded");
  log_optimization(Logger("me"), {}, report, graph, 1 << 20);
  EXPECT_THAT(collector.take(), testing::ElementsAre(HasSubstr("grow from 1.0 to 32.0 MiB")));
  log_optimization(Logger("me"), {}, report, graph, int64_t{24} << 20);
  EXPECT_THAT(collector.take(), testing::IsEmpty());
}

TEST(SessionLog, Severity4IsSilent) {
  Collector collector;
  SessionOptions options = with_severity(4);
  options.intra_op_num_threads = usable_cpus() + 1;
  InferenceSession session = session_of(chain(), options);
  run(session, 1);
  EXPECT_THROW(run(session, -1), Error);
  EXPECT_THAT(collector.take(), testing::IsEmpty());
}

TEST(SessionLog, OptionsThatWereTunedForAnotherModelAreAWarning) {
  Collector lines;
  SessionOptions options;
  const std::string model = write_model(chain());
  options.config_entries[kTunedModel] = content_hash(std::as_bytes(std::span(model)));
  session_of(chain(), options);
  EXPECT_THAT(lines.take(), Not(Contains(HasSubstr("another model"))));
  options.config_entries[kTunedModel] = "00";
  session_of(chain(), options);
  EXPECT_THAT(lines.take(), Contains(HasSubstr("2  The options were tuned for another model.")));
}

}  // namespace
}  // namespace attune
