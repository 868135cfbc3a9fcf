// Rewrites a graph into one that computes the same outputs faster.
//
// What may change is rounding (a scale moves into weights, a decomposed GELU becomes one operator); names, order, types
// and shapes of the graph's inputs and outputs never do. Thread safety: one call a graph at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/parallel.h"
#include "graph/graph.h"

namespace attune {

/// Each level includes those before it. onnxruntime's levels of the same names.
enum class OptimizationLevel : uint8_t {
  kNone,      ///< The graph stays as it is.
  kBasic,     ///< Constant folding, removal of what computes nothing, folding of constants into weights.
  kExtended,  ///< Fused operators.
  kAll,       ///< Rewritings of larger parts: attention, the movement of transposes.
};

/// Why a fusion that looked possible was left out.
struct Refusal {
  std::string node;
  std::string reason;
};

/// What one pass did, all its rounds together.
struct PassReport {
  std::string_view pass;
  int runs = 0;
  int changes = 0;
  /// One text a change, such as "Add node. Name:'a' became FusedConv"; empty unless OptimizeContext::describes_changes.
  std::vector<std::string> described = {};
  double milliseconds = 0.0;
  std::vector<Refusal> refusals = {};
};

struct OptimizeReport {
  int nodes_before = 0;
  int nodes_after = 0;
  /// In the order in which the passes first ran.
  std::vector<PassReport> passes;
};

#ifdef NDEBUG
constexpr bool kVerifyPasses = false;
#else
constexpr bool kVerifyPasses = true;
#endif

/// True when ops/ has the operator.
bool has_operator(std::string_view domain, std::string_view name, int version);

struct OptimizeContext {
  /// Threads for the evaluation of constants; null for the calling thread alone.
  Parallel* parallel = nullptr;
  /// Filled when not null.
  OptimizeReport* report = nullptr;
  /// Whether the report says which nodes changed, not only how many.
  bool describes_changes = false;
  /// Passes to leave out, by name.
  std::vector<std::string> disabled;
  /// Bytes that a folded constant may take; larger ones are folded only when they replace as much.
  size_t largest_constant = size_t{16} << 20;
  /// Check the graph and infer it again after each pass.
  bool verify = kVerifyPasses;
  /// Which operators a pass may make. Tests of the rewriting alone replace it.
  bool (*supports)(std::string_view domain, std::string_view name, int version) = has_operator;
};

/// Optimizes a sorted graph in place; types and shapes are inferred first, so the caller need not. Throws Error as
/// inference does for an invalid model; an error inside a pass names the pass. Operators that ops/ does not know are
/// left alone.
void optimize_graph(Graph& graph, OptimizationLevel level, const OptimizeContext& context = {});

/// A pass as documentation and users see it.
struct PassInfo {
  std::string_view name;     ///< As in PassReport::pass and `OptimizeContext::disabled`.
  OptimizationLevel level;   ///< The least level that runs it.
  std::string_view purpose;  ///< "Nodes whose inputs are known become constants"
};

/// All passes in the order in which they first run.
std::vector<PassInfo> pass_infos();

}  // namespace attune
