#include "base/cgroup.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace attune {
namespace {

namespace fs = std::filesystem;

// Each test writes the files of a machine below a folder that stands for "/".
class CgroupTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "attune_cgroup_XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
  }
  void TearDown() override { fs::remove_all(root_); }

  void write(const std::string& path, const std::string& text) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }

  fs::path root_;
};

TEST_F(CgroupTest, NothingIsKnown) {
  EXPECT_EQ(cgroup_cpu_quota(root_), std::nullopt);
  EXPECT_EQ(cgroup_memory_limit(root_), std::nullopt);
}

TEST_F(CgroupTest, ThrottledTimeOfBothVersions) {
  EXPECT_EQ(cgroup_throttled_seconds(root_), 0);
  write("proc/self/cgroup", "0::/\n");
  write("proc/self/mountinfo", "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
  write("sys/fs/cgroup/cpu.stat", "usage_usec 5\nnr_periods 9\nnr_throttled 3\nthrottled_usec 1500000\n");
  EXPECT_DOUBLE_EQ(cgroup_throttled_seconds(root_), 1.5);
  write("proc/self/cgroup", "4:cpu,cpuacct:/\n");
  write("proc/self/mountinfo", "31 24 0:28 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n");
  write("sys/fs/cgroup/cpu/cpu.stat", "nr_periods 9\nnr_throttled 3\nthrottled_time 2500000000\n");
  EXPECT_DOUBLE_EQ(cgroup_throttled_seconds(root_), 2.5);
}

TEST_F(CgroupTest, Version2Container) {
  write("proc/self/cgroup", "0::/\n");
  write("proc/self/mountinfo", "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
  write("sys/fs/cgroup/cpu.max", "150000 100000\n");
  write("sys/fs/cgroup/memory.max", "536870912\n");
  EXPECT_EQ(cgroup_cpu_quota(root_), 1.5);
  EXPECT_EQ(cgroup_memory_limit(root_), 536870912U);
}

TEST_F(CgroupTest, Version2SmallestOnTheWayUp) {
  write("proc/self/cgroup", "0::/system.slice/app.service/worker\n");
  write("proc/self/mountinfo", "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  write("sys/fs/cgroup/system.slice/cpu.max", "800000 100000\n");
  write("sys/fs/cgroup/system.slice/app.service/cpu.max", "50000 25000\n");
  write("sys/fs/cgroup/system.slice/app.service/worker/cpu.max", "max 100000\n");
  write("sys/fs/cgroup/system.slice/memory.max", "1000000\n");
  write("sys/fs/cgroup/system.slice/app.service/worker/memory.max", "max\n");
  EXPECT_EQ(cgroup_cpu_quota(root_), 2.0);
  EXPECT_EQ(cgroup_memory_limit(root_), 1000000U);
}

TEST_F(CgroupTest, Version1SeesItsGroupAsTheTop) {
  write("proc/self/cgroup", "9:memory:/docker/12ab\n4:cpu,cpuacct:/docker/12ab\n1:name=systemd:/docker/12ab\n");
  write("proc/self/mountinfo",
        "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
        "32 31 0:29 /docker/12ab /sys/fs/cgroup/cpu,cpuacct ro master:11 - cgroup cgroup rw,cpu,cpuacct\n"
        "35 31 0:32 /docker/12ab /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
  write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "250000\n");
  write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n");
  EXPECT_EQ(cgroup_cpu_quota(root_), 2.5);
  EXPECT_EQ(cgroup_memory_limit(root_), 268435456U);
}

TEST_F(CgroupTest, Version1Unlimited) {
  write("proc/self/cgroup", "9:memory:/a\n4:cpu:/a\n");
  write("proc/self/mountinfo",
        "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
        "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
  write("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "-1\n");
  write("sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
  write("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(cgroup_cpu_quota(root_), std::nullopt);
  EXPECT_EQ(cgroup_memory_limit(root_), std::nullopt);
}

TEST_F(CgroupTest, BothVersionsAndSpacesInNames) {
  write("proc/self/cgroup", "4:cpu:/a b\n0::/new\n");
  write("proc/self/mountinfo",
        "32 31 0:29 / /sys/fs/old\\040cpu rw - cgroup cgroup rw,cpu\n"
        "33 31 0:30 / /sys/fs/unified rw - cgroup2 cgroup2 rw\n");
  write("sys/fs/old cpu/a b/cpu.cfs_quota_us", "300000\n");
  write("sys/fs/old cpu/a b/cpu.cfs_period_us", "100000\n");
  write("sys/fs/unified/new/cpu.max", "400000 100000\n");
  EXPECT_EQ(cgroup_cpu_quota(root_), 3.0);
}

TEST_F(CgroupTest, DamagedFilesMeanNoLimit) {
  write("proc/self/cgroup", "0::/\nnonsense\n:\n::\n");
  write("proc/self/mountinfo", "x\n\n- - - -\n30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  for (const char* text : {"", "abc def", "100000", "0 0", "100000 0", "-5 100000", "99999999999999999999999 1"}) {
    write("sys/fs/cgroup/cpu.max", text);
    write("sys/fs/cgroup/memory.max", text[0] == '1' ? "12x" : text);
    EXPECT_EQ(cgroup_cpu_quota(root_), std::nullopt) << text;
    EXPECT_EQ(cgroup_memory_limit(root_), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace attune
