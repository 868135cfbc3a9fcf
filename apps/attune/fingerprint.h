// What a measurement was made of: results hold for this model under this engine on this machine.
#pragma once

#include <string>

#include "tune/result.h"

namespace attune {

/// The hash is of the model file alone, not of external data. Throws Error as FileMapping does.
TunedModel fingerprint_model(const std::string& model);

TunedMachine fingerprint_machine();

}  // namespace attune
