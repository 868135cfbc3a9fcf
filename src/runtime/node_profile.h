// The events of a node in the profile: the node's own, and one for each other thread that worked for it.
// Thread safety: one object for each thread that runs nodes, one node at a time; threads() as Parallel says.
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
  /// Samples [begin, end) of a batch of `samples`.
  struct Piece {
    int64_t begin = 0;
    int64_t end = 0;
    int64_t samples = 0;
  };

  /// `inner` are the threads that nodes may use.
  NodeProfile(Profiler& profiler, Parallel& inner);
  ~NodeProfile();
  NodeProfile(const NodeProfile&) = delete;
  NodeProfile& operator=(const NodeProfile&) = delete;

  /// A node's time begins here.
  void begin();

  /// The same threads, watched: one reading of the clock a task where there are several.
  Parallel& threads();

  /// The node's time ends here; records the events. `piece`, unless it is null: which part of the batch it computed.
  void finish(const Program& program, int step, std::span<const TensorView> inputs, std::span<const TensorView> outputs,
              const Piece* piece);

 private:
  class Watch;

  Profiler& profiler_;
  std::unique_ptr<Watch> watch_;
  int64_t start_ticks_ = 0;
  std::vector<int64_t> variant_;  // memory that is kept from node to node
  std::vector<int64_t> numbers_;
};

}  // namespace attune
