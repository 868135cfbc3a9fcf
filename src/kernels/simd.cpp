#include "kernels/simd.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <vector>

namespace attune::kernels {
namespace {

#if HWY_ARCH_X86
constexpr int64_t kBaselineBits = HWY_SSE4;
constexpr int64_t kAvx2Bits = HWY_AVX2;
constexpr int64_t kAvx512Bits = HWY_AVX3;
constexpr std::string_view kBaselineName = "sse4";
#else
constexpr int64_t kBaselineBits = HWY_STATIC_TARGET;
constexpr int64_t kAvx2Bits = 0;
constexpr int64_t kAvx512Bits = 0;
constexpr std::string_view kBaselineName = "baseline";
#endif

int64_t highway_bits(Target target) {
  switch (target) {
    case Target::kAvx512:
      return kAvx512Bits;
    case Target::kAvx2:
      return kAvx2Bits;
    case Target::kBaseline:
      break;
  }
  return kBaselineBits;
}

const std::vector<Target>& machine_targets() {
  static const std::vector<Target> targets = [] {
    const int64_t supported = hwy::SupportedTargets() & HWY_TARGETS;
    std::vector<Target> found;
    for (Target target : {Target::kAvx512, Target::kAvx2}) {
      if ((supported & highway_bits(target)) != 0) found.push_back(target);
    }
    found.push_back(Target::kBaseline);
    return found;
  }();
  return targets;
}

bool is_supported(Target target) {
  const auto& targets = machine_targets();
  return std::find(targets.begin(), targets.end(), target) != targets.end();
}

// What the process started with: ATTUNE_TARGET if it names a target that the machine has, else the best.
Target initial_target() {
  static const Target initial = [] {
    const char* name = std::getenv("ATTUNE_TARGET");
    if (name != nullptr) {
      for (Target target : machine_targets()) {
        if (target_name(target) == name) return target;
      }
    }
    return machine_targets().front();
  }();
  return initial;
}

std::atomic<Target>& current() {
  static std::atomic<Target> value{initial_target()};
  return value;
}

void activate(Target target) {
  // Highway keeps one choice for the process. Its own mask "for test" is the only one that can be widened again.
  hwy::SetSupportedTargetsForTest(highway_bits(target));
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  current().store(target, std::memory_order_relaxed);
}

}  // namespace

Target active_target() { return current().load(std::memory_order_relaxed); }

std::string_view target_name() { return target_name(active_target()); }

std::string_view target_name(Target target) {
  switch (target) {
    case Target::kAvx512:
      return "avx512";
    case Target::kAvx2:
      return "avx2";
    case Target::kBaseline:
      break;
  }
  return kBaselineName;
}

std::span<const Target> supported_targets() { return machine_targets(); }

bool force_target(Target target) {
  if (!is_supported(target)) return false;
  activate(target);
  return true;
}

void unforce_target() { activate(initial_target()); }

int vector_floats() {
  switch (active_target()) {
    case Target::kAvx512:
      return 16;
    case Target::kAvx2:
      return 8;
    case Target::kBaseline:
      break;
  }
  return 4;
}

namespace internal {
bool initialize_target() {
  activate(initial_target());
  return true;
}
}  // namespace internal

}  // namespace attune::kernels
