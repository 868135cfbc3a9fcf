#include "runtime/run_part.h"

#include <algorithm>

namespace attune {

RunPart part_for(const Program& program, std::span<const size_t> wanted) {
  RunPart part;
  part.outputs.assign(program.outputs.size(), false);
  part.steps.assign(program.steps.size(), false);
  std::vector<bool> values(program.values.size(), false);
  const auto is_needed = [&](int value) { return value != kNoValue && values[static_cast<size_t>(value)]; };
  for (const size_t output : wanted) {
    part.outputs[output] = true;
    if (program.outputs[output].value != kNoValue) values[static_cast<size_t>(program.outputs[output].value)] = true;
  }
  for (size_t i = program.steps.size(); i-- > 0;) {
    const Step& step = program.steps[i];
    if (std::none_of(step.outputs.begin(), step.outputs.end(), is_needed)) continue;
    part.steps[i] = true;
    for (const int input : step.inputs) {
      if (input != kNoValue) values[static_cast<size_t>(input)] = true;
    }
  }
  return part;
}

}  // namespace attune
