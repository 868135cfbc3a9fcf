// The part of a program that some of its outputs need. Thread safety: immutable once made.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "plan/program.h"

namespace attune {

struct RunPart {
  std::vector<bool> steps;    ///< By Program::steps: whether it runs.
  std::vector<bool> outputs;  ///< By Program::outputs: whether it is wanted.
};

/// What computes the outputs numbered `wanted`. Costs a look at each step's inputs and outputs.
RunPart part_for(const Program& program, std::span<const size_t> wanted);

}  // namespace attune
