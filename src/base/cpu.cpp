#include "base/cpu.h"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <ctime>
#include <fstream>
#include <memory>
#include <set>
#include <thread>

#include "base/cgroup.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

struct FreeCpuSet {
  void operator()(cpu_set_t* set) const { CPU_FREE(set); }
};
using CpuSet = std::unique_ptr<cpu_set_t, FreeCpuSet>;

std::string read_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// "48K", "2048K", "32M"; 0 if it is none of these.
int64_t parse_cache_size(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value <= 0 || value > (int64_t{1} << 40)) return 0;
  if (end == text.data() + text.size()) return value;
  return *end == 'K' ? value << 10 : *end == 'M' ? value << 20 : 0;
}

int64_t read_clock(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

std::vector<int> affinity_cpus() {
  // The kernel refuses a mask shorter than its own, whose length it does not tell.
  for (int size = 1024; size <= (1 << 18); size *= 4) {
    const CpuSet set(CPU_ALLOC(size));
    if (!set) break;
    const size_t bytes = CPU_ALLOC_SIZE(size);
    CPU_ZERO_S(bytes, set.get());
    if (::sched_getaffinity(0, bytes, set.get()) != 0) {
      if (errno == EINVAL) continue;
      break;
    }
    std::vector<int> cpus;
    for (int cpu = 0; cpu < size; ++cpu) {
      if (CPU_ISSET_S(static_cast<size_t>(cpu), bytes, set.get())) cpus.push_back(cpu);
    }
    if (!cpus.empty()) return cpus;
  }
  std::vector<int> cpus(std::max(1U, std::thread::hardware_concurrency()));
  for (size_t i = 0; i < cpus.size(); ++i) cpus[i] = static_cast<int>(i);
  return cpus;
}

bool set_thread_affinity(const std::vector<int>& cpus) {
  constexpr int kMost = 1 << 18;
  if (cpus.empty()) return false;
  const auto [smallest, largest] = std::minmax_element(cpus.begin(), cpus.end());
  if (*smallest < 0 || *largest >= kMost) return false;
  const CpuSet set(CPU_ALLOC(*largest + 1));
  if (!set) return false;
  const size_t bytes = CPU_ALLOC_SIZE(*largest + 1);
  CPU_ZERO_S(bytes, set.get());
  for (const int cpu : cpus) CPU_SET_S(static_cast<size_t>(cpu), bytes, set.get());
  return ::sched_setaffinity(0, bytes, set.get()) == 0;
}

int count_physical_cores(const std::vector<int>& cpus, const fs::path& root) {
  const fs::path folder = root / "sys/devices/system/cpu";
  std::set<std::string> cores;
  for (const int cpu : cpus) {
    // The list of a core's hardware threads, the same text in each of them, names the core.
    const std::string siblings =
        read_line(folder / ("cpu" + std::to_string(cpu)) / "topology" / "thread_siblings_list");
    if (siblings.empty()) return static_cast<int>(cpus.size());
    cores.insert(siblings);
  }
  return static_cast<int>(cores.size());
}

int choose_thread_count(int affinity, int physical_cores, double quota) {
  int count = std::min(affinity, physical_cores);
  if (quota > 0 && quota < count) count = static_cast<int>(std::ceil(quota));
  return std::max(count, 1);
}

int usable_cpus() {
  static const int count = [] {
    const int cpus = static_cast<int>(affinity_cpus().size());
    return choose_thread_count(cpus, cpus, cgroup_cpu_quota().value_or(0));
  }();
  return count;
}

int default_thread_count() {
  static const int count = [] {
    const std::vector<int> cpus = affinity_cpus();
    return choose_thread_count(static_cast<int>(cpus.size()), count_physical_cores(cpus, system_root()),
                               cgroup_cpu_quota().value_or(0));
  }();
  return count;
}

std::string cpu_model_name(const fs::path& root) {
  std::ifstream file(root / "proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("model name")) continue;
    const size_t colon = line.find(':');
    const size_t begin = colon == std::string::npos ? colon : line.find_first_not_of(" \t", colon + 1);
    if (begin != std::string::npos) return line.substr(begin);
  }
  return "unknown";
}

CacheSizes read_cache_sizes(const fs::path& root) {
  CacheSizes sizes;
  const fs::path folder = root / "sys/devices/system/cpu/cpu0/cache";
  for (int index = 0; index < 8; ++index) {
    const fs::path cache = folder / ("index" + std::to_string(index));
    const int64_t size = parse_cache_size(read_line(cache / "size"));
    if (size == 0 || read_line(cache / "type") == "Instruction") continue;
    const std::string level = read_line(cache / "level");
    if (level == "1") sizes.l1d = size;
    if (level == "2") sizes.l2 = size;
    if (level == "3") sizes.l3 = size;
  }
  return sizes;
}

const CacheSizes& cache_sizes() {
  static const CacheSizes sizes = read_cache_sizes();
  return sizes;
}

int64_t monotonic_ns() { return read_clock(CLOCK_MONOTONIC); }

int64_t process_cpu_ns() { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }

}  // namespace attune
