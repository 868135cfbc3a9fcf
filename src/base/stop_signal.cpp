#include "base/stop_signal.h"

#include "base/cpu.h"
#include "base/thread.h"

namespace attune {

void StopSignal::check() const {
  if (flag_ != nullptr && flag_->load(std::memory_order_relaxed)) {
    throw Stopped(ErrorCode::kFail, "Exiting due to terminate flag being set to true.");
  }
  if (deadline_ns_ != 0 && monotonic_ns() >= deadline_ns_) {
    throw Stopped(ErrorCode::kFail, "Exiting because the run took longer than its time limit.");
  }
}

}  // namespace attune
