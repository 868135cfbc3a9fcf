#include "base/futex.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace attune {
namespace {

static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t));

long futex(const std::atomic<uint32_t>& word, int operation, uint32_t value) {
  return ::syscall(SYS_futex, reinterpret_cast<const uint32_t*>(&word), operation, value, nullptr, nullptr, 0);
}

}  // namespace

void futex_wait(const std::atomic<uint32_t>& word, uint32_t expected) noexcept {
  futex(word, FUTEX_WAIT_PRIVATE, expected);
}

void futex_wake(const std::atomic<uint32_t>& word, int count) noexcept {
  futex(word, FUTEX_WAKE_PRIVATE, static_cast<uint32_t>(count));
}

}  // namespace attune
