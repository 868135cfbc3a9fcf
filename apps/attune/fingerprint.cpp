#include "fingerprint.h"

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "attune/session.h"
#include "base/cpu.h"
#include "base/file_mapping.h"

namespace attune {

nlohmann::json make_fingerprint(const std::string& model) {
  const FileMapping file(model);
  const XXH128_hash_t hash = XXH3_128bits(file.bytes().data(), file.bytes().size());
  return {{"model_xxh3_128", fmt::format("{:016x}{:016x}", hash.high64, hash.low64)},
          {"model_bytes", file.bytes().size()},
          {"cpu", cpu_model_name()},
          {"usable_cpus", usable_cpus()},
          {"attune", std::string(version())}};
}

}  // namespace attune
