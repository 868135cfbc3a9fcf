// What a measurement was made of: results hold for this model on this machine under this version.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace attune {

/// {"model_xxh3_128", "model_bytes", "cpu", "usable_cpus", "attune"}. The hash is of the model file alone, not of
/// external data. Throws Error as FileMapping does.
nlohmann::json make_fingerprint(const std::string& model);

}  // namespace attune
