#include "runtime/node_profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/thread.h"
#include "base/tick_clock.h"

namespace attune {
namespace {

/// What a thread did for a node, in one or several stretches.
struct Work {
  int64_t thread_id = 0;
  int cpu = -1;
  int64_t first_ticks = 0;
  int64_t last_ticks = 0;
  int64_t busy_ticks = 0;
  int64_t tasks = 0;
  uint64_t call = 0;  ///< The for_each that it worked for last; they are counted from 1.

  void add_stretch(int64_t first, int64_t last, int64_t count) {
    first_ticks = tasks == 0 ? first : std::min(first_ticks, first);
    last_ticks = std::max(last_ticks, last);
    busy_ticks += last - first;
    tasks += count;
  }
  void add(const Work& other) {
    const int64_t busy = busy_ticks + other.busy_ticks;
    add_stretch(other.first_ticks, other.last_ticks, other.tasks);
    busy_ticks = busy;
  }
};

void append_number(std::string& text, int64_t number) {
  const fmt::format_int digits(number);
  text.append(digits.data(), digits.size());
}

/// [{"float":[1,3,224,224]}], as onnxruntime's profile writes shapes.
void append_shapes(std::string& text, std::span<const TensorView> views) {
  char before = '[';
  for (const TensorView& view : views) {
    if (view.dims == nullptr) continue;
    text += before;
    before = ',';
    text += "{\"";
    text += data_type_name(view.type);
    text += "\":[";
    for (int axis = 0; axis < view.rank(); ++axis) {
      if (axis > 0) text += ',';
      append_number(text, view.dim(axis));
    }
    text += "]}";
  }
  text += before == '[' ? "[]" : "]";
}

}  // namespace

/// Passes tasks on and notes who ran them. A slot (`thread` of a task) serves one thread at a time, but not always the
/// same one: it is handed over under the caller's for_each, which orders the two.
class NodeProfile::Watch final : public Parallel {
 public:
  explicit Watch(Parallel& inner) : inner_(inner), slots_(static_cast<size_t>(inner.threads())) {}

  int threads() const override { return inner_.threads(); }

  void for_each(int64_t count, FunctionRef<void(int64_t index, int thread)> task) override {
    const uint64_t call = ++calls_;
    const int64_t start = read_ticks();
    if (inner_.threads() == 1) {
      inner_.for_each(count, task);
      const int64_t end = read_ticks();
      Work& work = work_of(slots_[0], node_);
      work.call = call;
      work.add_stretch(start, end, count);
      shared_ticks += end - start;
    } else {
      // By value: a thread then reads what is captured, as it must, and no cache line besides that the caller wrote.
      inner_.for_each(count, [task, call, node = node_, slots = slots_.data()](int64_t index, int thread) {
        // A thread takes one task after the other: the end of one is the beginning of the next.
        Work& work = work_of(slots[thread], node);
        const int64_t first = std::exchange(work.call, call) == call ? work.last_ticks : read_ticks();
        task(index, thread);
        work.add_stretch(first, read_ticks(), 1);
      });
      shared_ticks += read_ticks() - start;
    }
    if (block_sizes.size() < kMostBlocks) block_sizes.push_back(count);
  }

  /// What each thread did, ordered by its number. Valid until the next call.
  std::span<const Work> collect() {
    all_.clear();
    for (const Slot& slot : slots_) {
      if (slot.first.call <= node_) continue;
      collect(slot.first);
      for (const Work& work : slot.others) collect(work);
    }
    std::sort(all_.begin(), all_.end(), [](const Work& a, const Work& b) { return a.thread_id < b.thread_id; });
    return all_;
  }

  /// Another node. The slots are left to their threads: writing them here would take their cache lines away.
  void begin() {
    node_ = calls_;
    block_sizes.clear();
    shared_ticks = 0;
  }

  std::vector<int64_t> block_sizes;  ///< Tasks of each for_each.
  int64_t shared_ticks = 0;          ///< In for_each, as the caller sees it.

 private:
  static constexpr size_t kMostBlocks = 16;

  struct alignas(128) Slot {  // two cache lines, which are fetched together: its thread writes after each task
    Work first;
    std::vector<Work> others;  // for the same node as `first`
  };

  /// The calling thread's, new where the slot is of a node before, whose calls went up to `node`.
  static Work& work_of(Slot& slot, uint64_t node) {
    const int64_t thread_id = current_thread_id();
    if (slot.first.call <= node) {
      slot.first = {.thread_id = thread_id, .cpu = current_cpu()};
      if (!slot.others.empty()) slot.others.clear();
      return slot.first;
    }
    if (slot.first.thread_id == thread_id) return slot.first;
    for (Work& work : slot.others) {
      if (work.thread_id == thread_id) return work;
    }
    return slot.others.emplace_back(Work{.thread_id = thread_id, .cpu = current_cpu()});
  }

  void collect(const Work& work) {
    const auto same =
        std::find_if(all_.begin(), all_.end(), [&](const Work& other) { return other.thread_id == work.thread_id; });
    if (same != all_.end()) {
      same->add(work);
    } else {
      all_.push_back(work);
    }
  }

  Parallel& inner_;
  std::vector<Slot> slots_;
  std::vector<Work> all_;
  uint64_t calls_ = 0;  // of for_each
  uint64_t node_ = 0;   // calls before the node began
};

NodeProfile::NodeProfile(Profiler& profiler, Parallel& inner)
    : profiler_(profiler), watch_(std::make_unique<Watch>(inner)) {}

NodeProfile::~NodeProfile() = default;

void NodeProfile::begin() {
  watch_->begin();
  start_ticks_ = read_ticks();
}

Parallel& NodeProfile::threads() { return *watch_; }

namespace {

/// The part of a node's numbers that is always there; sizes of blocks and the work of threads follow.
struct NodeNumbers {
  int64_t step;
  int64_t start_ticks;
  int64_t end_ticks;
  int64_t thread_id;
  int64_t cpu;
  int64_t own_ticks;
  int64_t wait_ticks;
  int64_t first_sample;
  int64_t end_sample;
  int64_t batch_size;  ///< 0 unless the node computed a piece of the batch.
  int64_t blocks;
};
struct WorkNumbers {
  int64_t thread_id;
  int64_t cpu;
  int64_t first_ticks;
  int64_t last_ticks;
  int64_t busy_ticks;
  int64_t tasks;
};

template <class T>
void append(std::vector<int64_t>& numbers, const T& values) {
  static_assert(sizeof(T) % sizeof(int64_t) == 0);
  const auto* first = reinterpret_cast<const int64_t*>(&values);
  numbers.insert(numbers.end(), first, first + sizeof(T) / sizeof(int64_t));
}

template <class T>
T read(std::span<const int64_t>& numbers) {
  T values;
  std::memcpy(&values, numbers.data(), sizeof values);
  numbers = numbers.subspan(sizeof(T) / sizeof(int64_t));
  return values;
}

/// Everything that the text of a node's event depends on besides the node.
void append_variant(std::vector<int64_t>& variant, std::span<const TensorView> views) {
  for (const TensorView& view : views) {
    if (view.dims == nullptr) {
      variant.push_back(-1);
      continue;
    }
    variant.push_back(view.rank() * 256 + static_cast<int64_t>(view.type));
    for (int axis = 0; axis < view.rank(); ++axis) variant.push_back(view.dim(axis));
  }
}

EventText describe_node(const Program& program, int index, std::span<const TensorView> inputs,
                        std::span<const TensorView> outputs) {
  const Step& step = program.steps[static_cast<size_t>(index)];
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
  EventText text;
  text.name = step.name.empty() ? fmt::format("{}_{}", step.op_type, index) : step.name;
  text.args.add("op_name", step.op_type)
      .add("provider", "CPUExecutionProvider")
      .add("node_index", static_cast<int64_t>(index))
      .add("parameter_size", parameter_bytes)
      .add("activation_size", activation_bytes)
      .add("output_size", output_bytes);
  append_shapes(text.args.open("input_type_shape"), inputs);
  append_shapes(text.args.open("output_type_shape"), outputs);
  return text;
}

void write_node(const EventText& text, std::span<const int64_t> numbers, EventSink& sink) {
  const auto node = read<NodeNumbers>(numbers);
  const std::span<const int64_t> blocks = numbers.first(static_cast<size_t>(node.blocks));
  const std::span<const int64_t> works = numbers.subspan(blocks.size());
  ProfileArgs args = text.args;
  if (node.batch_size > 0) {
    args.add("first_sample", node.first_sample).add("end_sample", node.end_sample).add("batch_size", node.batch_size);
  }
  std::string& stats = args.open("thread_scheduling_stats");
  fmt::format_to(std::back_inserter(stats),
                 "{{\"main_thread\": {{\"thread_pool_name\": \"attune\", \"thread_id\": \"{}\", \"block_size\": [{}], "
                 "\"core\": {}, \"Distribution\": 0, \"DistributionEnqueue\": 0, \"Run\": {}, \"Wait\": {}, "
                 "\"WaitRevoke\": 0}}, \"sub_threads\": {{",
                 node.thread_id, fmt::join(blocks, ","), node.cpu, sink.microseconds(node.own_ticks),
                 sink.microseconds(node.wait_ticks));
  std::string_view separator;
  for (std::span<const int64_t> rest = works; !rest.empty(); separator = ",") {
    const auto work = read<WorkNumbers>(rest);
    fmt::format_to(std::back_inserter(stats), "{}\"{}\": {{\"num_run\": {}, \"core\": {}}}", separator, work.thread_id,
                   work.tasks, work.cpu);
  }
  stats += "}}";
  sink.write(ProfileCategory::kNode, text.name + "_kernel_time", node.start_ticks, node.end_ticks, node.thread_id,
             args);
  for (std::span<const int64_t> rest = works; !rest.empty();) {
    const auto work = read<WorkNumbers>(rest);
    args.clear();
    args.add("node_index", node.step).add("num_run", work.tasks).add("busy_us", sink.microseconds(work.busy_ticks));
    sink.write(ProfileCategory::kThread, text.name + "_worker", work.first_ticks, work.last_ticks, work.thread_id,
               args);
  }
}

}  // namespace

void NodeProfile::finish(const Program& program, int index, std::span<const TensorView> inputs,
                         std::span<const TensorView> outputs, const Piece* piece) {
  int64_t end_ticks = read_ticks();
  const int64_t thread_id = current_thread_id();
  const std::span<const Work> works = watch_->collect();
  int64_t own_ticks = 0;
  for (const Work& work : works) {
    if (work.thread_id == thread_id) own_ticks = work.busy_ticks;
    // Readings may be some nanoseconds early; a thread's event lies within its node's all the same.
    start_ticks_ = std::min(start_ticks_, work.first_ticks);
    end_ticks = std::max(end_ticks, work.last_ticks);
  }
  numbers_.clear();
  const Piece samples = piece != nullptr ? *piece : Piece{};
  append(numbers_, NodeNumbers{index, start_ticks_, end_ticks, thread_id, current_cpu(), own_ticks,
                               std::max<int64_t>(watch_->shared_ticks - own_ticks, 0), samples.begin, samples.end,
                               samples.samples, static_cast<int64_t>(watch_->block_sizes.size())});
  numbers_.insert(numbers_.end(), watch_->block_sizes.begin(), watch_->block_sizes.end());
  for (const Work& work : works) {
    if (work.thread_id == thread_id) continue;
    append(numbers_,
           WorkNumbers{work.thread_id, work.cpu, work.first_ticks, work.last_ticks, work.busy_ticks, work.tasks});
  }
  variant_.clear();
  append_variant(variant_, inputs);
  append_variant(variant_, outputs);
  profiler_.record_later(
      &program.steps[static_cast<size_t>(index)], variant_,
      [&] { return describe_node(program, index, inputs, outputs); }, numbers_, write_node);
}

}  // namespace attune
