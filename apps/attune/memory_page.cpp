#include "memory_page.h"

#include <fmt/format.h>

namespace attune {

using nlohmann::json;

Page make_memory_page(const std::string& model, const std::string& description, const PlanReport& plan) {
  json nodes = json::array();
  for (const NodeReport& node : plan.nodes) {
    nodes.push_back({{"name", node.name},
                     {"op", node.op_type},
                     {"live_bytes", node.live_bytes},
                     {"batch_piece", node.batch_piece}});
  }
  json blocks = json::array();
  for (const BlockReport& block : plan.blocks) {
    blocks.push_back({{"name", block.name},
                      {"first", block.first_node},
                      {"last", block.last_node},
                      {"offset", block.offset},
                      {"bytes", block.bytes}});
  }
  return {.title = fmt::format("Memory of {}", model),
          .body = memory_body(),
          .script = memory_script(),
          .data = {{"model", model},
                   {"description", description},
                   {"region_bytes", plan.region_bytes},
                   {"lower_bound_bytes", plan.lower_bound_bytes},
                   {"output_bytes", plan.output_bytes},
                   {"packed_weight_bytes", plan.packed_weight_bytes},
                   {"nodes", nodes},
                   {"blocks", blocks}}};
}

}  // namespace attune
