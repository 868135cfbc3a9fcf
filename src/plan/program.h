// What a session runs, before shapes are known: made once from the optimized graph.
//
// Thread safety: immutable after compile(); shared by every run of the session.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "attune/tensor.h"
#include "base/parallel.h"
#include "graph/graph.h"
#include "ops/op_def.h"
#include "plan/weight_store.h"
#include "tensor/layout.h"

namespace attune {

constexpr int kNoValue = -1;

struct Subprogram;

/// A value as steps refer to it, by its place in Program::values.
struct ProgramValue {
  std::string name;
  ValueKind kind = ValueKind::kTensor;
  DataType type = DataType::kUndefined;
  Layout layout = Layout::kPlain;
  /// What is known without concrete input shapes; dimensions may be symbols.
  std::optional<Shape> shape;
  /// The elements of an initializer that steps read when they run, in `layout`. Undefined once an operator has packed
  /// it, though `is_constant` stays true.
  Tensor constant;
  bool is_constant = false;
  /// Steps that read it, and graph outputs that are it.
  int uses = 0;
};

/// One node, ready to run.
struct Step {
  std::string name;
  std::string op_type;
  std::string domain;
  const OpDef* def = nullptr;  ///< Null for a Reorder.
  std::unique_ptr<Operator> op;
  std::vector<int> inputs;   ///< Places in Program::values; kNoValue when absent.
  std::vector<int> outputs;  ///< The same.
  /// As Node::subgraphs has them (plan/subprogram.h).
  std::vector<std::shared_ptr<Subprogram>> subprograms;
  /// All inputs are known once the graph's input shapes are: binding computes it, runs skip it.
  bool may_fold = false;
  bool flushes_denormals = false;  ///< OpDef::flushes_denormals, where every run looks.

  /// "Conv node. Name:'conv1'", as messages call it.
  std::string describe() const;
};

struct ProgramOutput {
  std::string name;
  int value = kNoValue;
};

struct Program {
  std::vector<ProgramValue> values;
  std::vector<Step> steps;
  std::vector<int> inputs;  ///< Places in `values`, in the model's order.
  std::vector<ProgramOutput> outputs;
  int block = 1;            ///< Channels in a block of Layout::kBlocked.
  size_t packed_bytes = 0;  ///< Those of subprograms too.
  size_t mapped_bytes = 0;  ///< Of packed_bytes those that lie in a packed file (plan/packed_file.h).
  /// Keeps alive the files that constants are views into.
  std::vector<std::shared_ptr<const FileMapping>> mappings;
  size_t most_inputs = 0;   ///< The largest number of inputs of a step.
  size_t most_outputs = 0;  ///< Likewise of outputs.
};

/// Infers shapes, chooses layouts and puts reorders between them, packs weights one node after another and drops the
/// mapped pages they came from. The graph must be sorted; it is used up. `parallel` serves packing, `storage` may have
/// the packed weights already. Throws Error: kInvalidGraph or kFail naming the node that is wrong, kNotImplemented for
/// one that is not supported.
Program compile(Graph graph, Parallel& parallel, const PackedStorage& storage = {});

}  // namespace attune
