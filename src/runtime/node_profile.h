// The events of a node in the profile: the node's own, and one for each other thread that worked for it.
// Thread safety: one object for each thread that runs nodes, one node at a time; threads() as Parallel says.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/parallel.h"
#include "plan/program.h"
#include "runtime/profiler.h"
#include "tensor/tensor_view.h"

namespace attune {

class NodeProfile {
 public:
  /// `inner` are the threads that nodes may use.
  NodeProfile(Profiler& profiler, Parallel& inner);
  ~NodeProfile();
  NodeProfile(const NodeProfile&) = delete;
  NodeProfile& operator=(const NodeProfile&) = delete;

  /// A node's time begins here.
  void begin();

  /// The same threads, watched: one reading of the clock a task where there are several.
  Parallel& threads();

  /// The node's time ends here; writes the events. Memory is kept from node to node: most of an event's time would go
  /// into asking for it.
  void finish(const Program& program, int step, std::span<const TensorView> inputs,
              std::span<const TensorView> outputs);

 private:
  class Watch;

  Profiler& profiler_;
  std::unique_ptr<Watch> watch_;
  int64_t start_ns_ = 0;
  ProfileArgs args_;
  std::string name_;
};

}  // namespace attune
