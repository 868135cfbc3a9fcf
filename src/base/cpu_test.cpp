#include "base/cpu.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

namespace attune {
namespace {

namespace fs = std::filesystem;

class CpuTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "attune_cpu_XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
  }
  void TearDown() override { fs::remove_all(root_); }

  void write(const std::string& path, const std::string& text) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text << '\n';
  }

  fs::path root_;
};

TEST(Cpu, ChooseThreadCount) {
  EXPECT_EQ(choose_thread_count(16, 8, 0), 8);
  EXPECT_EQ(choose_thread_count(4, 8, 0), 4);
  EXPECT_EQ(choose_thread_count(16, 8, 1.5), 2);
  EXPECT_EQ(choose_thread_count(16, 8, 2.0), 2);
  EXPECT_EQ(choose_thread_count(16, 8, 0.1), 1);
  EXPECT_EQ(choose_thread_count(16, 8, 1e300), 8);
  EXPECT_EQ(choose_thread_count(0, 0, 0), 1);
}

TEST(Cpu, ThisMachine) {
  const std::vector<int> cpus = affinity_cpus();
  ASSERT_FALSE(cpus.empty());
  EXPECT_TRUE(std::is_sorted(cpus.begin(), cpus.end()));
  EXPECT_GE(usable_cpus(), 1);
  EXPECT_LE(usable_cpus(), static_cast<int>(cpus.size()));
  EXPECT_GE(default_thread_count(), 1);
  EXPECT_LE(default_thread_count(), usable_cpus());
  EXPECT_FALSE(cpu_model_name().empty());
  EXPECT_GE(cache_sizes().l1d, 4 << 10);
}

TEST(Cpu, AffinityOfOneThread) {
  const std::vector<int> before = affinity_cpus();
  std::vector<int> inside;
  bool refused = true;
  std::thread([&] {
    ASSERT_TRUE(set_thread_affinity({before.front()}));
    inside = affinity_cpus();
    refused = !set_thread_affinity({}) && !set_thread_affinity({-1}) && !set_thread_affinity({1 << 20});
  }).join();
  EXPECT_EQ(inside, std::vector<int>{before.front()});
  EXPECT_TRUE(refused);
  EXPECT_EQ(affinity_cpus(), before);
}

TEST_F(CpuTest, PhysicalCores) {
  const std::string folder = "sys/devices/system/cpu/cpu";
  for (int cpu = 0; cpu < 8; ++cpu) {
    const std::string siblings = std::to_string(cpu % 4) + "," + std::to_string(cpu % 4 + 4);
    write(folder + std::to_string(cpu) + "/topology/thread_siblings_list", siblings);
  }
  EXPECT_EQ(count_physical_cores({0, 1, 2, 3, 4, 5, 6, 7}, root_), 4);
  EXPECT_EQ(count_physical_cores({0, 4, 5}, root_), 2);
  EXPECT_EQ(count_physical_cores({0, 1, 8}, root_), 3);  // unknown: taken for cores of their own
  EXPECT_EQ(count_physical_cores({0, 1, 2}, "/nonexistent"), 3);
}

TEST_F(CpuTest, Caches) {
  const CacheSizes defaults = read_cache_sizes(root_);
  EXPECT_EQ(defaults.l1d, 32 << 10);
  EXPECT_EQ(defaults.l2, 1 << 20);
  EXPECT_EQ(defaults.l3, 8 << 20);
  const auto cache = [this](int index, const char* level, const char* type, const char* size) {
    const std::string folder = "sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index) + "/";
    write(folder + "level", level);
    write(folder + "type", type);
    write(folder + "size", size);
  };
  cache(0, "1", "Data", "48K");
  cache(1, "1", "Instruction", "64K");
  cache(2, "2", "Unified", "2M");
  cache(3, "3", "Unified", "junk");
  const CacheSizes sizes = read_cache_sizes(root_);
  EXPECT_EQ(sizes.l1d, 48 << 10);
  EXPECT_EQ(sizes.l2, 2 << 20);
  EXPECT_EQ(sizes.l3, defaults.l3);
}

TEST_F(CpuTest, ModelName) {
  EXPECT_EQ(cpu_model_name(root_), "unknown");
  write("proc/cpuinfo", "processor\t: 0\nmodel\t\t: 85\nmodel name\t: Some CPU @ 2.5GHz");
  EXPECT_EQ(cpu_model_name(root_), "Some CPU @ 2.5GHz");
}

TEST(Cpu, Clocks) {
  const int64_t wall = monotonic_ns();
  const int64_t cpu = process_cpu_ns();
  volatile int work = 0;
  while (monotonic_ns() - wall < 2'000'000) work = work + 1;
  EXPECT_GT(process_cpu_ns(), cpu);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_GE(monotonic_ns() - wall, 7'000'000);
}

}  // namespace
}  // namespace attune
