#include "attune/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/content_hash.h"
#include "base/cpu.h"
#include "base/file_mapping.h"
#include "base/float_mode.h"
#include "base/log.h"
#include "base/stop_signal.h"
#include "base/thread.h"
#include "base/tick_clock.h"
#include "graph/graph.h"
#include "onnx/reader.h"
#include "onnx/writer.h"
#include "optimize/forbid_winograd.h"
#include "optimize/optimize.h"
#include "optimize/standardize.h"
#include "plan/conv_chains.h"
#include "plan/plan_cache.h"
#include "plan/program.h"
#include "runtime/executor.h"
#include "runtime/profiler.h"
#include "runtime/region.h"
#include "runtime/thread_pool.h"
#include "session/feeds.h"
#include "session/model_config.h"
#include "session/optimization_level.h"
#include "session/packed_weights.h"
#include "session/session_log.h"
#include "session/thread_options.h"

namespace attune {
namespace {

ModelDescription describe_model(const Graph& graph) {
  const ModelMetadata& data = graph.metadata;
  return {data.producer_name, data.producer_version, data.graph_name, data.graph_description, data.domain,
          data.description,   data.version,          data.ir_version, graph.opsets,           data.custom};
}

GivenParts given_parts(const SessionOptions& options) {
  GivenParts given{.initializers = options.initializers,
                   .files = options.external_files,
                   .sizes_by_name = options.free_dimension_overrides,
                   .sizes_by_denotation = options.free_dimension_overrides_by_denotation};
  given.initializers.insert(options.external_initializers.begin(), options.external_initializers.end());
  return given;
}

/// The number that an entry states, `fallback` where there is no entry.
int64_t config_number(const std::map<std::string, std::string>& entries, const std::string& key, int64_t fallback,
                      std::string_view unit) {
  const auto entry = entries.find(key);
  if (entry == entries.end()) return fallback;
  const std::string& text = entry->second;
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size() && number >= 0) return number;
  throw Error(ErrorCode::kInvalidArgument, fmt::format("{} is '{}'; it takes a number of {}.", key, text, unit));
}

/// The monotonic time at which the run must end; 0 for none.
int64_t deadline_of(const RunOptions& options) {
  int64_t milliseconds = options.timeout.count();
  if (milliseconds == 0) {
    milliseconds = config_number(options.config_entries, "attune.run.timeout_ms", 0, "milliseconds");
  }
  constexpr int64_t kMost = int64_t{1} << 40;  // 34 years: beyond it nanoseconds would overflow
  return milliseconds == 0 ? 0 : monotonic_ns() + std::min(milliseconds, kMost) * 1'000'000;
}

/// `session.max_activation_mib` in bytes.
size_t activation_limit(const SessionOptions& options) {
  constexpr int64_t kMost = int64_t{1} << 40;  // far above any machine, and safe to multiply
  const int64_t mebibytes = config_number(options.config_entries, "session.max_activation_mib", 0, "MiB");
  return mebibytes == 0 ? SIZE_MAX : static_cast<size_t>(std::min(mebibytes, kMost)) << 20;
}

/// What is kept beside the optimized model.
DataFileOptions data_file_of(const SessionOptions& options) {
  DataFileOptions file;
  const auto name = options.config_entries.find("session.optimized_model_external_initializers_file_name");
  if (name != options.config_entries.end()) file.name = name->second;
  file.smallest = static_cast<size_t>(config_number(options.config_entries,
                                                    "session.optimized_model_external_initializers_min_size_in_bytes",
                                                    static_cast<int64_t>(file.smallest), "bytes"));
  return file;
}

bool overlap(const Tensor& a, const Tensor& b) {
  const std::less<const std::byte*> less;
  const auto* first = static_cast<const std::byte*>(a.raw());
  const auto* second = static_cast<const std::byte*>(b.raw());
  return less(first, second + b.bytes()) && less(second, first + a.bytes());
}

/// The run may write into the tensor while it reads its feeds.
bool is_direct_target(const Tensor& target, std::span<const Tensor> inputs) {
  return target.type() != DataType::kString && reinterpret_cast<uintptr_t>(target.raw()) % kRegionAlignment == 0 &&
         std::none_of(inputs.begin(), inputs.end(), [&](const Tensor& input) { return overlap(target, input); });
}

void copy_elements(const Tensor& source, Tensor& target) {
  if (source.type() == DataType::kString) {
    const auto strings = source.values<std::string>();
    std::copy(strings.begin(), strings.end(), target.values<std::string>().begin());
  } else {
    // What is fed and what is bound may be one memory.
    std::memmove(target.raw(), source.raw(), source.bytes());
  }
}

}  // namespace

class InferenceSession::Impl {
 public:
  /// `options` are valid; `source` is the model's file, or says that it came from memory; `event` is what the profile
  /// calls its loading. Packed weights are written to `packed_target` unless it is empty.
  Impl(const SessionOptions& options, FunctionRef<Graph(const GivenParts&)> load, std::string_view source,
       std::string_view event, const std::filesystem::path& packed_target = {})
      : options_(options),
        logger_(options.logid, options.log_severity_level, options.log_verbosity_level),
        limits_(run_limits(options)),
        own_pool_(make_own_pool(options, limits_, logger_)),
        flush_denormals_(config_flag(options, "session.set_denormal_as_zero", false)),
        most_region_bytes_(activation_limit(options)),
        regions_(options.enable_cpu_mem_arena),
        output_buffers_(options.enable_cpu_mem_arena),
        subgraph_buffers_(options.enable_cpu_mem_arena) {
    if (options_.enable_profiling) profiler_ = std::make_unique<Profiler>(options_.profile_file_prefix);
    const int64_t start = read_ticks();
    GivenParts given = given_parts(options_);
    Graph graph = load(given);
    const int64_t loaded = read_ticks();
    if (profiler_ != nullptr) profiler_->record(ProfileCategory::kSession, event, start, loaded, current_thread_id());
    // Kept for a run that feeds initializers; its constants are views into the same file.
    if (!graph.overridable().empty()) {
      given.declare_overridable = true;
      feedable_source_.emplace(load(given));
      overridable_ = describe_overridable(*feedable_source_);
    }
    prepare(std::move(graph), source, packed_target);
    if (profiler_ != nullptr) {
      profiler_->record(ProfileCategory::kSession, "session_initialization", loaded, read_ticks(), current_thread_id());
    }
  }

  std::vector<Tensor> run(std::span<const NamedTensor> feeds, std::span<const std::string> output_names,
                          const RunOptions& options) {
    const std::vector<size_t> wanted = match_outputs(outputs_, output_names);
    const std::vector<Tensor> results = run(match_feeds(inputs_, overridable_, feeds), {}, wanted, options);
    std::vector<Tensor> chosen;
    chosen.reserve(wanted.size());
    for (const size_t index : wanted) chosen.push_back(results[index]);
    return chosen;
  }

  void run_into(std::span<const NamedTensor> feeds, std::span<NamedTensor> outputs, const RunOptions& options) {
    std::vector<std::string> names;
    for (const NamedTensor& output : outputs) names.push_back(output.name);
    const std::vector<size_t> wanted = match_outputs(outputs_, names);
    MatchedFeeds matched = match_feeds(inputs_, overridable_, feeds);
    std::vector<Tensor> targets(outputs_.size());
    for (size_t i = 0; i < wanted.size(); ++i) {
      const Tensor& target = outputs[i].tensor;
      if (!target) continue;
      check_tensor(outputs_[wanted[i]], target, "output");
      if (is_direct_target(target, matched.inputs) && is_direct_target(target, matched.initializers)) {
        targets[wanted[i]] = target;
      }
    }
    const std::vector<Tensor> results = run(std::move(matched), targets, wanted, options);
    for (size_t i = 0; i < wanted.size(); ++i) {
      const Tensor& result = results[wanted[i]];
      Tensor& target = outputs[i].tensor;
      if (!target) {
        target = result;
      } else if (target.raw() != result.raw()) {
        check_target(outputs[i].name, target, result.type(), result.shape());
        copy_elements(result, target);
      }
    }
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
    const BoundSegment start = compiled_.plans.find_or_bind(compiled_.program, shapes, bind_options());
    return report(*start.segment);
  }

  const SessionOptions& options() const { return options_; }
  const std::vector<ValueDescription>& inputs() const { return inputs_; }
  const std::vector<ValueDescription>& outputs() const { return outputs_; }
  const std::vector<ValueDescription>& overridable() const { return overridable_; }
  const ModelDescription& model() const { return model_; }
  const std::vector<NodeDescription>& assigned_nodes() const {
    if (!config_flag(options_, kRecordNodes, false)) {
      throw Error(ErrorCode::kFail,
                  fmt::format("Session configuration entry '{}' must be set to \"1\" to retrieve EP graph assignment "
                              "information.",
                              kRecordNodes));
    }
    return nodes_;
  }
  int threads() const { return limits_.threads; }
  size_t packed_bytes() const { return compiled_.program.packed_bytes; }
  const Logger& logger() const { return logger_; }
  Profiler* profiler() { return profiler_.get(); }

 private:
  static constexpr const char* kRecordNodes = "session.record_ep_graph_assignment_info";

  /// A program and what its runs share.
  struct Compiled {
    Program program;
    PlanCache plans;
  };

  /// All outputs in the model's order, those with a target in its memory; only those numbered `wanted` are sure to be
  /// defined.
  std::vector<Tensor> run(MatchedFeeds feeds, std::span<const Tensor> targets, std::span<const size_t> wanted,
                          const RunOptions& options) {
    const int64_t start = profiler_ != nullptr ? read_ticks() : 0;
    const StopSignal stop(options.terminate.get(), deadline_of(options));
    const Logger logger = logger_.for_run(options.run_tag, options.log_severity_level, options.log_verbosity_level);
    const bool feeds_initializers = !feeds.initializers.empty();
    Compiled& compiled = feeds_initializers ? feedable() : compiled_;
    for (size_t i = 0; i < feeds.initializers.size(); ++i) {
      feeds.inputs.push_back(feeds.initializers[i] ? feeds.initializers[i] : defaults_[i]);
    }
    std::optional<RunPart> part;
    if (options.only_execute_path_to_fetches) part = part_for(compiled.program, wanted);
    const ScopedDenormalsAsZero float_mode(flush_denormals_);
    std::vector<Tensor> results;
    {
      RunThreads threads(pool(), limits_);
      StoppableParallel stoppable(threads, stop);
      const RunEnvironment environment{
          .program = compiled.program,
          .plans = compiled.plans,
          .regions = regions_,
          .outputs = output_buffers_,
          .subgraph_outputs = subgraph_buffers_,
          .parallel = stop.is_possible() ? static_cast<Parallel&>(stoppable) : static_cast<Parallel&>(threads),
          .lanes = limits_.lanes > 1 ? &threads : nullptr,
          .threads = limits_.threads,
          .most_region_bytes = most_region_bytes_,
          .profiler = profiler_.get(),
          .logger = &logger,
          .stop = stop.is_possible() ? &stop : nullptr,
          .targets = targets,
          .part = part ? &*part : nullptr};
      results = run_program(environment, feeds.inputs);
    }
    const auto shrink = options.config_entries.find("memory.enable_memory_arena_shrinkage");
    if (shrink != options.config_entries.end() && !shrink->second.empty()) {
      regions_.shrink();
      output_buffers_.shrink();
      subgraph_buffers_.shrink();
    }
    if (profiler_ != nullptr) {
      profiler_->record(ProfileCategory::kSession, "model_run", start, read_ticks(), current_thread_id());
    }
    return results;
  }

  /// The model with overridable initializers as inputs behind the others; compiled when first asked for.
  Compiled& feedable() {
    const std::lock_guard lock(feedable_mutex_);
    if (feedable_failure_) std::rethrow_exception(feedable_failure_);
    if (feedable_ == nullptr) {
      try {
        feedable_ = compile_feedable(std::move(*feedable_source_));
      } catch (...) {
        feedable_failure_ = std::current_exception();
        throw;
      }
    }
    return *feedable_;
  }

  std::unique_ptr<Compiled> compile_feedable(Graph graph) {
    for (Value* value : graph.overridable()) {
      defaults_.push_back(std::exchange(value->constant, Tensor()).aligned());
      graph.add_input(value);
    }
    auto compiled = std::make_unique<Compiled>();
    OptimizeReport passes;
    compiled->program = optimize_and_compile(graph, passes, {}, [] {});
    return compiled;
  }

  /// `optimized` is called in between.
  Program optimize_and_compile(Graph& graph, OptimizeReport& passes, const PackedStorage& storage,
                               FunctionRef<void()> optimized) {
    RunThreads threads(pool(), limits_.threads, limits_.may_spin);
    const StopSignal cancelled(options_.cancel_load.get());
    StoppableParallel parallel(threads, cancelled);
    OptimizeContext context;
    context.parallel = &parallel;
    context.report = &passes;
    cancelled.check();
    optimize_graph(graph, optimization_level(options_.graph_optimization_level), context);
    cancelled.check();
    optimized();
    if (!config_flag(options_, "attune.winograd", true)) optimize::forbid_winograd(graph);
    Program program = compile(std::move(graph), parallel, storage);
    const bool fuses = optimization_level(options_.graph_optimization_level) >= OptimizationLevel::kExtended;
    if (fuses) chain_convolutions(program);
    return program;
  }

  void check_given_initializers(const Graph& graph) const {
    for (const auto& [name, tensor] : options_.external_initializers) {
      const Value* value = graph.find_value(name);
      if (value != nullptr && value->is_constant()) continue;
      throw Error(ErrorCode::kFail, fmt::format("Failed to find existing initializer with name {}.", name));
    }
  }

  BindOptions bind_options() const {
    return {.threads = limits_.threads, .concurrent = limits_.lanes > 1, .most_region_bytes = most_region_bytes_};
  }

  ThreadPool& pool() { return own_pool_ != nullptr ? *own_pool_ : ThreadPool::shared(); }

  void prepare(Graph graph, std::string_view source, const std::filesystem::path& packed_target) {
    const int64_t start = monotonic_ns();
    const auto newest = graph.opsets.find("");
    if (newest != graph.opsets.end() && newest->second > kNewestOpset) {
      throw Error(ErrorCode::kFail, fmt::format("Opset {} of ai.onnx is newer than {}, the newest that is supported.",
                                                newest->second, kNewestOpset));
    }
    check_given_initializers(graph);
    model_ = describe_model(graph);
    inputs_ = describe_inputs(graph);
    parameters_ = count_parameters(graph);
    log_model(logger_, source, graph, parameters_);
    warn_of_options(logger_, options_);
    const int64_t constant_bytes = count_constant_bytes(graph);
    if (config_flag(options_, kRecordNodes, false)) {
      for (const auto& node : graph.nodes()) nodes_.push_back({node->name, node->op_type, node->domain});
    }
    pool().reserve(limits_.most_threads());
    PackedWeightsFile packed = packed_target.empty() ? PackedWeightsFile(options_, source, graph.mappings, logger_)
                                                     : PackedWeightsFile(packed_target, graph.mappings);
    OptimizeReport passes;
    compiled_.program = optimize_and_compile(graph, passes, packed.storage(), [&] {
      log_optimization(logger_, options_, passes, graph, constant_bytes);
      if (!options_.optimized_model_filepath.empty()) {
        save_model(standardize(graph), options_.optimized_model_filepath, data_file_of(options_));
        ATTUNE_LOG(logger_, kInfo, "Wrote the optimized model to '{}'.", options_.optimized_model_filepath);
      }
      outputs_ = describe_outputs(graph);
    });
    packed.finish(compiled_.program, logger_);
    log_program(logger_, compiled_.program, limits_.threads, static_cast<double>(monotonic_ns() - start) * 1e-6);
  }

  PlanReport report(const Segment& segment) const;

  static int64_t count_parameters(const Graph& graph);

  SessionOptions options_;
  Logger logger_;
  RunLimits limits_;  ///< One lane is one step after another.
  std::unique_ptr<ThreadPool> own_pool_;
  bool flush_denormals_;
  size_t most_region_bytes_;
  std::unique_ptr<Profiler> profiler_;
  ModelDescription model_;
  std::vector<ValueDescription> inputs_;
  std::vector<ValueDescription> outputs_;
  std::vector<ValueDescription> overridable_;
  int64_t parameters_ = 0;
  std::vector<NodeDescription> nodes_;
  Compiled compiled_;
  std::mutex feedable_mutex_;             // guards what follows, until feedable_ is set
  std::optional<Graph> feedable_source_;  // empty when no initializer is overridable
  std::exception_ptr feedable_failure_;
  std::unique_ptr<Compiled> feedable_;
  std::vector<Tensor> defaults_;  // of the overridable initializers
  RegionPool regions_;
  OutputBuffers output_buffers_;
  OutputBuffers subgraph_buffers_;
};

int64_t InferenceSession::Impl::count_parameters(const Graph& graph) {
  int64_t count = 0;
  const auto add = [&](const Tensor& tensor) { count += tensor.elements(); };
  std::unordered_map<const Value*, bool> seen;
  for (const auto& node : graph.nodes()) {
    for (const Value* input : node->inputs()) {
      if (input != nullptr && input->is_constant() && seen.try_emplace(input, true).second) add(input->constant);
    }
    for (const auto& body : node->subgraphs()) count += count_parameters(*body);
    if (!node->is("Constant")) continue;
    const AttributeValue* value = node->attributes.find("value");
    if (value != nullptr && std::holds_alternative<Tensor>(*value)) add(std::get<Tensor>(*value));
  }
  return count;
}

PlanReport InferenceSession::Impl::report(const Segment& segment) const {
  const Program& program = compiled_.program;
  PlanReport report;
  report.region_bytes = segment.region_bytes;
  report.lower_bound_bytes = segment.lower_bound;
  report.packed_weight_bytes = program.packed_bytes;
  report.mapped_weight_bytes = program.mapped_bytes;
  report.parameters = parameters_;
  report.is_complete = segment.is_last;
  for (const ProgramValue& value : program.values) report.constant_bytes += value.constant.bytes();
  const auto view = [&](int value) {
    if (value == kNoValue) return TensorView{};
    const ProgramValue& described = program.values[static_cast<size_t>(value)];
    return TensorView{nullptr, &segment.shapes[static_cast<size_t>(value)], described.type, described.layout,
                      static_cast<uint8_t>(program.block)};
  };
  for (const ProgramOutput& output : program.outputs) report.output_bytes += view(output.value).physical_bytes();
  for (const Block& block : segment.blocks) {
    const auto value = static_cast<size_t>(block.value);
    if (segment.values[value].place != Place::kRegion || block.bytes == 0) continue;
    report.blocks.push_back(
        {program.values[value].name, block.first, block.last, segment.values[value].offset, block.bytes});
  }
  for (size_t k = 0; k < segment.steps.size(); ++k) {
    const PlannedStep& step = segment.steps[k];
    if (step.workspace_bytes == 0) continue;
    report.blocks.push_back(
        {"", static_cast<int>(k), static_cast<int>(k), step.workspace_offset, step.workspace_bytes});
  }
  const std::vector<size_t> live = live_bytes(segment);
  size_t unit = 0;
  for (size_t k = 0; k < segment.steps.size(); ++k) {
    const PlannedStep& planned = segment.steps[k];
    const Step& step = program.steps[static_cast<size_t>(planned.step)];
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
    const int group = segment.units[unit].group;
    node.batch_piece = group < 0 ? 0 : segment.groups[static_cast<size_t>(group)].piece;
    if (static_cast<int>(k) + 1 == segment.units[unit].end) ++unit;
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

InferenceSession::InferenceSession(const std::filesystem::path& model, const SessionOptions& options) {
  const auto load = [&](const GivenParts& given) { return load_graph(model, given); };
  impl_ = std::make_unique<Impl>(effective_options(options, [&] { return load(given_parts(options)); }), load,
                                 model.string(), "model_loading_uri");
  warn_of_other_model(impl_->logger(), options, [&] { return content_hash(FileMapping(model)); });
}

InferenceSession::InferenceSession(std::span<const std::byte> model, std::shared_ptr<const void> owner,
                                   const SessionOptions& options) {
  const auto load = [&](const GivenParts& given) { return load_graph(model, owner, given); };
  impl_ = std::make_unique<Impl>(effective_options(options, [&] { return load(given_parts(options)); }), load,
                                 "a model in memory", "model_loading_array");
  warn_of_other_model(impl_->logger(), options, [&] { return content_hash(model); });
}

size_t InferenceSession::write_packed_weights(const std::filesystem::path& model, const std::filesystem::path& file,
                                              const SessionOptions& options) {
  const auto load = [&](const GivenParts& given) { return load_graph(model, given); };
  return Impl(effective_options(options, [&] { return load(given_parts(options)); }), load, model.string(),
              "model_loading_uri", file)
      .packed_bytes();
}

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

void InferenceSession::run_into(std::span<const NamedTensor> feeds, std::span<NamedTensor> outputs,
                                const RunOptions& options) {
  impl_->run_into(feeds, outputs, options);
}

const std::vector<NodeDescription>& InferenceSession::assigned_nodes() const { return impl_->assigned_nodes(); }

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
