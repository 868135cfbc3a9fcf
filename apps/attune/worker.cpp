#include "worker.h"

#include "base/subprocess.h"

namespace attune {

std::vector<std::string> worker_command() { return {executable_path().string(), "worker"}; }

nlohmann::json prepare_request(const std::string& model, const FeedFlags& flags, bool merge) {
  return {{"command", "prepare"},   {"model", model},     {"inputs", flags.inputs},
          {"shapes", flags.shapes}, {"dims", flags.dims}, {"int_range", flags.int_range},
          {"seed", flags.seed},     {"merge", merge}};
}

}  // namespace attune
