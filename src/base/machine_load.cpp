#include "base/machine_load.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>
#include <string>

namespace attune {

MachineTimes read_machine_times(const std::vector<int>& cpus, const std::filesystem::path& root) {
  MachineTimes times;
  const auto ticks_per_second = static_cast<double>(::sysconf(_SC_CLK_TCK));
  // "cpu1 user nice system idle iowait irq softirq steal ...", in ticks.
  std::ifstream file(root / "proc/stat");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("cpu") || line.size() < 4 || line[3] == ' ') continue;
    std::istringstream fields(line.substr(3));
    int cpu = -1;
    std::array<double, 8> ticks = {};
    fields >> cpu;
    for (double& count : ticks) fields >> count;
    if (std::find(cpus.begin(), cpus.end(), cpu) == cpus.end()) continue;
    times.busy += (ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]) / ticks_per_second;
    times.stolen += ticks[7] / ticks_per_second;
  }
  times.throttled = cgroup_throttled_seconds(root);
  return times;
}

}  // namespace attune
