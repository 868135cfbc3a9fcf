// The profile of a session: a file that Chrome's tracing page, Perfetto and readers of onnxruntime's profiles open.
// Thread safety: all functions may be called from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/function_ref.h"

namespace attune {

/// The arguments of one event, written as they are added: keys are plain ASCII. onnxruntime writes numbers as strings,
/// and so does `add`.
class ProfileArgs {
 public:
  ProfileArgs& add(std::string_view key, std::string_view text);
  ProfileArgs& add(std::string_view key, int64_t number);
  /// `json` is valid JSON already: the array of shapes `[{"float":[1,3,224,224]}]`.
  ProfileArgs& add_json(std::string_view key, std::string_view json);
  /// Begins an argument; the caller appends its JSON to the text that it gets.
  std::string& open(std::string_view key);

  const std::string& text() const { return text_; }
  /// Keeps the memory for the next event.
  void clear() { text_.clear(); }

 private:
  std::string text_;
};

/// kThread is a thread that helped with a node: readers that add up node events must not count it.
enum class ProfileCategory { kSession, kNode, kThread };

/// What an event says besides numbers, in whatever form its EventWriter wants.
struct EventText {
  std::string name;
  ProfileArgs args;
};

/// Where events are written when the file is.
class EventSink {
 public:
  virtual ~EventSink() = default;
  /// Times as Profiler::record has them.
  virtual void write(ProfileCategory category, std::string_view name, int64_t start_ticks, int64_t end_ticks,
                     int64_t thread_id, const ProfileArgs& args) = 0;
  /// What the event's numbers measured.
  virtual int64_t microseconds(int64_t ticks) const = 0;
};

/// Writes the events that were kept as `text` and `numbers`.
using EventWriter = void (*)(const EventText& text, std::span<const int64_t> numbers, EventSink& sink);

/// Session events are `model_loading_uri` (or `model_loading_array`), `session_initialization`, `model_run`,
/// `SequentialExecutor::Execute` or `ParallelExecutor::Execute`; node events `<node>_kernel_time` (node_profile.h) with
/// the arguments op_name, provider "CPUExecutionProvider", node_index, input_type_shape, output_type_shape,
/// thread_scheduling_stats, output_size, parameter_size, activation_size, and first_sample, end_sample, batch_size
/// where the node goes through the batch in pieces, an event each; thread events `<node>_worker` with node_index,
/// num_run and busy_us. While the model runs, events are kept as numbers, a few hundred bytes and about a
/// tenth of a microsecond for a node; the file is written at the end, or when kMostNumbers are kept. Times are whole
/// microseconds, as onnxruntime's, cut off so that an event lies within its parent's.
class Profiler {
 public:
  /// Creates `<prefix>_YYYY-MM-DD_HH-MM-SS_mmm.json` (local time; a name that exists is not reused). Throws
  /// attune::Error kRuntimeException when it cannot be created.
  explicit Profiler(std::string_view prefix);

  /// Ends the profile if `end` was not called; a failure is lost.
  ~Profiler();
  Profiler(const Profiler&) = delete;
  Profiler& operator=(const Profiler&) = delete;

  /// `start_ticks` and `end_ticks` are times of `read_ticks` (base/tick_clock.h); `thread_id` of `current_thread_id`.
  /// Ignored after `end`.
  void record(ProfileCategory category, std::string_view name, int64_t start_ticks, int64_t end_ticks,
              int64_t thread_id, const ProfileArgs& args = {});

  /// Keeps an event whose text depends on `key` and `variant` alone: `make_text` is called for those not seen before.
  void record_later(const void* key, std::span<const int64_t> variant, FunctionRef<EventText()> make_text,
                    std::span<const int64_t> numbers, EventWriter writer);

  /// Completes the file and returns its name; "" the second time. Throws attune::Error kRuntimeException if the file
  /// could not be written.
  std::string end();

  /// False after `end`, and in a child of fork: events are ignored.
  bool is_open() const;

  /// When the profile began, nanoseconds since 1970.
  int64_t start_time_ns() const { return start_time_ns_; }

  static constexpr size_t kMostNumbers = size_t{8} << 20;  ///< 64 MiB

 private:
  struct Output;

  int64_t start_time_ns_ = 0;
  std::unique_ptr<Output> output_;
};

}  // namespace attune
