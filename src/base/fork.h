// Staying alive across fork: a child has the memory of its parent but only the thread that forked.
#pragma once

#include <cstdint>
#include <mutex>

namespace attune {

/// 0 in the first process, one more in each generation of children: what was started under another number (threads)
/// does not exist here. Forks count from the first call, or the first ForkSafeMutex, on. Costs two loads.
uint32_t fork_generation() noexcept;

/// A std::mutex that no fork leaves locked: a thread that forks first waits for all of these to be free, so the child
/// finds them unlocked and what they protect whole. Only a leaf lock can be of this type: while it is held, no other
/// one may be locked and nothing may wait for another thread.
class ForkSafeMutex {
 public:
  ForkSafeMutex();
  ~ForkSafeMutex();
  ForkSafeMutex(const ForkSafeMutex&) = delete;
  ForkSafeMutex& operator=(const ForkSafeMutex&) = delete;

  void lock() { mutex_.lock(); }
  bool try_lock() { return mutex_.try_lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  friend struct ForkRegistry;

  std::mutex mutex_;
  ForkSafeMutex* previous_ = nullptr;
  ForkSafeMutex* next_ = nullptr;
};

}  // namespace attune
