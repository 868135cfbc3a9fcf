// Which inputs of a Concat are computed straight into its output, so that nothing is copied.
//
// Where the output's memory is its inputs one behind another (JoinsInputs), a step that makes an input can
// write it where the Concat would move it. The output's memory is then needed from the first such step on, which may
// be long before the Concat: an input is left alone where that would raise the peak of the plan. Steps run one after
// another; plans for steps that run at the same time copy.
//
// Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace attune {

/// Memory that is needed from the start of step `first` to the end of step `last`, if the value stays where it is.
struct OwnMemory {
  int first = 0;
  int last = 0;
  size_t bytes = 0;  ///< 0 when it is no memory of the region, or shared with what was there before.
};

struct JoinInput {
  int value = 0;
  size_t offset = 0;  ///< In the output; JoinsInputs::kMoved when it does not lie there as it is.
  /// False when it must stay where it is, and is copied: a graph input or output, a constant, a view.
  bool may_move = false;
  OwnMemory own;  ///< From the step that makes it; meaningless unless may_move.
};

/// One Concat.
struct Join {
  int output = 0;
  bool may_move = false;  ///< The output, to where all inputs lie already.
  OwnMemory own;          ///< The output's.
  std::vector<JoinInput> inputs;
};

/// A value that lies within the memory of another one, or of itself where something else lies with it.
struct JoinedPlace {
  int root = -1;  ///< A Concat's output; -1 for a value that is not joined.
  size_t offset = 0;
};

/// The place of each of `values` values. `joins` are in the order in which they run, `live` is what all memory of the
/// region takes while each step runs. No step's sum becomes larger than the largest is without joining. A Concat whose
/// output is an input of another one is joined with it: the memory of a dense block, which adds a few channels to all
/// there are again and again, becomes one.
std::vector<JoinedPlace> choose_joined_places(std::span<const Join> joins, std::vector<size_t> live, size_t values);

}  // namespace attune
