#include "runtime/region.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "attune/error.h"

namespace attune {
namespace {

constexpr size_t kMiB = 1 << 20;

void touch(const Region& region) { std::memset(region.data(), 1, region.size()); }

TEST(RegionPool, AlignedAndWritable) {
  for (const bool keep : {true, false}) {
    RegionPool pool(keep);
    for (const size_t bytes : {size_t{1}, size_t{63}, size_t{4096}, RegionPool::kSmallBytes, 3 * kMiB + 5}) {
      Region region = pool.acquire(bytes);
      EXPECT_EQ(region.size(), bytes);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(region.data()) % kRegionAlignment, 0U);
      touch(region);
      Region moved = std::move(region);
      EXPECT_EQ(moved.data()[bytes - 1], std::byte{1});
      moved = Region();
      EXPECT_EQ(moved.data(), nullptr);
    }
    EXPECT_EQ(pool.acquire(0).size(), 0U);
  }
}

TEST(RegionPool, TheNextRunGetsTheSameMemory) {
  RegionPool pool(true);
  std::byte* first = nullptr;
  {
    const Region region = pool.acquire(kMiB);
    first = region.data();
    touch(region);
  }
  EXPECT_EQ(pool.held_bytes(), kMiB);
  const Region region = pool.acquire(kMiB / 2);
  EXPECT_EQ(region.data(), first);
  EXPECT_EQ(region.data()[0], std::byte{1});  // not faulted afresh
  EXPECT_EQ(pool.held_bytes(), 0U);
}

TEST(RegionPool, WithoutKeepNothingStays) {
  RegionPool pool(false);
  { touch(pool.acquire(8 * kMiB)); }
  EXPECT_EQ(pool.held_bytes(), 0U);
}

TEST(RegionPool, AlternatingShapesLoseNothing) {
  RegionPool pool(true);
  for (int run = 0; run < 50; ++run) {
    const Region region = pool.acquire(run % 2 == 0 ? 4 * kMiB : kMiB);
    if (run >= 2 && run % 2 == 0) {
      ASSERT_EQ(region.data()[4 * kMiB - 1], std::byte{1}) << "the page was given back";
    }
    touch(region);
  }
  EXPECT_EQ(pool.held_bytes(), 4 * kMiB);
}

TEST(RegionPool, AnExceptionalRunIsForgotten) {
  RegionPool pool(true);
  { touch(pool.acquire(32 * kMiB)); }
  const uint64_t before = process_memory().resident;
  for (int run = 0; run < RegionPool::kWindow - 1; ++run) {
    pool.acquire(kMiB);
    EXPECT_EQ(pool.held_bytes(), 32 * kMiB);
  }
  pool.acquire(kMiB);
  EXPECT_EQ(pool.held_bytes(), kMiB);
  if (before != 0) {
    EXPECT_LT(process_memory().resident, before - 16 * kMiB);
  }
  // Runs too small for a region forget it as well.
  for (int run = 0; run < RegionPool::kWindow; ++run) pool.acquire(100);
  EXPECT_EQ(pool.held_bytes(), 0U);
}

TEST(RegionPool, PartsOfARunDoNotPushOutItsPast) {
  RegionPool pool(true);
  for (int run = 0; run < 3; ++run) {
    const Region main = pool.acquire(4 * kMiB);
    for (int body = 0; body < 100; ++body) touch(pool.acquire(kMiB, RegionUse::kPart));
    touch(main);
  }
  EXPECT_EQ(pool.held_bytes(), 5 * kMiB);
}

TEST(RegionPool, GrowingKeepsPages) {
  RegionPool pool(true);
  { touch(pool.acquire(kMiB)); }
  const Region region = pool.acquire(2 * kMiB);
  EXPECT_EQ(region.data()[kMiB - 1], std::byte{1});
  EXPECT_EQ(region.data()[kMiB], std::byte{0});
}

TEST(RegionPool, AsManyAsRunsAtOnce) {
  RegionPool pool(true);
  {
    std::vector<Region> regions;
    for (int i = 0; i < 3; ++i) regions.push_back(pool.acquire(kMiB));
  }
  EXPECT_EQ(pool.held_bytes(), 3 * kMiB);
  for (int run = 0; run < RegionPool::kWindow; ++run) pool.acquire(kMiB);
  EXPECT_EQ(pool.held_bytes(), kMiB);
  pool.shrink();
  EXPECT_EQ(pool.held_bytes(), 0U);
}

TEST(RegionPool, ARefusalNamesTheSizesAndLosesNothing) {
  RegionPool pool(true);
  { touch(pool.acquire(kMiB)); }
  try {
    pool.acquire(size_t{1} << 50);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kRuntimeException);
    EXPECT_NE(error.text().find("1125899906842624"), std::string::npos) << error.text();
  }
  EXPECT_EQ(pool.held_bytes(), kMiB);
}

TEST(RegionPool, ARegionMayOutliveItsPool) {
  Region region;
  {
    RegionPool pool(true);
    region = pool.acquire(kMiB);
  }
  touch(region);
  EXPECT_EQ(region.data()[kMiB - 1], std::byte{1});
}

TEST(RegionPool, ManyThreads) {
  RegionPool pool(true);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int id = 0; id < 6; ++id) {
    threads.emplace_back([&, id] {
      for (int run = 0; run < 100; ++run) {
        const Region region = pool.acquire(static_cast<size_t>(65 + (run * 37 + id * 11) % 200) << 10);
        std::memset(region.data(), id, region.size());
        std::this_thread::yield();
        for (size_t i = 0; i < region.size(); i += 4096) wrong += region.data()[i] != std::byte(id) ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_LE(pool.held_bytes(), 6 * (265U << 10));
}

TEST(RegionPool, ForkInTheMidst) {
  RegionPool pool(true);
  std::atomic<bool> stop{false};
  std::thread other([&] {
    while (!stop) pool.acquire(100 << 10);
  });
  int failures = 0;
  for (int round = 0; round < 10; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(10);
      touch(pool.acquire(kMiB));
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    failures += status != 0 ? 1 : 0;
  }
  stop = true;
  other.join();
  EXPECT_EQ(failures, 0);
}

TEST(OutputBuffers, FreedBuffersServeTheNextRun) {
  OutputBuffers buffers(true);
  const std::byte* freed = nullptr;
  std::shared_ptr<std::byte> kept;
  for (int run = 0; run < 10; ++run) {
    OutputBuffers::Run outputs = buffers.begin_run();
    std::shared_ptr<std::byte> output = outputs.acquire(kMiB);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(output.get()) % kRegionAlignment, 0U);
    EXPECT_NE(output, kept);  // its owner has not let go of it
    if (run >= 2) {
      EXPECT_EQ(output.get(), freed);
    }
    std::memset(output.get(), run, kMiB);
    freed = kept.get();
    kept = std::move(output);  // lets go of the run's before, as `outputs = session.run(...)` does
  }
  EXPECT_EQ(buffers.held_bytes(), kMiB);
  buffers.shrink();
  EXPECT_EQ(buffers.held_bytes(), 0U);
}

TEST(OutputBuffers, WithoutKeepNothingWaits) {
  OutputBuffers buffers(false);
  {
    OutputBuffers::Run outputs = buffers.begin_run();
    const auto output = outputs.acquire(kMiB);
    std::memset(output.get(), 1, kMiB);
  }
  EXPECT_EQ(buffers.held_bytes(), 0U);
}

TEST(OutputBuffers, OnlyARunsWorthWaits) {
  OutputBuffers buffers(true);
  std::vector<std::shared_ptr<std::byte>> all;
  for (int run = 0; run < 20; ++run) {
    OutputBuffers::Run outputs = buffers.begin_run();
    all.push_back(outputs.acquire(kMiB));
    all.push_back(outputs.acquire(2 * kMiB));
    all.push_back(outputs.acquire(100));
    EXPECT_EQ(outputs.acquire(0), nullptr);
  }
  all.clear();
  EXPECT_LE(buffers.held_bytes(), 3 * kMiB);
  EXPECT_GE(buffers.held_bytes(), kMiB);
  // Smaller outputs from now on: what is too large for them goes.
  for (int run = 0; run < OutputBuffers::kWindow; ++run) {
    OutputBuffers::Run outputs = buffers.begin_run();
    outputs.acquire(100 << 10);
  }
  EXPECT_LE(buffers.held_bytes(), 100U << 10);
}

TEST(OutputBuffers, AGiantDoesNotServeADwarf) {
  OutputBuffers buffers(true);
  OutputBuffers::Run outputs = buffers.begin_run();
  { OutputBuffers::Run(buffers.begin_run()).acquire(16 * kMiB); }
  const auto small = outputs.acquire(kMiB);
  EXPECT_NE(small, nullptr);
  EXPECT_LE(buffers.held_bytes(), 16 * kMiB);
}

TEST(OutputBuffers, MayOutliveThePool) {
  std::shared_ptr<std::byte> output;
  {
    OutputBuffers buffers(true);
    OutputBuffers::Run outputs = buffers.begin_run();
    output = outputs.acquire(kMiB);
  }
  std::memset(output.get(), 1, kMiB);
  EXPECT_EQ(output.get()[kMiB - 1], std::byte{1});
  EXPECT_THROW(OutputBuffers(true).begin_run().acquire(size_t{1} << 50), Error);
}

TEST(OutputBuffers, ManyThreads) {
  OutputBuffers buffers(true);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int id = 0; id < 6; ++id) {
    threads.emplace_back([&, id] {
      std::shared_ptr<std::byte> previous;
      for (int run = 0; run < 100; ++run) {
        OutputBuffers::Run outputs = buffers.begin_run();
        std::shared_ptr<std::byte> output = outputs.acquire(128 << 10);
        std::memset(output.get(), id, 128 << 10);
        if (previous) wrong += previous.get()[1000] != std::byte(id) ? 1 : 0;
        previous = std::move(output);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace attune
