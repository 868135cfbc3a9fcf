// What keeps the CPUs busy, beside this process. Thread safety: a free function without state.
#pragma once

#include <filesystem>
#include <vector>

#include "base/cgroup.h"

namespace attune {

/// Seconds since the machine started. A figure that the machine does not tell is 0, and stays so.
struct MachineTimes {
  double busy = 0;       ///< CPU time that was used, by anybody, of the CPUs asked for.
  double stolen = 0;     ///< CPU time of the same that the hypervisor gave to other machines.
  double throttled = 0;  ///< Time in which a process of this control group wanted to run and its quota was used up.
};

/// `cpus` are numbers as in affinity_cpus(). `root` stands for "/" in tests.
MachineTimes read_machine_times(const std::vector<int>& cpus, const std::filesystem::path& root = system_root());

}  // namespace attune
