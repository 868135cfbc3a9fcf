#include "optimize/forbid_winograd.h"

#include "ops/direct_sums.h"

namespace attune::optimize {

void forbid_winograd(Graph& graph) {
  for (const auto& node : graph.nodes()) {
    if (node->op_type == "Conv" || node->op_type == "FusedConv") node->attributes.set(ops::kDirectSums, int64_t{1});
    for (const auto& body : node->subgraphs()) forbid_winograd(*body);
  }
}

}  // namespace attune::optimize
