#include "attune/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "base/cpu.h"
#include "base/float_mode.h"
#include "base/log.h"
#include "base/thread.h"
#include "graph/graph.h"
#include "onnx/reader.h"
#include "onnx/writer.h"
#include "optimize/optimize.h"
#include "optimize/standardize.h"
#include "plan/plan_cache.h"
#include "plan/program.h"
#include "runtime/executor.h"
#include "runtime/profiler.h"
#include "runtime/region.h"
#include "runtime/thread_pool.h"
#include "session/feeds.h"
#include "session/optimization_level.h"
#include "session/session_log.h"
#include "session/thread_options.h"

namespace attune {
namespace {

ModelDescription describe_model(const Graph& graph) {
  const ModelMetadata& data = graph.metadata;
  return {data.producer_name, data.producer_version, data.graph_name, data.graph_description, data.domain,
          data.description,   data.version,          data.ir_version, graph.opsets,           data.custom};
}

void override_dimensions(Graph& graph, const std::map<std::string, int64_t>& sizes) {
  for (Value* input : graph.inputs()) {
    if (!input->shape) continue;
    for (int axis = 0; axis < input->shape->rank(); ++axis) {
      const auto size = sizes.find(std::string(graph.symbols->name((*input->shape)[axis])));
      if (size != sizes.end() && !size->first.empty()) (*input->shape)[axis] = size->second;
    }
  }
}

}  // namespace

class InferenceSession::Impl {
 public:
  /// `source` is the model's file, or says that it came from memory; `event` is what the profile calls its loading.
  Impl(const SessionOptions& options, FunctionRef<Graph()> load, std::string_view source, std::string_view event)
      : options_(checked(options)),
        logger_(options.logid, options.log_severity_level, options.log_verbosity_level),
        limits_(run_limits(options)),
        own_pool_(make_own_pool(options, limits_, logger_)),
        flush_denormals_(config_flag(options, "session.set_denormal_as_zero", false)),
        regions_(options.enable_cpu_mem_arena),
        output_buffers_(options.enable_cpu_mem_arena) {
    if (options.enable_profiling) profiler_ = std::make_unique<Profiler>(options.profile_file_prefix);
    const int64_t start = monotonic_ns();
    Graph graph = load();
    const int64_t loaded = monotonic_ns();
    if (profiler_ != nullptr) profiler_->record(ProfileCategory::kSession, event, start, loaded, current_thread_id());
    prepare(std::move(graph), source);
    if (profiler_ != nullptr) {
      profiler_->record(ProfileCategory::kSession, "session_initialization", loaded, monotonic_ns(),
                        current_thread_id());
    }
  }

  std::vector<Tensor> run(std::span<const NamedTensor> feeds, std::span<const std::string> output_names,
                          const RunOptions& options) {
    const int64_t start = profiler_ != nullptr ? monotonic_ns() : 0;
    const Logger logger = logger_.for_run(options.run_tag, options.log_severity_level, options.log_verbosity_level);
    const std::vector<Tensor> inputs = match_feeds(inputs_, overridable_, feeds);
    const std::vector<size_t> wanted = match_outputs(outputs_, output_names);
    const ScopedDenormalsAsZero float_mode(flush_denormals_);
    std::vector<Tensor> results;
    {
      RunThreads threads(pool(), limits_);
      const RunEnvironment environment{.program = program_,
                                       .plans = plans_,
                                       .regions = regions_,
                                       .outputs = output_buffers_,
                                       .parallel = threads,
                                       .lanes = limits_.lanes > 1 ? &threads : nullptr,
                                       .threads = limits_.threads,
                                       .profiler = profiler_.get(),
                                       .logger = &logger,
                                       .terminate = options.terminate.get()};
      results = run_program(environment, inputs);
    }
    std::vector<Tensor> chosen;
    chosen.reserve(wanted.size());
    for (const size_t index : wanted) chosen.push_back(results[index]);
    if (profiler_ != nullptr) {
      profiler_->record(ProfileCategory::kSession, "model_run", start, monotonic_ns(), current_thread_id());
    }
    return chosen;
  }

  PlanReport plan_report(const std::map<std::string, Shape>& input_shapes) {
    std::vector<Shape> shapes;
    for (const ValueDescription& input : inputs_) {
      const auto given = input_shapes.find(input.name);
      if (given != input_shapes.end()) {
        check_shape(input, given->second);
        shapes.push_back(given->second);
        continue;
      }
      Shape shape;
      for (const Dimension& dim : input.shape) {
        const auto* size = std::get_if<int64_t>(&dim);
        if (size == nullptr) {
          throw Error(ErrorCode::kInvalidArgument,
                      fmt::format("Input '{}' has symbolic dimensions: give its shape.", input.name));
        }
        shape.push_back(*size);
      }
      shapes.push_back(shape);
    }
    const BoundStart start =
        plans_.find_or_bind(program_, shapes, BindOptions{.threads = limits_.threads, .concurrent = limits_.lanes > 1});
    return report(*start.segment);
  }

  const SessionOptions& options() const { return options_; }
  const std::vector<ValueDescription>& inputs() const { return inputs_; }
  const std::vector<ValueDescription>& outputs() const { return outputs_; }
  const std::vector<ValueDescription>& overridable() const { return overridable_; }
  const ModelDescription& model() const { return model_; }
  int threads() const { return limits_.threads; }
  Profiler* profiler() { return profiler_.get(); }

 private:
  static const SessionOptions& checked(const SessionOptions& options) {
    validate(options);
    return options;
  }

  ThreadPool& pool() { return own_pool_ != nullptr ? *own_pool_ : ThreadPool::shared(); }

  void prepare(Graph graph, std::string_view source) {
    const int64_t start = monotonic_ns();
    const auto newest = graph.opsets.find("");
    if (newest != graph.opsets.end() && newest->second > kNewestOpset) {
      throw Error(ErrorCode::kFail, fmt::format("Opset {} of ai.onnx is newer than {}, the newest that is supported.",
                                                newest->second, kNewestOpset));
    }
    override_dimensions(graph, options_.free_dimension_overrides);
    model_ = describe_model(graph);
    inputs_ = describe_inputs(graph);
    overridable_ = describe_overridable(graph);
    parameters_ = count_parameters(graph);
    log_model(logger_, source, graph, parameters_);
    warn_of_options(logger_, options_);
    const int64_t constant_bytes = count_constant_bytes(graph);
    pool().reserve(limits_.most_threads());
    RunThreads parallel(pool(), limits_.threads, limits_.may_spin);
    OptimizeReport passes;
    OptimizeContext context;
    context.parallel = &parallel;
    context.report = &passes;
    optimize_graph(graph, optimization_level(options_.graph_optimization_level), context);
    log_optimization(logger_, options_, passes, graph, constant_bytes);
    if (!options_.optimized_model_filepath.empty()) {
      save_model(standardize(graph), options_.optimized_model_filepath);
      ATTUNE_LOG(logger_, kInfo, "Wrote the optimized model to '{}'.", options_.optimized_model_filepath);
    }
    outputs_ = describe_outputs(graph);
    program_ = compile(std::move(graph), parallel);
    log_program(logger_, program_, limits_.threads, static_cast<double>(monotonic_ns() - start) * 1e-6);
  }

  PlanReport report(const Segment& segment) const;

  static int64_t count_parameters(const Graph& graph);

  SessionOptions options_;
  Logger logger_;
  RunLimits limits_;  ///< One lane is one step after another.
  std::unique_ptr<ThreadPool> own_pool_;
  bool flush_denormals_;
  std::unique_ptr<Profiler> profiler_;
  ModelDescription model_;
  std::vector<ValueDescription> inputs_;
  std::vector<ValueDescription> outputs_;
  std::vector<ValueDescription> overridable_;
  int64_t parameters_ = 0;
  Program program_;
  PlanCache plans_;
  RegionPool regions_;
  OutputBuffers output_buffers_;
};

int64_t InferenceSession::Impl::count_parameters(const Graph& graph) {
  int64_t count = 0;
  const auto add = [&](const Tensor& tensor) { count += tensor.elements(); };
  std::unordered_map<const Value*, bool> seen;
  for (const auto& node : graph.nodes()) {
    for (const Value* input : node->inputs()) {
      if (input != nullptr && input->is_constant() && seen.try_emplace(input, true).second) add(input->constant);
    }
    if (node->is("Constant")) add(node->attributes.get_tensor("value"));
  }
  return count;
}

PlanReport InferenceSession::Impl::report(const Segment& segment) const {
  PlanReport report;
  report.region_bytes = segment.region_bytes;
  report.lower_bound_bytes = segment.lower_bound;
  report.packed_weight_bytes = program_.packed_bytes;
  report.parameters = parameters_;
  report.is_complete = segment.is_last;
  for (const ProgramValue& value : program_.values) report.constant_bytes += value.constant.bytes();
  const auto view = [&](int value) {
    if (value == kNoValue) return TensorView{};
    const ProgramValue& described = program_.values[static_cast<size_t>(value)];
    return TensorView{nullptr, &segment.shapes[static_cast<size_t>(value)], described.type, described.layout,
                      static_cast<uint8_t>(program_.block)};
  };
  for (const ProgramOutput& output : program_.outputs) report.output_bytes += view(output.value).physical_bytes();
  const std::vector<size_t> live = live_bytes(segment);
  for (size_t k = 0; k < segment.steps.size(); ++k) {
    const PlannedStep& planned = segment.steps[k];
    const Step& step = program_.steps[static_cast<size_t>(planned.step)];
    NodeReport node;
    node.name = step.name;
    node.op_type = step.op_type;
    node.domain = step.domain;
    std::vector<TensorView> inputs;
    std::vector<TensorView> outputs;
    for (const int input : step.inputs) inputs.push_back(view(input));
    for (const int output : step.outputs) outputs.push_back(view(output));
    for (const TensorView& input : inputs) node.input_shapes.push_back(input.dims != nullptr ? input.shape() : Shape{});
    for (const TensorView& out : outputs) node.output_shapes.push_back(out.dims != nullptr ? out.shape() : Shape{});
    const bool blocked = !outputs.empty() && outputs[0].layout == Layout::kBlocked;
    node.layout = blocked ? "blocked" : "plain";
    node.flops = step.op->flops(inputs, outputs);
    node.workspace_bytes = planned.workspace_bytes;
    node.live_bytes = live[k];
    report.flops += node.flops;
    report.nodes.push_back(std::move(node));
    if (report.peak_node < 0 ||
        report.nodes.back().live_bytes > report.nodes[static_cast<size_t>(report.peak_node)].live_bytes) {
      report.peak_node = static_cast<int>(k);
    }
  }
  return report;
}

std::string_view version() { return ATTUNE_VERSION; }

InferenceSession::InferenceSession(const std::filesystem::path& model, const SessionOptions& options)
    : impl_(std::make_unique<Impl>(
          options, [&] { return load_graph(model); }, model.string(), "model_loading_uri")) {}

InferenceSession::InferenceSession(std::span<const std::byte> model, std::shared_ptr<const void> owner,
                                   const SessionOptions& options)
    : impl_(std::make_unique<Impl>(
          options, [&] { return load_graph(model, std::move(owner)); }, "a model in memory", "model_loading_array")) {}

InferenceSession::~InferenceSession() = default;
InferenceSession::InferenceSession(InferenceSession&&) noexcept = default;
InferenceSession& InferenceSession::operator=(InferenceSession&&) noexcept = default;

const std::vector<ValueDescription>& InferenceSession::inputs() const { return impl_->inputs(); }
const std::vector<ValueDescription>& InferenceSession::outputs() const { return impl_->outputs(); }
const std::vector<ValueDescription>& InferenceSession::overridable_initializers() const { return impl_->overridable(); }
const ModelDescription& InferenceSession::model() const { return impl_->model(); }
const SessionOptions& InferenceSession::options() const { return impl_->options(); }
int InferenceSession::threads() const { return impl_->threads(); }

std::vector<Tensor> InferenceSession::run(std::span<const NamedTensor> feeds, std::span<const std::string> output_names,
                                          const RunOptions& options) {
  return impl_->run(feeds, output_names, options);
}

PlanReport InferenceSession::plan_report(const std::map<std::string, Shape>& input_shapes) {
  return impl_->plan_report(input_shapes);
}

std::string InferenceSession::end_profiling() {
  return impl_->profiler() == nullptr ? std::string() : impl_->profiler()->end();
}

int64_t InferenceSession::profiling_start_time_ns() const {
  return impl_->profiler() == nullptr ? 0 : impl_->profiler()->start_time_ns();
}

}  // namespace attune
