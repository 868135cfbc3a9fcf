#include "base/machine_load.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "base/cpu.h"

namespace attune {
namespace {

TEST(MachineTimes, CountsTheCpusAskedFor) {
  std::string name = (std::filesystem::temp_directory_path() / "attune_load_XXXXXX").string();
  ASSERT_NE(::mkdtemp(name.data()), nullptr);
  const std::filesystem::path root = name;
  std::filesystem::create_directories(root / "proc");
  std::ofstream(root / "proc/stat") << "cpu  9999 9999 9999 9999 0 0 0 9999 0 0\n"
                                       "cpu0 100 20 30 5000 7 1 2 40 0 0\n"
                                       "cpu1 1 1 1 5000 7 0 0 1 0 0\n"
                                       "cpu11 1000 1000 1000 5000 7 0 0 1000 0 0\n"
                                       "intr 12345\n";
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  const MachineTimes times = read_machine_times({0, 1}, root);
  EXPECT_DOUBLE_EQ(times.busy, (100 + 20 + 30 + 1 + 2 + 3) / ticks);
  EXPECT_DOUBLE_EQ(times.stolen, 41 / ticks);
  EXPECT_EQ(times.throttled, 0);
  std::filesystem::remove_all(root);
  EXPECT_EQ(read_machine_times({0}, root).busy, 0);
}

TEST(MachineTimes, GrowWhileThisProcessWorks) {
  const std::vector<int> cpus = affinity_cpus();
  const double before = read_machine_times(cpus).busy;
  const int64_t start = process_cpu_ns();
  while (process_cpu_ns() - start < 100'000'000) {
  }
  EXPECT_GE(read_machine_times(cpus).busy - before, 0.05);
}

}  // namespace
}  // namespace attune
