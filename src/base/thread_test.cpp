#include "base/thread.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <string>

#include "base/futex.h"

namespace attune {
namespace {

TEST(Thread, HasItsNameAndTakesNoSignals) {
  std::atomic<uint32_t> done{0};
  std::string name;
  bool interrupt_blocked = false;
  bool fault_blocked = true;
  int64_t id = 0;
  ASSERT_TRUE(start_thread("attune-a-name-that-is-long", [&] {
    char text[16] = {};
    ::pthread_getname_np(::pthread_self(), text, sizeof text);
    name = text;
    sigset_t mask;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    interrupt_blocked = ::sigismember(&mask, SIGINT) == 1;
    fault_blocked = ::sigismember(&mask, SIGSEGV) == 1;
    id = current_thread_id();
    done.store(1);
    futex_wake(done, 1);
  }));
  while (done.load() == 0) futex_wait(done, 0);
  EXPECT_EQ(name, "attune-a-name-t");
  EXPECT_TRUE(interrupt_blocked);
  EXPECT_FALSE(fault_blocked);
  EXPECT_NE(id, current_thread_id());
  sigset_t mask;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  EXPECT_EQ(::sigismember(&mask, SIGINT), 0);
}

TEST(Futex, AChangedWordDoesNotSleep) {
  const std::atomic<uint32_t> word{1};
  futex_wait(word, 0);
  futex_wake(word, 1);
  EXPECT_EQ(word.load(), 1U);
}

}  // namespace
}  // namespace attune
