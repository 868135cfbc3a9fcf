// `attune profile`: which nodes and operators take the time.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>

#include "attune/session.h"
#include "command.h"
#include "feeds.h"
#include "profile_page.h"
#include "settings.h"
#include "table.h"
#include "trace.h"

namespace attune {
namespace {

constexpr const char* kExamples = R"(Examples:
  attune profile model.onnx
  attune profile model.onnx --shape images=8x3x224x224 --runs 50 --top 30
  attune profile model.onnx --profile-file-prefix /tmp/trace

The trace file stays; chrome://tracing and ui.perfetto.dev open it. Beside it lies
a page for any browser: the timeline of each thread, operators, nodes against
what the machine can do, memory over time. Times are of all runs but the --warmup
ones, which the trace has too.)";

struct ProfileFlags {
  std::string model;
  FeedFlags feeds;
  SessionOptions options;
  int runs = 10;
  int warmup = 2;
  size_t top = 15;
  bool has_page = true;
};

// 0 where the plan does not reach the node.
double flops_of(const PlanReport& plan, const Trace& trace, const NodeTime& node) {
  const NodeReport* planned = find_planned(plan, trace, static_cast<size_t>(&node - trace.nodes.data()));
  return planned != nullptr ? planned->flops : 0.0;
}

std::string percent(double part, double whole) { return whole > 0 ? fmt::format("{:.1f}", 100 * part / whole) : ""; }

// FLOPs in milliseconds to GFLOP/s.
std::string speed(double flops, double ms) {
  return flops > 0 && ms > 0 ? fmt::format("{:.1f}", flops / ms * 1e-6) : "";
}

void print_nodes(const Trace& trace, const PlanReport& plan, size_t top) {
  std::vector<const NodeTime*> order;
  for (const NodeTime& node : trace.nodes) order.push_back(&node);
  std::stable_sort(order.begin(), order.end(),
                   [](const NodeTime* a, const NodeTime* b) { return a->total_ms > b->total_ms; });
  order.resize(std::min(top, order.size()));
  Table table({{"Node", Align::kLeft, true},
               {"operator", Align::kLeft, true},
               {"calls", Align::kRight},
               {"total ms", Align::kRight},
               {"%", Align::kRight},
               {"GFLOP/s", Align::kRight},
               {"output"}});
  for (const NodeTime* node : order) {
    const double flops = flops_of(plan, trace, *node) * node->calls;
    table.add_row({node->name, node->op_type, std::to_string(node->calls), format_ms(node->total_ms),
                   percent(node->total_ms, trace.runs_ms), speed(flops, node->total_ms), node->output_shape});
  }
  fmt::print("{}\n", table.text());
}

void print_operators(const Trace& trace, const PlanReport& plan) {
  struct Total {
    int nodes = 0;
    double ms = 0;
    double flops = 0;
  };
  std::map<std::string, Total> totals;
  double inside_nodes = 0;
  for (const NodeTime& node : trace.nodes) {
    Total& total = totals[node.op_type];
    ++total.nodes;
    total.ms += node.total_ms;
    total.flops += flops_of(plan, trace, node) * node.calls;
    inside_nodes += node.total_ms;
  }
  std::vector<std::pair<std::string, Total>> rows(totals.begin(), totals.end());
  std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.second.ms > b.second.ms; });
  Table table({{"Operator"},
               {"nodes", Align::kRight},
               {"ms a run", Align::kRight},
               {"%", Align::kRight},
               {"GFLOP/s", Align::kRight}});
  for (const auto& [name, total] : rows) {
    table.add_row({name, std::to_string(total.nodes), format_ms(total.ms / trace.runs),
                   percent(total.ms, trace.runs_ms), speed(total.flops, total.ms)});
  }
  const double between = std::max(0.0, trace.runs_ms - inside_nodes);
  table.add_row({"(between nodes)", "", format_ms(between / trace.runs), percent(between, trace.runs_ms), ""});
  fmt::print("{}\n", table.text());
}

void profile(const ProfileFlags& flags) {
  SessionOptions options = flags.options;
  options.enable_profiling = true;
  if (options.profile_file_prefix == SessionOptions().profile_file_prefix)
    options.profile_file_prefix = "attune_profile";
  InferenceSession session(flags.model, options);
  const Feeds feeds = make_feeds(flags.feeds, session.inputs());
  for (int k = 0; k < flags.warmup + flags.runs; ++k) session.run(feeds);
  const PlanReport plan = session.plan_report(shapes_of(feeds));
  const std::string file = session.end_profiling();
  const Trace trace = read_trace(file, flags.warmup);
  if (trace.runs == 0) throw Error(ErrorCode::kFail, fmt::format("There is no run in the profile '{}'.", file));
  fmt::print("Inputs: {}\n", describe_feeds(feeds));
  fmt::print("{} ms a run over {} runs, {} threads\n\n", format_ms(trace.runs_ms / trace.runs), trace.runs,
             session.threads());
  print_nodes(trace, plan, flags.top);
  print_operators(trace, plan);
  fmt::print("Trace: {}\n", file);
  if (!flags.has_page) return;
  const std::string page = std::filesystem::path(file).replace_extension(".html").string();
  const std::string description = fmt::format("{} \u00b7 {} \u00b7 attune {}", describe_feeds(feeds),
                                              describe_settings(settings_of(flags.options)), version());
  write_page(make_profile_page(flags.model, description, trace, plan, measure_machine(session.threads())), page);
  fmt::print("Page:  {}\n", page);
}

}  // namespace

void add_profile_command(CLI::App& app) {
  auto flags = std::make_shared<ProfileFlags>();
  CLI::App* command = app.add_subcommand("profile", "Show which nodes take the time");
  command->add_option("MODEL", flags->model, "The ONNX file")->required();
  command->add_option("--runs", flags->runs, "Runs to add up")
      ->type_name("N")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  command->add_option("--warmup", flags->warmup, "Runs before them")
      ->type_name("N")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  command->add_option("--top", flags->top, "How many nodes to list")->type_name("N")->capture_default_str();
  command->add_flag("!--no-page", flags->has_page, "Write no HTML page");
  add_feed_flags(*command, flags->feeds);
  add_session_flags(*command, flags->options);
  command->footer(kExamples);
  command->callback([flags] { profile(*flags); });
}

}  // namespace attune
