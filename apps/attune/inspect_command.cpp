// `attune inspect`: what a model is made of, and what a run with given shapes does and needs.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>

#include "attune/session.h"
#include "command.h"
#include "feeds.h"
#include "memory_page.h"
#include "onnx/reader.h"
#include "passes_report.h"
#include "settings.h"
#include "shapes_report.h"
#include "table.h"

namespace attune {
namespace {

using nlohmann::json;

constexpr const char* kExamples = R"(Examples:
  attune inspect model.onnx
  attune inspect model.onnx --shape images=32x3x224x224 --top 20
  attune inspect model.onnx --dim batch=8 --json
  attune inspect model.onnx --memory --page memory.html
  attune inspect model.onnx --passes --graph-optimization-level ORT_ENABLE_BASIC
  attune inspect model.onnx --shapes

"Operators" counts the model's nodes and those that are left after optimization.
The plan is that of one run with the shown input shapes: "region" is the memory
of its intermediate tensors, "lower bound" the most that are alive at once.
--memory lists the largest of these tensors with their addresses in the region;
a page draws them, nodes across and addresses up.
--passes lists what each optimization level does, and what it did to this model,
--shapes the type and the shape of every value as far as the model tells.)";

struct InspectFlags {
  std::string model;
  FeedFlags feeds;
  SessionOptions options;
  size_t top = 8;
  bool as_json = false;
  bool passes = false;
  bool shapes = false;
  bool memory = false;
  std::string page;
};

std::string operator_name(std::string_view domain, std::string_view op_type) {
  return domain.empty() ? std::string(op_type) : fmt::format("{}.{}", domain, op_type);
}

std::string describe_dims(const ValueDescription& value) {
  if (!value.has_shape) return "unknown";
  if (value.shape.empty()) return "scalar";
  std::string text;
  for (const Dimension& dim : value.shape) {
    const auto* size = std::get_if<int64_t>(&dim);
    const std::string name = size != nullptr ? std::to_string(*size) : std::get<std::string>(dim);
    text += (text.empty() ? "" : "x") + (name.empty() ? "?" : name);
  }
  return text;
}

json to_json(const std::vector<ValueDescription>& values) {
  json list = json::array();
  for (const ValueDescription& value : values) {
    json shape = nullptr;
    if (value.has_shape) {
      shape = json::array();
      for (const Dimension& dim : value.shape) {
        if (const auto* size = std::get_if<int64_t>(&dim)) {
          shape.push_back(*size);
        } else {
          shape.push_back(std::get<std::string>(dim));
        }
      }
    }
    list.push_back({{"name", value.name}, {"type", value.type}, {"shape", shape}});
  }
  return list;
}

json to_json(const Shape& shape) { return std::vector<int64_t>(shape.begin(), shape.end()); }

json to_json(const NodeReport& node) {
  json inputs = json::array();
  json outputs = json::array();
  for (const Shape& shape : node.input_shapes) inputs.push_back(to_json(shape));
  for (const Shape& shape : node.output_shapes) outputs.push_back(to_json(shape));
  return {{"name", node.name},
          {"operator", operator_name(node.domain, node.op_type)},
          {"inputs", inputs},
          {"outputs", outputs},
          {"layout", node.layout},
          {"flops", node.flops},
          {"batch_piece", node.batch_piece},
          {"live_bytes", node.live_bytes},
          {"workspace_bytes", node.workspace_bytes}};
}

/// How often an operator stands in the model and in the plan.
struct OperatorCount {
  int in_model = 0;
  int in_plan = 0;
  double flops = 0;
};
using Histogram = std::map<std::string, OperatorCount>;

Histogram count_operators(const Graph& graph, const PlanReport& plan) {
  Histogram counts;
  for (const auto& node : graph.nodes()) ++counts[operator_name(node->domain, node->op_type)].in_model;
  for (const NodeReport& node : plan.nodes) {
    OperatorCount& count = counts[operator_name(node.domain, node.op_type)];
    ++count.in_plan;
    count.flops += node.flops;
  }
  return counts;
}

void print_values(const char* title, const std::vector<ValueDescription>& values,
                  const std::map<std::string, Shape>* shapes) {
  std::vector<Column> columns = {{title, Align::kLeft, true}, {"type"}, {"shape"}};
  if (shapes != nullptr) columns.push_back({"used here"});
  Table table(std::move(columns));
  for (const ValueDescription& value : values) {
    table.add_row({value.name, value.type, describe_dims(value),
                   shapes != nullptr ? format_shape(shapes->at(value.name)) : std::string()});
  }
  fmt::print("{}\n", table.text());
}

void print_operators(const Histogram& counts, double flops) {
  std::vector<std::pair<std::string, OperatorCount>> rows(counts.begin(), counts.end());
  std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
    return std::pair(a.second.flops, a.second.in_model) > std::pair(b.second.flops, b.second.in_model);
  });
  Table table({{"Operators", Align::kLeft, true},
               {"model", Align::kRight},
               {"plan", Align::kRight},
               {"FLOPs", Align::kRight},
               {"%", Align::kRight}});
  for (const auto& [name, count] : rows) {
    table.add_row({name, std::to_string(count.in_model), std::to_string(count.in_plan), format_count(count.flops),
                   flops > 0 ? fmt::format("{:.1f}", 100 * count.flops / flops) : ""});
  }
  fmt::print("{}\n", table.text());
}

// The nodes with the largest `key`.
template <class Key>
std::vector<size_t> largest(const PlanReport& plan, size_t count, const Key& key) {
  std::vector<size_t> order(plan.nodes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return key(plan.nodes[a]) > key(plan.nodes[b]); });
  order.resize(std::min(count, order.size()));
  return order;
}

void print_nodes(const char* title, const PlanReport& plan, const std::vector<size_t>& chosen) {
  Table table({{title, Align::kLeft, true},
               {"operator", Align::kLeft, true},
               {"output"},
               {"FLOPs", Align::kRight},
               {"live", Align::kRight},
               {"workspace", Align::kRight}});
  for (const size_t index : chosen) {
    const NodeReport& node = plan.nodes[index];
    table.add_row({node.name.empty() ? fmt::format("#{}", index) : node.name, operator_name(node.domain, node.op_type),
                   node.output_shapes.empty() ? "" : format_shape(node.output_shapes[0]), format_count(node.flops),
                   format_bytes(static_cast<double>(node.live_bytes)),
                   format_bytes(static_cast<double>(node.workspace_bytes))});
  }
  fmt::print("{}\n", table.text());
}

void print_plan(const PlanReport& plan) {
  const auto bytes = [](size_t size) { return format_bytes(static_cast<double>(size)); };
  fmt::print("Parameters:     {}\n", format_count(static_cast<double>(plan.parameters)));
  fmt::print("FLOPs:          {} a run\n", format_count(plan.flops));
  fmt::print("Region:         {}, lower bound {}\n", bytes(plan.region_bytes), bytes(plan.lower_bound_bytes));
  const auto in_pieces =
      std::count_if(plan.nodes.begin(), plan.nodes.end(), [](const NodeReport& node) { return node.batch_piece > 0; });
  if (in_pieces > 0) {
    const auto smallest = std::min_element(plan.nodes.begin(), plan.nodes.end(), [](const auto& a, const auto& b) {
      return static_cast<uint64_t>(a.batch_piece - 1) < static_cast<uint64_t>(b.batch_piece - 1);
    });
    fmt::print("Batch:          {} of {} nodes go through it in pieces, the smallest of {}\n", in_pieces,
               plan.nodes.size(), smallest->batch_piece);
  }
  if (plan.peak_node >= 0) {
    const NodeReport& peak = plan.nodes[static_cast<size_t>(plan.peak_node)];
    fmt::print("Peak:           {} alive at node #{}, {} {}\n", bytes(peak.live_bytes), plan.peak_node,
               operator_name(peak.domain, peak.op_type), peak.name);
  }
  fmt::print("Outputs:        {}\n", bytes(plan.output_bytes));
  const std::string mapped =
      plan.mapped_weight_bytes == 0 ? "" : fmt::format(" ({} mapped)", bytes(plan.mapped_weight_bytes));
  fmt::print("Packed weights: {}{}, other constants {}\n", bytes(plan.packed_weight_bytes), mapped,
             bytes(plan.constant_bytes));
  if (!plan.is_complete) fmt::print("Some shapes depend on data: the plan ends at the first of them.\n");
  fmt::print("\n");
}

json plan_to_json(const PlanReport& plan) {
  json nodes = json::array();
  for (const NodeReport& node : plan.nodes) nodes.push_back(to_json(node));
  json blocks = json::array();
  for (const BlockReport& block : plan.blocks) {
    blocks.push_back({{"name", block.name},
                      {"first_node", block.first_node},
                      {"last_node", block.last_node},
                      {"offset", block.offset},
                      {"bytes", block.bytes}});
  }
  return {{"region_bytes", plan.region_bytes},
          {"lower_bound_bytes", plan.lower_bound_bytes},
          {"packed_weight_bytes", plan.packed_weight_bytes},
          {"mapped_weight_bytes", plan.mapped_weight_bytes},
          {"constant_bytes", plan.constant_bytes},
          {"output_bytes", plan.output_bytes},
          {"parameters", plan.parameters},
          {"flops", plan.flops},
          {"peak_node", plan.peak_node},
          {"is_complete", plan.is_complete},
          {"nodes", nodes},
          {"blocks", blocks}};
}

/// "#4, attune.FusedConv Conv_31"
std::string describe_node(const PlanReport& plan, int index) {
  const NodeReport& node = plan.nodes[static_cast<size_t>(index)];
  return fmt::format("#{}, {} {}", index, operator_name(node.domain, node.op_type), node.name);
}

void show_memory(const InspectFlags& flags, const PlanReport& plan, const std::string& shapes) {
  const auto bytes = [](size_t size) { return format_bytes(static_cast<double>(size)); };
  const double surplus =
      plan.lower_bound_bytes == 0
          ? 0.0
          : 100 * (static_cast<double>(plan.region_bytes) / static_cast<double>(plan.lower_bound_bytes) - 1);
  fmt::print("{} with {}\n\n", flags.model, shapes);
  fmt::print("Region:      {}\n", bytes(plan.region_bytes));
  fmt::print("Lower bound: {}, alive at once: no layout needs less (+{:.1f} %)\n", bytes(plan.lower_bound_bytes),
             surplus);
  if (plan.peak_node >= 0) {
    fmt::print("Peak:        {} at node {}, outputs included\n",
               bytes(plan.nodes[static_cast<size_t>(plan.peak_node)].live_bytes), describe_node(plan, plan.peak_node));
  }
  if (!plan.is_complete) fmt::print("Some shapes depend on data: the plan ends at the first of them.\n");
  fmt::print("\n");
  std::vector<const BlockReport*> order;
  for (const BlockReport& block : plan.blocks) order.push_back(&block);
  std::stable_sort(order.begin(), order.end(),
                   [](const BlockReport* a, const BlockReport* b) { return a->bytes > b->bytes; });
  order.resize(std::min(flags.top, order.size()));
  Table table({{"Tensor", Align::kLeft, true},
               {"size", Align::kRight},
               {"address", Align::kRight},
               {"from node", Align::kLeft, true},
               {"to node", Align::kLeft, true}});
  for (const BlockReport* block : order) {
    table.add_row({block->name.empty() ? "scratch memory" : block->name, bytes(block->bytes), bytes(block->offset),
                   describe_node(plan, block->first_node), describe_node(plan, block->last_node)});
  }
  if (!order.empty()) fmt::print("{}\n", table.text());
  if (flags.page.empty()) return;
  write_page(make_memory_page(flags.model, shapes, plan), flags.page);
  fmt::print("Page: {}\n", flags.page);
}

void inspect(const InspectFlags& flags) {
  if (flags.passes) {
    const json report = make_passes_report(flags.model, flags.options);
    fmt::print("{}", flags.as_json ? report.dump(2, ' ', false, json::error_handler_t::replace) + '\n'
                                   : format_passes_report(report, flags.top));
    return;
  }
  if (flags.shapes) {
    const json report = make_shapes_report(flags.model);
    fmt::print("{}", flags.as_json ? report.dump(2, ' ', false, json::error_handler_t::replace) + '\n'
                                   : format_shapes_report(report));
    return;
  }
  InferenceSession session(flags.model, flags.options);
  const std::map<std::string, Shape> shapes = resolve_shapes(flags.feeds, session.inputs());
  const PlanReport plan = session.plan_report(shapes);
  if (flags.memory || !flags.page.empty()) {
    std::string described;
    for (const auto& [name, shape] : shapes) {
      described += fmt::format("{}{} {}", described.empty() ? "" : ", ", name, format_shape(shape));
    }
    return show_memory(flags, plan, described.empty() ? "no inputs" : described);
  }
  const Histogram counts = count_operators(load_graph(flags.model), plan);
  const ModelDescription& model = session.model();
  if (flags.as_json) {
    json used = json::object();
    for (const auto& [name, shape] : shapes) used[name] = to_json(shape);
    json operators = json::object();
    for (const auto& [name, count] : counts) {
      operators[name] = {{"model", count.in_model}, {"plan", count.in_plan}, {"flops", count.flops}};
    }
    const json report = {{"model", flags.model},
                         {"graph", model.graph_name},
                         {"producer", model.producer_name},
                         {"opsets", model.opsets},
                         {"inputs", to_json(session.inputs())},
                         {"outputs", to_json(session.outputs())},
                         {"shapes", used},
                         {"operators", operators},
                         {"plan", plan_to_json(plan)}};
    fmt::print("{}\n", report.dump(2, ' ', false, json::error_handler_t::replace));
    return;
  }
  std::string opsets;
  for (const auto& [domain, version] : model.opsets) {
    opsets += fmt::format("{}{} {}", opsets.empty() ? "" : ", ", domain.empty() ? "ai.onnx" : domain, version);
  }
  fmt::print("{}: {}, opset {}", flags.model, model.graph_name.empty() ? "a graph" : model.graph_name, opsets);
  if (!model.producer_name.empty()) fmt::print(", by {}", model.producer_name);
  fmt::print("{}{}\n\n", model.producer_version.empty() ? "" : " ", model.producer_version);
  print_values("Inputs", session.inputs(), &shapes);
  print_values("Outputs", session.outputs(), nullptr);
  print_operators(counts, plan.flops);
  print_plan(plan);
  if (flags.top == 0 || plan.nodes.empty()) return;
  print_nodes("Most FLOPs", plan, largest(plan, flags.top, [](const NodeReport& node) { return node.flops; }));
  print_nodes("Most memory", plan, largest(plan, flags.top, [](const NodeReport& node) { return node.live_bytes; }));
}

}  // namespace

void add_inspect_command(CLI::App& app) {
  auto flags = std::make_shared<InspectFlags>();
  CLI::App* command = app.add_subcommand("inspect", "Show a model and the plan of a run");
  command->add_option("MODEL", flags->model, "The ONNX file")->required();
  command->add_option("--top", flags->top, "How many nodes to list")->type_name("N")->capture_default_str();
  command->add_flag("--json", flags->as_json, "Print JSON, with all nodes");
  command->add_flag("--memory", flags->memory,
                    "Show instead where the tensors of a run lie, against the least that any layout needs");
  command->add_option("--page", flags->page, "Draw that in an HTML page")->type_name("FILE");
  command->add_flag("--passes", flags->passes, "Show instead what each pass of the optimizer changed and refused");
  command->add_flag("--shapes", flags->shapes, "Show instead the type and shape of every value")->excludes("--passes");
  add_feed_flags(*command, flags->feeds, false);
  add_session_flags(*command, flags->options);
  command->footer(kExamples);
  command->callback([flags] { inspect(*flags); });
}

}  // namespace attune
