// Any bytes given to a session end in a session or in attune::Error; a session whose plan is small runs, or throws
// attune::Error. All of the engine but the Python module stands behind this function.
#include "run_if_small.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return attune::fuzz::load_and_run(std::as_bytes(std::span(data, size)));
}
