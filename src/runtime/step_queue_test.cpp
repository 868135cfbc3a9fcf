#include "runtime/step_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <latch>
#include <mutex>
#include <random>
#include <set>
#include <stdexcept>
#include <thread>

#include "base/cpu_relax.h"

namespace attune {
namespace {

constexpr float kLong = 100'000;  // ns: worth calling a thread for

struct Graph {
  std::vector<std::vector<int>> before;
  std::vector<float> costs;

  int add(std::vector<int> steps, float cost = kLong) {
    before.push_back(std::move(steps));
    costs.push_back(cost);
    return static_cast<int>(before.size()) - 1;
  }
  Schedule schedule() const {
    Dependencies dependencies;
    for (const auto& steps : before) dependencies.add_step(steps);
    return make_schedule(dependencies, costs);
  }
};

template <class Body>
void run(const Schedule& schedule, RunThreads& threads, Body body) {
  run_schedule(schedule, threads, [&](StepQueue::Lane& lane) {
    for (std::span<const int> steps; !(steps = lane.next()).empty();) {
      for (const int step : steps) body(step);
    }
  });
}

RunLimits limits(int threads, int lanes) { return {.threads = threads, .lanes = lanes}; }

TEST(StepQueue, EachStepRunsOnceBehindItsPredecessors) {
  std::mt19937 random(1);
  for (int round = 0; round < 60; ++round) {
    Graph graph;
    const int count = 1 + static_cast<int>(random() % 150);
    for (int s = 0; s < count; ++s) {
      std::vector<int> steps;
      for (unsigned k = s > 0 ? random() % 3 : 0; k > 0; --k)
        steps.push_back(static_cast<int>(random() % static_cast<unsigned>(s)));
      std::sort(steps.begin(), steps.end());
      steps.erase(std::unique(steps.begin(), steps.end()), steps.end());
      graph.add(steps, random() % 2 == 0 ? 100 : kLong);
    }
    const Schedule schedule = graph.schedule();
    std::vector<int> runs(static_cast<size_t>(count));  // not atomic: the queue orders a step behind its predecessors
    std::vector<std::atomic<int>> done(static_cast<size_t>(count));
    RunThreads threads(ThreadPool::shared(), {.threads = 1, .lanes = 1 + round % 5, .lanes_may_spin = round % 2 == 0});
    run(schedule, threads, [&](int step) {
      for (const int earlier : graph.before[static_cast<size_t>(step)]) {
        if (runs[static_cast<size_t>(earlier)] != 1) ADD_FAILURE() << step << " before " << earlier;
      }
      if (step % 16 == round % 16) std::this_thread::sleep_for(std::chrono::microseconds(50));
      ++runs[static_cast<size_t>(step)];
      ++done[static_cast<size_t>(step)];
    });
    EXPECT_TRUE(std::all_of(done.begin(), done.end(), [](const auto& n) { return n == 1; }));
  }
}

TEST(StepQueue, IndependentStepsRunAtTheSameTime) {
  constexpr int kLanes = 4;  // more than this machine may have CPUs
  Graph graph;
  for (int i = 0; i < kLanes; ++i) graph.add({});
  const Schedule schedule = graph.schedule();
  RunThreads threads(ThreadPool::shared(), limits(1, kLanes));
  std::latch all(kLanes);
  std::mutex mutex;
  std::set<std::thread::id> ids;
  run(schedule, threads, [&](int) {
    all.arrive_and_wait();  // never passed unless all four are in
    const std::lock_guard lock(mutex);
    ids.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(ids.size(), static_cast<size_t>(kLanes));
}

TEST(StepQueue, NoMoreThanTheLanesRunAtTheSameTime) {
  Graph graph;
  for (int i = 0; i < 40; ++i) graph.add({});
  const Schedule schedule = graph.schedule();
  RunThreads threads(ThreadPool::shared(), limits(6, 2));
  std::atomic<int> now{0};
  std::atomic<int> most{0};
  run(schedule, threads, [&](int) {
    const int here = ++now;
    for (int seen = most; here > seen && !most.compare_exchange_weak(seen, here);) continue;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    --now;
  });
  EXPECT_EQ(most, 2);
}

TEST(StepQueue, NothingThatIsNotWorthItLeavesTheThread) {
  Graph graph;
  int last = graph.add({}, 100);
  for (int i = 0; i < 200; ++i) {
    const int left = graph.add({last}, 100);
    const int right = graph.add({last}, 100);
    last = graph.add({left, right}, 100);
  }
  const Schedule schedule = graph.schedule();
  RunThreads threads(ThreadPool::shared(), limits(1, 4));
  const std::thread::id caller = std::this_thread::get_id();
  std::atomic<int> elsewhere{0};
  run(schedule, threads, [&](int) { elsewhere += std::this_thread::get_id() != caller ? 1 : 0; });
  EXPECT_EQ(elsewhere, 0);
}

TEST(StepQueue, TheLongestWayComesFirst) {
  Graph graph;
  const int short1 = graph.add({});
  const int short2 = graph.add({});
  const int long1 = graph.add({});
  const int long2 = graph.add({long1});
  const int long3 = graph.add({long2});
  const int end = graph.add({short1, short2, long3});
  const Schedule schedule = graph.schedule();
  RunThreads threads(ThreadPool::shared(), limits(1, 1));
  std::vector<int> order;
  run(schedule, threads, [&](int step) { order.push_back(step); });
  EXPECT_EQ(order.front(), long1);
  EXPECT_EQ(order.back(), end);
  EXPECT_EQ(order.size(), 6u);
}

TEST(StepQueue, AnIdleLaneHelpsTheOthersOperators) {
  // One short step and one with a parallel region that two threads must be in: whoever is first with the short one has
  // to come and help, the caller as well.
  Graph graph;
  graph.add({});
  graph.add({});
  const Schedule schedule = graph.schedule();
  for (int round = 0; round < 50; ++round) {
    RunThreads threads(ThreadPool::shared(), limits(2, 2));
    std::atomic<int> inside{0};
    run(schedule, threads, [&](int step) {
      if (step != round % 2) return;
      threads.for_each(1000, [&](int64_t, int thread) {
        EXPECT_LT(thread, 2);
        // The first to arrive gives the other the time to come, task after task, but does not wait for ever.
        ++inside;
        for (int i = 0; i < 20'000 && inside < 2; ++i) cpu_relax();
        if (inside < 2) --inside;
      });
    });
    EXPECT_GE(inside, 2);
  }
}

TEST(StepQueue, TheFirstExceptionEndsTheRun) {
  Graph graph;
  for (int i = 0; i < 60; ++i) graph.add(i < 4 ? std::vector<int>{} : std::vector<int>{i - 4});
  const Schedule schedule = graph.schedule();
  for (int round = 0; round < 60; ++round) {
    RunThreads threads(ThreadPool::shared(), {.threads = 1, .lanes = 4, .lanes_may_spin = round % 2 == 0});
    std::atomic<int> running{0};
    std::atomic<int> ran{0};
    try {
      run(schedule, threads, [&](int step) {
        ++running;
        ++ran;
        if (round % 3 == 0) std::this_thread::sleep_for(std::chrono::microseconds(20));
        --running;
        if (step == round) throw std::runtime_error("step");
      });
      FAIL() << "no exception";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "step");
    }
    EXPECT_EQ(running, 0);
    EXPECT_LE(ran, 60);
    ran = 0;
    run(schedule, threads, [&](int) { ++ran; });
    EXPECT_EQ(ran, 60);
  }
}

TEST(StepQueue, ManyRunsAtOnceWithParallelOperators) {
  Graph graph;
  std::vector<int> ends;
  for (int branch = 0; branch < 6; ++branch) {
    int last = graph.add({});
    for (int i = 0; i < 5; ++i) last = graph.add({last}, i % 2 == 0 ? 100 : kLong);
    ends.push_back(last);
  }
  graph.add(ends);
  const Schedule schedule = graph.schedule();
  std::atomic<int64_t> tasks{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 6; ++caller) {
    callers.emplace_back([&, caller] {
      for (int round = 0; round < 40; ++round) {
        RunThreads threads(ThreadPool::shared(), limits(1 + caller % 3, 2 + round % 3));
        run(schedule, threads, [&](int) { threads.for_each(9, [&](int64_t, int) { ++tasks; }); });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(tasks, 6 * 40 * 37 * 9);
}

}  // namespace
}  // namespace attune
