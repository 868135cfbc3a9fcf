#include "base/fork.h"

#include <pthread.h>

#include <atomic>

namespace attune {
namespace {

std::atomic<uint32_t> generation{0};

}  // namespace

// The list of all ForkSafeMutexes. Never destroyed: a mutex may be, after static destructors have run.
struct ForkRegistry {
  std::mutex mutex;  // protects the list; the fork handlers hold it from `prepare` on
  ForkSafeMutex* first = nullptr;

  static ForkRegistry& get() {
    static ForkRegistry& registry = *new ForkRegistry;
    return registry;
  }

  ForkRegistry() { ::pthread_atfork(prepare, in_parent, in_child); }

  static void prepare() {
    ForkRegistry& registry = get();
    registry.mutex.lock();
    // Leaf locks are released without waiting for anything, so taking them one after the other cannot deadlock.
    for (ForkSafeMutex* item = registry.first; item != nullptr; item = item->next_) item->mutex_.lock();
  }

  static void in_parent() { unlock_all(); }

  static void in_child() {
    generation.fetch_add(1, std::memory_order_relaxed);
    unlock_all();
  }

  static void unlock_all() {
    ForkRegistry& registry = get();
    for (ForkSafeMutex* item = registry.first; item != nullptr; item = item->next_) item->mutex_.unlock();
    registry.mutex.unlock();
  }
};

uint32_t fork_generation() noexcept {
  ForkRegistry::get();  // counting begins here, if no mutex has begun it
  return generation.load(std::memory_order_relaxed);
}

ForkSafeMutex::ForkSafeMutex() {
  ForkRegistry& registry = ForkRegistry::get();
  const std::lock_guard lock(registry.mutex);
  next_ = registry.first;
  if (next_ != nullptr) next_->previous_ = this;
  registry.first = this;
}

ForkSafeMutex::~ForkSafeMutex() {
  ForkRegistry& registry = ForkRegistry::get();
  const std::lock_guard lock(registry.mutex);
  (previous_ != nullptr ? previous_->next_ : registry.first) = next_;
  if (next_ != nullptr) next_->previous_ = previous_;
}

}  // namespace attune
