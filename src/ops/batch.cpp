#include "ops/batch.h"

#include <cstddef>

namespace attune::ops {

int64_t output_samples(std::span<const TensorView> outputs) {
  int64_t samples = 0;
  for (const TensorView& output : outputs) {
    if (output.dims == nullptr) continue;
    if (output.rank() == 0 || (samples != 0 && output.dim(0) != samples)) return 0;
    samples = output.dim(0);
  }
  return samples >= 2 ? samples : 0;
}

uint64_t broadcast_batch(std::span<const TensorView> inputs, std::span<const TensorView> outputs) {
  const int64_t samples = output_samples(outputs);
  if (samples == 0) return 0;
  uint64_t mask = 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].dims == nullptr || inputs[i].rank() < outputs[0].rank() || inputs[i].dim(0) != samples) continue;
    if (i >= 64) return 0;
    mask |= uint64_t{1} << i;
  }
  return mask;
}

uint64_t batch_among(uint64_t candidates, std::span<const TensorView> inputs, std::span<const TensorView> outputs) {
  const int64_t samples = output_samples(outputs);
  if (samples == 0) return 0;
  uint64_t mask = 0;
  for (size_t i = 0; i < inputs.size() && i < 64; ++i) {
    if ((candidates >> i & 1U) == 0 || inputs[i].dims == nullptr) continue;
    if (inputs[i].rank() == 0 || inputs[i].dim(0) != samples) return 0;
    mask |= uint64_t{1} << i;
  }
  return mask;
}

}  // namespace attune::ops
