#include "fingerprint.h"

#include "base/cgroup.h"
#include "base/content_hash.h"
#include "base/cpu.h"
#include "base/file_mapping.h"
#include "base/memory.h"

namespace attune {

TunedModel fingerprint_model(const std::string& model) {
  const FileMapping file(model);
  return {model, content_hash(file), file.bytes().size()};
}

TunedMachine fingerprint_machine() {
  const std::vector<int> cpus = affinity_cpus();
  return {.cpu = cpu_model_name(),
          .cpus = static_cast<int>(cpus.size()),
          .usable_cpus = usable_cpus(),
          .physical_cores = count_physical_cores(cpus),
          .quota_cpus = cgroup_cpu_quota().value_or(0),
          .memory_bytes = memory_limit()};
}

}  // namespace attune
