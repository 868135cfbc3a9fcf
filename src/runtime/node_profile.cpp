#include "runtime/node_profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string>

#include "base/cpu.h"
#include "base/thread.h"

namespace attune {
namespace {

/// What a thread did for a node, in one or several stretches.
struct Work {
  int64_t thread_id = 0;
  int cpu = -1;
  int64_t first_ns = 0;
  int64_t last_ns = 0;
  int64_t busy_ns = 0;
  int64_t tasks = 0;

  void add(const Work& other) {
    if (tasks == 0) {
      *this = other;
      return;
    }
    first_ns = std::min(first_ns, other.first_ns);
    last_ns = std::max(last_ns, other.last_ns);
    busy_ns += other.busy_ns;
    tasks += other.tasks;
    cpu = other.cpu;
  }
};

/// [{"float":[1,3,224,224]}], as onnxruntime's profile writes shapes.
std::string shapes_as_json(std::span<const TensorView> views) {
  std::string text = "[";
  for (const TensorView& view : views) {
    if (view.dims == nullptr) continue;
    text += text.size() > 1 ? ",{\"" : "{\"";
    text += data_type_name(view.type);
    text += "\":[";
    for (int axis = 0; axis < view.rank(); ++axis) {
      if (axis > 0) text += ',';
      const fmt::format_int digits(view.dim(axis));
      text.append(digits.data(), digits.size());
    }
    text += "]}";
  }
  text += ']';
  return text;
}

}  // namespace

/// Passes tasks on and notes who ran them. A slot (`thread` of a task) serves one thread at a time, but not always the
/// same one: it is handed over under the caller's for_each, which orders the two.
class NodeProfile::Watch final : public Parallel {
 public:
  explicit Watch(Parallel& inner) : inner_(inner), slots_(static_cast<size_t>(inner.threads())) {}

  int threads() const override { return inner_.threads(); }

  void for_each(int64_t count, FunctionRef<void(int64_t index, int thread)> task) override {
    const int64_t start = monotonic_ns();
    inner_.for_each(count, [&](int64_t index, int thread) {
      Work now{current_thread_id(), current_cpu(), monotonic_ns(), 0, 0, 1};
      task(index, thread);
      now.last_ns = monotonic_ns();
      now.busy_ns = now.last_ns - now.first_ns;
      note(slots_[static_cast<size_t>(thread)], now);
    });
    shared_ns += monotonic_ns() - start;
    if (block_sizes.size() < kMostBlocks) block_sizes.push_back(count);
  }

  /// What each thread did, ordered by its number.
  std::vector<Work> collect() const {
    std::vector<Work> all;
    for (const Slot& slot : slots_) {
      for (const Work& work : slot.works) {
        const auto same =
            std::find_if(all.begin(), all.end(), [&](const Work& w) { return w.thread_id == work.thread_id; });
        if (same != all.end()) {
          same->add(work);
        } else {
          all.push_back(work);
        }
      }
    }
    std::sort(all.begin(), all.end(), [](const Work& a, const Work& b) { return a.thread_id < b.thread_id; });
    return all;
  }

  std::vector<int64_t> block_sizes;  ///< Tasks of each for_each.
  int64_t shared_ns = 0;             ///< In for_each, as the caller sees it.

 private:
  static constexpr size_t kMostBlocks = 16;

  struct alignas(64) Slot {  // a cache line of its own
    std::vector<Work> works;
  };

  static void note(Slot& slot, const Work& now) {
    for (Work& work : slot.works) {
      if (work.thread_id == now.thread_id) return work.add(now);
    }
    slot.works.push_back(now);
  }

  Parallel& inner_;
  std::vector<Slot> slots_;
};

NodeProfile::NodeProfile(Profiler& profiler, Parallel& inner)
    : profiler_(profiler), watch_(std::make_unique<Watch>(inner)), start_ns_(monotonic_ns()) {}

NodeProfile::~NodeProfile() = default;

Parallel& NodeProfile::threads() { return *watch_; }

void NodeProfile::finish(const Program& program, int index, std::span<const TensorView> inputs,
                         std::span<const TensorView> outputs) {
  const int64_t end_ns = monotonic_ns();
  const Step& step = program.steps[static_cast<size_t>(index)];
  const int64_t thread_id = current_thread_id();
  int64_t output_bytes = 0;
  for (const TensorView& output : outputs) {
    if (output.dims != nullptr && output.data != nullptr) output_bytes += static_cast<int64_t>(output.physical_bytes());
  }
  int64_t parameter_bytes = 0;
  int64_t activation_bytes = 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (step.inputs[i] == kNoValue || inputs[i].dims == nullptr) continue;
    const bool constant = program.values[static_cast<size_t>(step.inputs[i])].is_constant;
    (constant ? parameter_bytes : activation_bytes) += static_cast<int64_t>(inputs[i].physical_bytes());
  }

  const std::vector<Work> works = watch_->collect();
  int64_t own_ns = 0;
  std::string helpers;
  for (const Work& work : works) {
    if (work.thread_id == thread_id) {
      own_ns = work.busy_ns;
    } else {
      fmt::format_to(std::back_inserter(helpers), "{}\"{}\": {{\"num_run\": {}, \"core\": {}}}",
                     helpers.empty() ? "" : ",", work.thread_id, work.tasks, work.cpu);
    }
  }
  std::string blocks;
  for (const int64_t count : watch_->block_sizes) {
    fmt::format_to(std::back_inserter(blocks), "{}{}", blocks.empty() ? "" : ",", count);
  }
  ProfileArgs args;
  args.add("op_name", step.op_type)
      .add("provider", "CPUExecutionProvider")
      .add("node_index", static_cast<int64_t>(index))
      .add("parameter_size", parameter_bytes)
      .add("activation_size", activation_bytes)
      .add("output_size", output_bytes)
      .add_json("input_type_shape", shapes_as_json(inputs))
      .add_json("output_type_shape", shapes_as_json(outputs))
      .add_json(
          "thread_scheduling_stats",
          fmt::format("{{\"main_thread\": {{\"thread_pool_name\": \"attune\", \"thread_id\": \"{}\", \"block_size\": "
                      "[{}], \"core\": {}, \"Distribution\": 0, \"DistributionEnqueue\": 0, \"Run\": {}, \"Wait\": "
                      "{}, \"WaitRevoke\": 0}}, \"sub_threads\": {{{}}}}}",
                      thread_id, blocks, current_cpu(), own_ns / 1000,
                      std::max<int64_t>(watch_->shared_ns - own_ns, 0) / 1000, helpers));
  const std::string name = step.name.empty() ? fmt::format("{}_{}", step.op_type, index) : step.name;
  profiler_.record(ProfileCategory::kNode, name + "_kernel_time", start_ns_, end_ns, thread_id, args);
  for (const Work& work : works) {
    if (work.thread_id == thread_id) continue;
    ProfileArgs share;
    share.add("node_index", static_cast<int64_t>(index)).add("num_run", work.tasks).add("busy_us", work.busy_ns / 1000);
    profiler_.record(ProfileCategory::kThread, name + "_worker", work.first_ns, work.last_ns, work.thread_id, share);
  }
}

}  // namespace attune
