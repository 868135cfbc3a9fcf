// Options of sessions and runs. Thread safety: plain values.
#ifndef ATTUNE_OPTIONS_H_
#define ATTUNE_OPTIONS_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "attune/tensor.h"

namespace attune {

/// How far the graph is rewritten before it runs. Numbers are onnxruntime's.
enum class GraphOptimizationLevel : int {
  kDisableAll = 0,      ///< The model as it is.
  kEnableBasic = 1,     ///< Constants folded, no-ops removed, BatchNormalization merged into convolutions.
  kEnableExtended = 2,  ///< Also fused operators: activations, residual adds, normalizations, GELU.
  kEnableLayout = 3,    ///< The same as kEnableExtended; Attune chooses layouts at every level.
  kEnableAll = 99,      ///< Everything, attention fusion included.
};

enum class ExecutionMode : int {
  kSequential = 0,  ///< One node after another, each on all intra-op threads.
  kParallel = 1,    ///< Independent nodes at the same time.
};

/// Options of a session, named as onnxruntime's Python API names them. `session_option_table()` describes each: its
/// type, range, group and what to use it for. docs/options.md is made from it.
struct SessionOptions {
  // What a session costs and how fast it is.
  bool enable_cpu_mem_arena = true;
  bool enable_mem_pattern = true;
  bool enable_mem_reuse = true;
  ExecutionMode execution_mode = ExecutionMode::kSequential;
  int intra_op_num_threads = 0;
  int inter_op_num_threads = 0;
  GraphOptimizationLevel graph_optimization_level = GraphOptimizationLevel::kEnableAll;

  // What a session does beside running.
  bool enable_profiling = false;
  std::string profile_file_prefix = "onnxruntime_profile_";
  std::string optimized_model_filepath;
  int log_severity_level = -1;
  int log_verbosity_level = 0;
  std::string logid;
  bool use_deterministic_compute = false;

  /// Keys of the form "session.intra_op.allow_spinning", values as text; unknown keys are kept.
  std::map<std::string, std::string> config_entries;
  /// Sizes for symbolic dimensions of inputs, by their name in the model.
  std::map<std::string, int64_t> free_dimension_overrides;
  /// The same by their denotation, such as "DATA_BATCH".
  std::map<std::string, int64_t> free_dimension_overrides_by_denotation;

  /// Tensors in place of the model's initializers of these names, which are then not read; types and shapes must agree.
  /// Sessions share the memory, which nobody may write as long as one lives. Names that the model lacks are ignored.
  std::map<std::string, Tensor> initializers;
  /// The same, but a name that the model lacks is an error.
  std::map<std::string, Tensor> external_initializers;
  /// Contents (tensors of uint8) of external data files, by the name that the model has for the file.
  std::map<std::string, Tensor> external_files;

  /// A flag that ends the making of the session with Error(kFail); set it from any thread. Null when nobody will.
  std::shared_ptr<const std::atomic<bool>> cancel_load;

  /// The settings that `attune tune` recommends in `file`, its tuned.json. One log line of severity warning for each
  /// thing that differs from what was measured: engine, version, processor, CPUs, quota. Sessions made from these
  /// options log one when their model is another. Throws Error: kNoSuchFile, or kInvalidArgument for a file of another
  /// form.
  static SessionOptions from_tuned(const std::filesystem::path& file);
};

enum class OptionType : uint8_t { kBool, kInt, kString, kEnum };

/// The tuner searches only the performance group: options there change no result.
enum class OptionGroup : uint8_t { kPerformance, kBehaviour };

using OptionValue = std::variant<bool, int64_t, std::string>;

/// One value of an enum option.
struct OptionChoice {
  std::string_view name;  ///< "ORT_ENABLE_ALL"
  int64_t value;
};

/// One row of the table.
struct OptionInfo {
  std::string_view name;
  OptionType type;
  OptionGroup group;
  OptionValue default_value;
  int64_t least = 0;  ///< Range of kInt options.
  int64_t most = 0;
  std::span<const OptionChoice> choices = {};  ///< Of kEnum options.
  std::string_view help;                       ///< What it does and when to change it.
};

/// Every option of SessionOptions except the maps and the flag.
std::span<const OptionInfo> session_option_table();

/// Throws Error(kInvalidArgument) for an unknown name, suggesting the nearest; for a value of another type; and for one
/// out of range. Enum options take their number or the choice's name.
void set_option(SessionOptions& options, std::string_view name, const OptionValue& value);
OptionValue get_option(const SessionOptions& options, std::string_view name);

/// Throws Error(kInvalidArgument) naming the first option whose value is out of range.
void validate(const SessionOptions& options);

/// The option whose name is most like `name`; empty when none is close.
std::string_view nearest_option(std::string_view name);

/// Options of one run.
struct RunOptions {
  /// Of the run's own log lines; -1 follows the session.
  int log_severity_level = -1;
  int log_verbosity_level = 0;
  /// Names the run in log lines, beside the session.
  std::string run_tag;
  /// Runs only the nodes that the outputs asked for depend on, so that the others take no time and raise no errors.
  /// Where a size depends on data (NonZero), all nodes before it run.
  bool only_execute_path_to_fetches = false;
  /// Known keys: "memory.enable_memory_arena_shrinkage", not empty, gives memory kept between runs back to the system
  /// after this one; "attune.run.timeout_ms" is `timeout` as text. Others are kept.
  std::map<std::string, std::string> config_entries;
  /// A flag that ends the run with Error(kFail); set it from any thread. It is looked at before each node and between
  /// the parallel parts of long ones. Null when nobody will.
  std::shared_ptr<const std::atomic<bool>> terminate;
  /// How long the run may take before it ends in the same way; 0 for as long as it needs.
  std::chrono::milliseconds timeout{0};
};

}  // namespace attune

#endif  // ATTUNE_OPTIONS_H_
