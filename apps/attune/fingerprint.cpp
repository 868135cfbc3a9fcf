#include "fingerprint.h"

#include "attune/session.h"
#include "base/content_hash.h"
#include "base/cpu.h"
#include "base/file_mapping.h"

namespace attune {

nlohmann::json make_fingerprint(const std::string& model) {
  const FileMapping file(model);
  return {{"model_xxh3_128", content_hash(file)},
          {"model_bytes", file.bytes().size()},
          {"cpu", cpu_model_name()},
          {"usable_cpus", usable_cpus()},
          {"attune", std::string(version())}};
}

}  // namespace attune
