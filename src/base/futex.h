// Sleeping until a word of memory changes. std::atomic::wait is not used: its spinning cannot be bounded, and its
// hidden table of waiters does not survive a fork. Thread safety: that is what it is for.
#pragma once

#include <atomic>
#include <cstdint>

namespace attune {

/// Sleeps while `word` holds `expected`, until woken; may return for no reason, so callers test in a loop.
void futex_wait(const std::atomic<uint32_t>& word, uint32_t expected) noexcept;

/// Wakes at most `count` threads that sleep on `word`. The word's memory may be gone: nothing is read.
void futex_wake(const std::atomic<uint32_t>& word, int count) noexcept;

}  // namespace attune
