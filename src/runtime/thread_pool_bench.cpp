// What a parallel region costs: an empty for_each while the workers poll, and with several callers at once.
#include <benchmark/benchmark.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "base/cpu_relax.h"
#include "runtime/thread_pool.h"

namespace attune {
namespace {

void BM_EmptyRegion(benchmark::State& state) {
  RunThreads run(ThreadPool::shared(), static_cast<int>(state.range(0)));
  for (auto _ : state) run.for_each(state.range(0), [](int64_t, int) {});
}
BENCHMARK(BM_EmptyRegion)->Arg(1)->Arg(2)->Arg(4)->UseRealTime();

// Each task waits for the other, so both threads take part: the whole way there and back.
void BM_Handshake(benchmark::State& state) {
  RunThreads run(ThreadPool::shared(), 2);
  for (auto _ : state) {
    std::atomic<int> arrived{0};
    run.for_each(2, [&](int64_t, int) {
      arrived.fetch_add(1);
      while (arrived.load() != 2) cpu_relax();
    });
  }
}
BENCHMARK(BM_Handshake)->UseRealTime();

// The first region after a pause: a worker has to be woken.
void BM_HandshakeAfterSleep(benchmark::State& state) {
  RunThreads run(ThreadPool::shared(), 2);
  for (auto _ : state) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::atomic<int> arrived{0};
    const auto start = std::chrono::steady_clock::now();
    run.for_each(2, [&](int64_t, int) {
      arrived.fetch_add(1);
      while (arrived.load() != 2) cpu_relax();
    });
    state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
}
BENCHMARK(BM_HandshakeAfterSleep)->UseManualTime()->Iterations(300);

void BM_RunThreads(benchmark::State& state) {
  for (auto _ : state) RunThreads run(ThreadPool::shared(), 2);
}
BENCHMARK(BM_RunThreads)->UseRealTime();

}  // namespace
}  // namespace attune
