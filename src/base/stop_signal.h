// How the caller of a run, or the maker of a session, ends it early. Thread safety: a StopSignal is read by every
// thread of the run; the flag may be set by any thread.
#pragma once

#include <atomic>
#include <cstdint>

#include "attune/error.h"
#include "base/parallel.h"

namespace attune {

/// What StopSignal::check throws: an Error that is nobody's failure, so no node's name is added to it.
class Stopped final : public Error {
 public:
  using Error::Error;
};

class StopSignal {
 public:
  /// `flag` may be null; `deadline_ns` is a time of monotonic_ns(), 0 for none.
  explicit StopSignal(const std::atomic<bool>* flag, int64_t deadline_ns = 0)
      : flag_(flag), deadline_ns_(deadline_ns) {}

  /// False when nothing can stop the run: then nobody need look.
  bool is_possible() const { return flag_ != nullptr || deadline_ns_ != 0; }

  /// Throws Stopped (kFail) once the flag is set or the deadline has passed. Costs a load, or 20 ns with a deadline.
  void check() const;

 private:
  const std::atomic<bool>* flag_;
  int64_t deadline_ns_;
};

/// Threads that look at the signal before each task, so that long nodes end early too.
class StoppableParallel final : public Parallel {
 public:
  StoppableParallel(Parallel& threads, const StopSignal& stop) : threads_(threads), stop_(stop) {}

  int threads() const override { return threads_.threads(); }
  void for_each(int64_t count, FunctionRef<void(int64_t index, int thread)> task) override {
    threads_.for_each(count, [&](int64_t index, int thread) {
      stop_.check();
      task(index, thread);
    });
  }

 private:
  Parallel& threads_;
  const StopSignal& stop_;
};

}  // namespace attune
