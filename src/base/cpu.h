// What the processor is like and how much of it this process may use; clocks.
// Thread safety: free functions, safe anywhere. `root` stands for "/" in tests.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace attune {

/// Numbers of the CPUs that the calling thread may run on, ascending; never empty.
std::vector<int> affinity_cpus();

/// Confines the calling thread to `cpus`. False, and nothing changed, when the operating system refuses, as it does
/// for CPUs outside a container's cpuset.
bool set_thread_affinity(const std::vector<int>& cpus);

/// How many different physical cores `cpus` belong to; cpus.size() if the machine does not tell.
int count_physical_cores(const std::vector<int>& cpus, const std::filesystem::path& root = "/");

/// CPUs that can run at once: the smaller of the affinity mask and the cgroup's quota rounded up; at least 1. Read
/// once.
int usable_cpus();

/// The threads that a session uses when it is not told: `usable_cpus`, but one for each physical core. Read once.
int default_thread_count();

/// The same from given parts; `quota` 0 means none.
int choose_thread_count(int affinity, int physical_cores, double quota);

/// "Intel(R) Xeon(R) Gold 6248 CPU @ 2.50GHz"; "unknown" if the machine does not tell.
std::string cpu_model_name(const std::filesystem::path& root = "/");

/// Bytes of the data caches that one core of cpu0 sees. Where the machine does not tell: 32 KiB, 1 MiB and 8 MiB.
struct CacheSizes {
  int64_t l1d = 32 << 10;
  int64_t l2 = 1 << 20;
  int64_t l3 = 8 << 20;
};
CacheSizes read_cache_sizes(const std::filesystem::path& root = "/");

/// The sizes of this machine. Read once.
const CacheSizes& cache_sizes();

/// Nanoseconds of a clock that never goes back, from an arbitrary start.
int64_t monotonic_ns();

/// Nanoseconds of CPU time that all threads of this process have used.
int64_t process_cpu_ns();

}  // namespace attune
