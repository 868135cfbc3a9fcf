// The events of one node in the profile: the node's own, and one for each other thread that worked for it.
// Thread safety: one object a node and run, used by the thread that runs the node; threads() as Parallel says.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/parallel.h"
#include "plan/program.h"
#include "runtime/profiler.h"
#include "tensor/tensor_view.h"

namespace attune {

class NodeProfile {
 public:
  /// The node's time begins here. `inner` are the threads that it may use.
  NodeProfile(Profiler& profiler, Parallel& inner);
  ~NodeProfile();
  NodeProfile(const NodeProfile&) = delete;
  NodeProfile& operator=(const NodeProfile&) = delete;

  /// The same threads, watched: two readings of the clock a task.
  Parallel& threads();

  /// The node's time ends here; writes the events.
  void finish(const Program& program, int step, std::span<const TensorView> inputs,
              std::span<const TensorView> outputs);

 private:
  class Watch;

  Profiler& profiler_;
  std::unique_ptr<Watch> watch_;
  int64_t start_ns_;
};

}  // namespace attune
