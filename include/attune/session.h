// Sessions: a model made ready to run.
#ifndef ATTUNE_SESSION_H_
#define ATTUNE_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "attune/error.h"
#include "attune/options.h"
#include "attune/tensor.h"

namespace attune {

/// The version of the library, such as "0.1.0".
std::string_view version();

/// One dimension of an input or output: a number, a name, or nothing known (an empty name).
using Dimension = std::variant<int64_t, std::string>;

/// An input or output as the model states it.
struct ValueDescription {
  std::string name;
  std::string type;                              ///< "tensor(float)"
  DataType element_type = DataType::kUndefined;  ///< In a sequence or an optional, that of its tensors.
  bool is_sequence = false;                      ///< "seq(tensor(float))", fed and given as Tensor::sequence().
  /// Of "map(int64,tensor(float))", or a sequence of such maps: each is fed and given as Tensor::map().
  DataType key_type = DataType::kUndefined;
  bool is_optional = false;  ///< "optional(tensor(float))": may be no tensor, Tensor().
  bool has_shape = false;
  std::vector<Dimension> shape;  ///< Valid when has_shape.
};

/// What the model file says of itself.
struct ModelDescription {
  std::string producer_name;
  std::string producer_version;
  std::string graph_name;
  std::string graph_description;
  std::string domain;
  std::string description;
  int64_t version = 0;
  int64_t ir_version = 0;
  std::map<std::string, int> opsets;
  std::map<std::string, std::string> custom;
};

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

/// A node of the model as its file has it.
struct NodeDescription {
  std::string name;
  std::string op_type;
  std::string domain;
};

/// One node of the optimized program with concrete shapes.
struct NodeReport {
  std::string name;
  std::string op_type;
  std::string domain;
  std::vector<Shape> input_shapes;  ///< Rank 0 for absent ones.
  std::vector<Shape> output_shapes;
  std::string layout;  ///< Of output 0: "plain" or "blocked".
  double flops = 0;
  size_t workspace_bytes = 0;
  int64_t batch_piece = 0;  ///< Samples of the batch that it computes at a time; 0 for all of them.
  size_t live_bytes = 0;    ///< Planned activation memory in use while the node runs.
};

/// A stretch of the region, and the nodes that it is kept for.
struct BlockReport {
  std::string name;    ///< The tensor that lies there, the first of those that share it; "" for scratch memory.
  int first_node = 0;  ///< Index into PlanReport::nodes.
  int last_node = 0;
  size_t offset = 0;
  size_t bytes = 0;
};

/// What one run with given input shapes does and needs.
struct PlanReport {
  std::vector<NodeReport> nodes;
  std::vector<BlockReport> blocks;  ///< The region's, tensors before scratch memory.
  size_t region_bytes = 0;          ///< Activation memory of a run.
  size_t lower_bound_bytes = 0;     ///< The largest set of tensors alive at once; region_bytes can't be less.
  size_t packed_weight_bytes = 0;
  size_t mapped_weight_bytes = 0;  ///< Those of packed_weight_bytes that lie in a file of packed weights.
  size_t constant_bytes = 0;       ///< Initializers read in their own form.
  size_t output_bytes = 0;
  int64_t parameters = 0;  ///< Elements of all initializers of the model.
  double flops = 0;
  int peak_node = -1;       ///< Index into `nodes` of the step with the most live bytes.
  bool is_complete = true;  ///< False when shapes depend on data; `nodes` then ends early.
};

/// A model, optimized and compiled. Thread safety: every member function may be called from any thread, run() from many
/// at once; they share the process's threads.
class InferenceSession {
 public:
  /// Loads a model file. External data is looked for in the file's folder. Throws Error.
  explicit InferenceSession(const std::filesystem::path& model, const SessionOptions& options = {});

  /// Loads a model from memory, which is not copied: `owner` keeps it alive as long as the session needs it.
  InferenceSession(std::span<const std::byte> model, std::shared_ptr<const void> owner,
                   const SessionOptions& options = {});

  ~InferenceSession();
  InferenceSession(InferenceSession&&) noexcept;
  InferenceSession& operator=(InferenceSession&&) noexcept;

  const std::vector<ValueDescription>& inputs() const;
  const std::vector<ValueDescription>& outputs() const;
  const std::vector<ValueDescription>& overridable_initializers() const;
  const ModelDescription& model() const;
  const SessionOptions& options() const;
  /// The threads that a run uses at most: intra_op_num_threads, or what 0 came to.
  int threads() const;

  /// Computes the named outputs, all of them in the model's order when `output_names` is empty. `feeds` need every
  /// input, in any order, and may replace overridable initializers; the first run that does compiles the model a second
  /// time, without relying on their values. The memory of feeds is only read. The results own fresh memory. Throws
  /// Error: kInvalidArgument when names, types or shapes do not fit the model, kFail naming the node when one fails.
  std::vector<Tensor> run(std::span<const NamedTensor> feeds, std::span<const std::string> output_names = {},
                          const RunOptions& options = {});

  /// Computes the named outputs into the tensors given, whose type and shape must be what the run gives; outputs
  /// without a tensor get fresh memory, as run() gives it. Memory that is aligned to 64 bytes and overlaps no feed is
  /// written by the run itself, other memory is filled at its end. Throws as run() does.
  void run_into(std::span<const NamedTensor> feeds, std::span<NamedTensor> outputs, const RunOptions& options = {});

  /// Packs a model's weights as a session with these options does, and writes them to `file`, for sessions that name it
  /// in the configuration entry "attune.packed_weights": they map it instead of packing, and processes share its
  /// memory. It serves this model, this version of Attune and this instruction set; sessions that differ pack as ever,
  /// with a warning in the log. Returns the bytes of packed weights. Throws as the constructor does, and
  /// Error(kRuntimeException) when the file cannot be written.
  static size_t write_packed_weights(const std::filesystem::path& model, const std::filesystem::path& file,
                                     const SessionOptions& options = {});

  /// The model's nodes, all of which the CPU runs. Throws Error(kFail) unless the configuration entry
  /// "session.record_ep_graph_assignment_info" is "1".
  const std::vector<NodeDescription>& assigned_nodes() const;

  /// What a run with these input shapes would do; inputs that are not named must have static shapes.
  PlanReport plan_report(const std::map<std::string, Shape>& input_shapes);

  /// Ends the profile and returns its file name; "" when profiling is off or already ended.
  std::string end_profiling();
  /// When the profile began, nanoseconds since 1970; 0 when profiling is off.
  int64_t profiling_start_time_ns() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace attune

#endif  // ATTUNE_SESSION_H_
