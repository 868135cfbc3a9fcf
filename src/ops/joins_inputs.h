// For operators that put their inputs one behind another in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "tensor/tensor_view.h"

namespace attune {

/// What an Operator is besides, if output 0 may be its inputs one behind another: Concat. The planner may then have an
/// input computed where it belongs in the output (plan/joined_values.h).
class JoinsInputs {
 public:
  virtual ~JoinsInputs() = default;

  /// The byte of the output's memory at which each input begins, its memory unchanged, or kMoved. run() leaves alone an
  /// input that already lies there. Empty where there is no such input. Arguments as for Operator::workspace_bytes().
  virtual std::vector<size_t> joined_inputs(std::span<const TensorView> inputs,
                                            std::span<const TensorView> outputs) const = 0;

  static constexpr size_t kMoved = SIZE_MAX;
};

}  // namespace attune
