// A program with concrete shapes: what each step reads and writes, and where it lies.
//
// Thread safety: a Plan is immutable once bound; any number of runs share it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "plan/batch_split.h"
#include "plan/program.h"
#include "plan/region_layout.h"
#include "plan/schedule.h"
#include "tensor/tensor_view.h"

namespace attune {

/// Where a value's elements are while a segment runs.
enum class Place : uint8_t {
  kNone,      ///< Not needed: nobody reads it.
  kConstant,  ///< A constant, or a view of one: Program::values[index].constant.
  kInput,     ///< The caller's tensor.
  kOutput,    ///< An output tensor of the run.
  kRegion,    ///< The segment's region, at `offset`.
  kBound,     ///< Segment::bound: computed while binding.
  kEarlier,   ///< An earlier segment's memory.
  kGiven,     ///< The step that makes it allocates it, because its size depends on data or it is a container;
              ///< Segment::tensors of them.
  kStrings,   ///< Strings, which are objects: one of the tensors that the run makes.
};

struct PlannedValue {
  Place place = Place::kNone;
  int index = 0;      ///< Of the constant, input, output, bound tensor, or tensor of the run.
  size_t offset = 0;  ///< Into the region, or into the output's memory.
};

/// One step to run, with its scratch memory.
struct PlannedStep {
  int step = 0;
  size_t workspace_offset = 0;
  size_t workspace_bytes = 0;
};

/// Memory that one value, and those that share it, need from a step to another: positions in Segment::steps. Within a
/// group of steps it is what a piece needs.
struct Block {
  int value = 0;  ///< The first value that lies there.
  int first = 0;
  int last = 0;
  size_t bytes = 0;
};

/// A value as the steps of a group see it.
struct PieceValue {
  int value = 0;
  bool is_split = false;    ///< They see a piece of the batch, not all of the value.
  size_t sample_bytes = 0;  ///< Between one sample and the next; 0 where all pieces use the same memory.
  Shape shape;              ///< Of a piece.
  Shape last_shape;         ///< Of the last piece.
};

/// Steps that run one piece of the batch after another, and all values that they touch.
struct PlannedGroup : BatchGroup {
  std::vector<PieceValue> values;
};

/// An output that no step writes where it belongs: another output, an input or a constant is the same value.
struct OutputCopy {
  int output = 0;
  int value = 0;
};

/// A run of steps whose shapes are all known before the first of them runs. Most models are one segment; one ends
/// after each step whose output sizes depend on data.
struct Segment {
  int first_step = 0;
  int end_step = 0;  ///< One past the last.
  std::vector<PlannedStep> steps;
  std::vector<Unit> units;           ///< All steps, in order.
  std::vector<PlannedGroup> groups;  ///< What Unit::group indexes.
  std::vector<PlannedValue> values;  ///< One for each Program value.
  std::vector<Shape> shapes;         ///< Likewise; valid where the value's shape is known.
  std::vector<Tensor> bound;         ///< What Place::kBound values index.
  std::vector<Block> blocks;
  std::vector<OutputCopy> copies;  ///< After the last segment.
  /// What steps see of each value: everything but addresses in memory that a run has of its own.
  std::vector<TensorView> views;
  /// Values whose addresses a run fills in, those in the region first.
  std::vector<int> placed;
  size_t placed_in_region = 0;
  std::vector<int> unknown;  ///< Values whose shapes are known when the segment has run: the next one needs them.
  size_t tensors = 0;        ///< Tensors that the run makes: Place::kGiven and Place::kStrings.
  /// Which units (the schedule's steps) may run at the same time, and share no memory; empty where none may, and unless
  /// BindOptions::concurrent.
  Schedule schedule;
  size_t region_bytes = 0;
  size_t lower_bound = 0;  ///< The largest set of blocks alive at once.
  bool is_last = false;
};

/// What the plan of a run needs to know of the machine.
struct BindOptions {
  int threads = 1;  ///< The most threads of a run: scratch memory may depend on it, results never do.
  /// Plans for independent steps to run at the same time: a block's memory is used again only by steps that run when
  /// all that touch the block have finished, whatever the order.
  bool concurrent = false;
  /// What all regions of a run may take together; a plan that needs more goes through the batch in smaller pieces than
  /// pay.
  size_t most_region_bytes = SIZE_MAX;
};

/// What is known when a segment begins.
struct BindState {
  std::vector<Shape> shapes;    ///< One for each Program value.
  std::vector<bool> known;      ///< Whether the shape is.
  std::vector<bool> available;  ///< Whether an earlier segment has computed the value.
  std::vector<Tensor> bound;    ///< Values computed while binding, undefined otherwise.
  size_t region_bytes = 0;      ///< Of earlier segments.
  int next_step = 0;
};

/// The state before the first segment. `inputs` are the shapes of the program's inputs, already checked against the
/// model. Throws nothing of its own.
BindState start_binding(const Program& program, std::span<const Shape> inputs);

/// Infers shapes from state.next_step on, evaluates shape arithmetic, and lays out memory for the steps up to the end
/// or to the first whose output sizes depend on data; moves the state behind them. Throws Error naming the node when
/// shapes contradict each other, kRuntimeException when a size overflows or BindOptions::most_region_bytes cannot be
/// kept.
std::shared_ptr<const Segment> bind_segment(const Program& program, BindState& state, const BindOptions& options);

/// " The largest tensor is 'x' of shape {1,16,512,512}, 16.0 MiB.", of those that lie in the segment's region; nothing
/// where none does. For messages about memory.
std::string describe_largest_tensor(const Program& program, const Segment& segment);

/// Bytes of intermediate tensors, outputs and scratch memory in use while each of the segment's steps runs, one after
/// another.
std::vector<size_t> live_bytes(const Segment& segment);

}  // namespace attune
