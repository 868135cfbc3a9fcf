#include "tune/trial.h"

namespace attune {

int64_t RunSample::runs() const {
  size_t count = 0;
  for (const std::vector<double>& times : set_ms) count += times.size();
  return static_cast<int64_t>(count);
}

}  // namespace attune
