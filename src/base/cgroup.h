// The limits that a container puts on this process: control groups, versions 1 and 2 and both at once.
// Thread safety: free functions without state. A file that is missing or makes no sense means "no limit".
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace attune {

/// What stands for "/" where the machine's limits are read: the environment variable ATTUNE_SYSTEM_ROOT, by which tests
/// pretend to be in a container. Read once.
const std::filesystem::path& system_root();

/// CPUs' worth of time that the process may use, such as 1.5: the smallest quota / period on the way from its own group
/// up to the top that it can see.
std::optional<double> cgroup_cpu_quota(const std::filesystem::path& root = system_root());

/// Seconds in which the quota, this one or one above it, held up a process that wanted to run; 0 without any.
double cgroup_throttled_seconds(const std::filesystem::path& root = system_root());

/// Bytes of memory that the process and its siblings may use: the smallest limit on the same way.
std::optional<uint64_t> cgroup_memory_limit(const std::filesystem::path& root = system_root());

}  // namespace attune
