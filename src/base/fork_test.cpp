#include "base/fork.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <thread>

#include "base/thread.h"

namespace attune {
namespace {

TEST(Fork, GenerationAndThreadIdOfAChild) {
  const uint32_t before = fork_generation();
  const int64_t id = current_thread_id();
  EXPECT_EQ(id, current_thread_id());
  const pid_t child = ::fork();
  if (child == 0) {
    const bool good =
        fork_generation() == before + 1 && current_thread_id() != id && current_thread_id() == current_process_id();
    ::_exit(good ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(fork_generation(), before);
}

TEST(ForkSafeMutex, IsFreeInAChildAndItsDataWhole) {
  ForkSafeMutex mutex;
  auto gone = std::make_unique<ForkSafeMutex>();
  ForkSafeMutex other;
  gone.reset();
  int first = 0;
  int second = 0;
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    while (!stop) {
      const std::lock_guard lock(mutex);
      ++first;
      std::this_thread::yield();
      ++second;
    }
  });
  int failures = 0;
  for (int round = 0; round < 20; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(10);  // a deadlock ends here
      const std::lock_guard lock(mutex);
      const std::lock_guard lock_other(other);
      ::_exit(first == second ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    failures += status != 0 ? 1 : 0;
  }
  stop = true;
  writer.join();
  EXPECT_EQ(failures, 0);
  EXPECT_TRUE(mutex.try_lock());
  mutex.unlock();
}

}  // namespace
}  // namespace attune
