#include "runtime/thread_pool.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <latch>
#include <limits>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/cpu.h"
#include "base/float_mode.h"

namespace attune {
namespace {

#if defined(__SANITIZE_THREAD__)
constexpr bool kThreadSanitizer = true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
constexpr bool kThreadSanitizer = true;
#else
constexpr bool kThreadSanitizer = false;
#endif
#else
constexpr bool kThreadSanitizer = false;
#endif

void sleep_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

// Runs `body` in a child process; its exit status, or -1 if it does not end within 20 s.
template <class Body>
int run_in_child(Body body) {
  const pid_t child = ::fork();
  if (child == 0) {
    int status = 99;
    try {
      status = body();
    } catch (...) {
    }
    ::_exit(status);
  }
  for (int i = 0; i < 2000; ++i) {
    int status = 0;
    if (::waitpid(child, &status, WNOHANG) == child) return WIFEXITED(status) ? WEXITSTATUS(status) : -2;
    sleep_ms(10);
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  return -1;
}

TEST(ThreadPool, EachIndexRunsOnce) {
  for (const int threads : {1, 2, 3, 4, 9}) {
    RunThreads run(ThreadPool::shared(), threads);
    EXPECT_EQ(run.threads(), threads);
    for (const int64_t count : {0, 1, 2, 3, 7, 64, 1000}) {
      std::vector<std::atomic<int>> calls(static_cast<size_t>(count));
      run.for_each(count, [&](int64_t index, int) { ++calls[static_cast<size_t>(index)]; });
      for (const auto& n : calls) ASSERT_EQ(n, 1) << threads << " threads, " << count << " tasks";
    }
  }
}

TEST(ThreadPool, ThreadNumbersOfOverlappingCallsDiffer) {
  constexpr int kThreads = 4;
  RunThreads run(ThreadPool::shared(), kThreads);
  std::array<std::atomic<int>, kThreads> users{};
  std::atomic<int> wrong{0};
  for (int round = 0; round < 200; ++round) {
    run.for_each(16, [&](int64_t, int thread) {
      if (thread < 0 || thread >= kThreads || users[static_cast<size_t>(thread)].fetch_add(1) != 0) ++wrong;
      for (int i = 0; i < 100; ++i) std::atomic_signal_fence(std::memory_order_seq_cst);
      if (thread >= 0 && thread < kThreads) users[static_cast<size_t>(thread)].fetch_sub(1);
    });
  }
  EXPECT_EQ(wrong, 0);
}

TEST(ThreadPool, AnExplicitNumberIsObeyed) {
  // More threads than this machine may have CPUs: all of them must come to the latch for one to pass it.
  constexpr int kThreads = 6;
  RunThreads run(ThreadPool::shared(), kThreads);
  std::latch all(kThreads);
  std::atomic<int> seen{0};
  run.for_each(kThreads, [&](int64_t, int thread) {
    all.arrive_and_wait();
    seen |= 1 << thread;
  });
  EXPECT_EQ(seen, (1 << kThreads) - 1);
  EXPECT_GE(ThreadPool::shared().workers(), kThreads - 1);
}

TEST(ThreadPool, SleepingWorkersAreWoken) {
  for (const bool spin : {true, false}) {
    RunThreads run(ThreadPool::shared(), 3, spin);
    for (int round = 0; round < 5; ++round) {
      sleep_ms(3);  // far beyond kSpinNs
      std::latch all(3);
      run.for_each(3, [&](int64_t, int) { all.arrive_and_wait(); });
      EXPECT_TRUE(all.try_wait());
    }
    run.wake();
    std::latch all(3);
    run.for_each(3, [&](int64_t, int) { all.arrive_and_wait(); });
    EXPECT_TRUE(all.try_wait());
  }
}

TEST(ThreadPool, TheFirstExceptionComesOutOnceNoTaskRuns) {
  RunThreads run(ThreadPool::shared(), 4);
  for (int round = 0; round < 100; ++round) {
    std::atomic<int> running{0};
    try {
      run.for_each(50, [&](int64_t index, int) {
        ++running;
        if (index % 10 == round % 10) {
          --running;
          throw std::runtime_error("task " + std::to_string(index));
        }
        --running;
      });
      FAIL() << "no exception";
    } catch (const std::runtime_error& error) {
      EXPECT_TRUE(std::string(error.what()).starts_with("task "));
    }
    EXPECT_EQ(running, 0);
    std::atomic<int> calls{0};
    run.for_each(10, [&](int64_t, int) { ++calls; });
    ASSERT_EQ(calls, 10);
  }
}

TEST(ThreadPool, ManyCallersWithUnevenTasks) {
  std::atomic<int64_t> total{0};
  int64_t expected = 0;
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 8; ++caller) {
    for (int round = 0; round < 150; ++round) expected += 1 + (caller * 7 + round) % 33;
    callers.emplace_back([caller, &total] {
      for (int round = 0; round < 150; ++round) {
        RunThreads run(ThreadPool::shared(), 1 + (caller + round) % 5, round % 3 != 0);
        const int64_t count = 1 + (caller * 7 + round) % 33;
        std::atomic<int64_t> done{0};
        try {
          run.for_each(count, [&](int64_t index, int) {
            volatile int64_t work = 0;
            for (int64_t i = 0; i < (index % 5 == 0 ? 3000 : 30); ++i) work = work + i;
            ++total;
            if (++done == count && round % 10 == 9) throw 1;  // the last task to finish: all have been taken
          });
        } catch (int) {
        }
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(total, expected);
}

TEST(ThreadPool, ForEachFromSeveralThreadsOfOneRunAndFromTasks) {
  RunThreads run(ThreadPool::shared(), 4);
  std::atomic<int> calls{0};
  std::vector<std::thread> branches;
  for (int branch = 0; branch < 3; ++branch) {
    branches.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        run.for_each(4, [&](int64_t, int) {
          RunThreads inner(ThreadPool::shared(), 3);
          inner.for_each(3, [&](int64_t, int) { run.for_each(2, [&](int64_t, int) { ++calls; }); });
        });
      }
    });
  }
  for (std::thread& branch : branches) branch.join();
  EXPECT_EQ(calls, 3 * 50 * 4 * 3 * 2);
}

TEST(ThreadPool, MoreCallsAtOnceThanSlots) {
  std::atomic<int> calls{0};
  std::latch all(80);
  RunThreads run(ThreadPool::shared(), 2);
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 80; ++caller) {
    callers.emplace_back([&] {
      std::atomic<bool> first{true};
      run.for_each(2, [&](int64_t, int) {
        if (first.exchange(false)) all.arrive_and_wait();  // 80 calls are under way
        ++calls;
      });
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(calls, 160);
}

TEST(ThreadPool, CallersThatFillTheMachineGetNoHelpers) {
  ThreadPool pool;
  const int cpus = usable_cpus();
  std::vector<std::thread> callers;
  std::latch started(cpus + 1);
  std::latch finished(1);
  for (int i = 0; i < cpus; ++i) {
    callers.emplace_back([&] {
      RunThreads run(pool, cpus);
      started.arrive_and_wait();
      finished.wait();
    });
  }
  started.arrive_and_wait();
  {
    RunThreads run(pool, cpus);
    const std::thread::id caller = std::this_thread::get_id();
    std::atomic<int> elsewhere{0};
    run.for_each(100, [&](int64_t, int) { elsewhere += std::this_thread::get_id() != caller ? 1 : 0; });
    EXPECT_EQ(elsewhere, 0);
  }
  finished.count_down();
  for (std::thread& caller : callers) caller.join();
}

TEST(ThreadPool, WorkersSleepAfterTheLastRun) {
  {
    RunThreads run(ThreadPool::shared(), 4);
    for (int i = 0; i < 100; ++i) run.for_each(8, [](int64_t, int) {});
  }
  sleep_ms(2);
  const int64_t before = process_cpu_ns();
  sleep_ms(300);
  EXPECT_LT(process_cpu_ns() - before, 1'000'000);
}

TEST(ThreadPool, HelpersTakeOverTheFloatMode) {
  constexpr int kThreads = 3;
  RunThreads run(ThreadPool::shared(), kThreads);
  for (const bool as_zero : {true, false, true, false}) {
    const ScopedDenormalsAsZero scope(as_zero);
    std::latch all(kThreads);
    std::array<float, kThreads> halves{};
    run.for_each(kThreads, [&](int64_t index, int) {
      volatile float smallest_normal = std::numeric_limits<float>::min();
      halves[static_cast<size_t>(index)] = smallest_normal * 0.5F;
      all.arrive_and_wait();
    });
    // The bits are read by the library: the test's own comparison would count a denormal as zero.
    for (const float half : halves) EXPECT_EQ(std::fpclassify(half), as_zero ? FP_ZERO : FP_SUBNORMAL);
  }
}

TEST(ThreadPool, OwnPoolPinsItsWorkersAndStops) {
  const std::vector<int> cpus = affinity_cpus();
  ThreadPool pool({{cpus.back()}, {1 << 20}});  // the second set does not exist and is not obeyed
  RunThreads run(pool, 3);
  std::latch all(3);
  std::array<std::vector<int>, 3> seen;
  std::set<std::thread::id> ids;
  run.for_each(3, [&](int64_t, int thread) {
    all.arrive_and_wait();
    seen[static_cast<size_t>(thread)] = affinity_cpus();
  });
  EXPECT_EQ(seen[0], cpus);
  // Which of the two workers came first is open.
  std::multiset<std::vector<int>> workers{seen[1], seen[2]};
  EXPECT_EQ(workers, (std::multiset<std::vector<int>>{{cpus.back()}, cpus}));
}

TEST(ThreadPool, OwnPoolsComeAndGo) {
  std::atomic<int> calls{0};
  for (int i = 0; i < 50; ++i) {
    ThreadPool pool;
    RunThreads run(pool, 3);
    run.for_each(10, [&](int64_t, int) { ++calls; });
  }
  EXPECT_EQ(calls, 500);
}

TEST(ThreadPool, AChildOfForkHasItsOwnThreads) {
  if (kThreadSanitizer) GTEST_SKIP() << "it ends children of fork that start threads";
  RunThreads run(ThreadPool::shared(), 3);
  run.for_each(10, [](int64_t, int) {});
  const int status = run_in_child([&run] {
    int sum = 0;
    run.for_each(5, [&sum](int64_t, int) { ++sum; });  // the parent's run: in this thread alone
    RunThreads own(ThreadPool::shared(), 3);
    std::latch all(3);
    std::atomic<int> calls{0};
    own.for_each(3, [&](int64_t, int) {
      all.arrive_and_wait();
      ++calls;
    });
    return sum == 5 && calls == 3 ? 0 : 1;
  });
  EXPECT_EQ(status, 0);
  std::atomic<int> calls{0};
  run.for_each(10, [&](int64_t, int) { ++calls; });
  EXPECT_EQ(calls, 10);
}

TEST(ThreadPool, ForkWhileOtherThreadsRun) {
  if (kThreadSanitizer) GTEST_SKIP() << "it ends children of fork that start threads";
  std::atomic<bool> stop{false};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 3; ++caller) {
    callers.emplace_back([&] {
      while (!stop) {
        RunThreads run(ThreadPool::shared(), 3);
        run.for_each(20, [](int64_t, int) {});
      }
    });
  }
  for (int round = 0; round < 20; ++round) {
    const int status = run_in_child([] {
      RunThreads run(ThreadPool::shared(), 2);
      std::latch both(2);
      run.for_each(2, [&](int64_t, int) { both.arrive_and_wait(); });
      return 0;
    });
    ASSERT_EQ(status, 0);
  }
  stop = true;
  for (std::thread& caller : callers) caller.join();
}

TEST(ThreadPool, ForkInsideATaskEndsTheChildsRun) {
  if (kThreadSanitizer) GTEST_SKIP() << "it ends children of fork that start threads";
  // The child forks inside, so that this process keeps its one line of control.
  const int status = run_in_child([] {
    RunThreads run(ThreadPool::shared(), 2);
    std::latch both(2);
    int inner = -5;
    std::atomic<bool> in_grandchild{false};
    try {
      run.for_each(2, [&](int64_t, int thread) {
        both.arrive_and_wait();
        if (thread != 0) {
          sleep_ms(20);  // at work when the caller forks
          return;
        }
        const pid_t child = ::fork();
        if (child == 0) {
          in_grandchild = true;
          return;
        }
        int result = 0;
        ::waitpid(child, &result, 0);
        inner = WIFEXITED(result) ? WEXITSTATUS(result) : -3;
      });
    } catch (const std::exception&) {
      ::_exit(in_grandchild ? 7 : 8);
    }
    return in_grandchild ? 9 : inner;
  });
  EXPECT_EQ(status, 7);
}

TEST(ThreadPool, ExitWhileWorkersPoll) {
  if (kThreadSanitizer) GTEST_SKIP() << "it ends children of fork that start threads";
  const int status = run_in_child([]() -> int {
    auto* run = new RunThreads(ThreadPool::shared(), 4);
    run->for_each(8, [](int64_t, int) {});
    std::exit(5);  // static destructors run while the workers poll
  });
  EXPECT_EQ(status, 5);
}

}  // namespace
}  // namespace attune
