#include "plan/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "attune/error.h"
#include "ops/evaluate.h"

namespace attune {
namespace {

// Results of shape arithmetic that are larger than this are left to the run.
constexpr int64_t kMostBoundElements = 4096;

// What a tensor of a concrete shape may take at most; far above any machine, and safe to add up.
constexpr int64_t kMostBytes = int64_t{1} << 46;

class Binder {
 public:
  Binder(const Program& program, BindState& state, const BindOptions& options)
      : program_(program), state_(state), options_(options), segment_(std::make_shared<Segment>()) {}

  std::shared_ptr<const Segment> bind() {
    segment_->first_step = state_.next_step;
    infer_steps();
    segment_->is_last = segment_->end_step == static_cast<int>(program_.steps.size());
    if (options_.concurrent) find_order();
    place_values();
    for (const PlannedStep& planned : segment_->steps) {
      for (const int output : program_.steps[static_cast<size_t>(planned.step)].outputs) {
        if (output != kNoValue) state_.available[static_cast<size_t>(output)] = true;
      }
    }
    state_.next_step = segment_->end_step;
    if (segment_->is_last) {
      segment_->shapes = std::move(state_.shapes);  // nothing is bound after this
    } else {
      segment_->shapes = state_.shapes;
    }
    prepare_views();
    return segment_;
  }

 private:
  static constexpr int kNoRoot = -1;

  // --- shapes ---

  void infer_steps() {
    infos_.resize(program_.values.size());
    for (size_t i = 0; i < infos_.size(); ++i) {
      ValueInfo& info = infos_[i];
      info.type = program_.values[i].type;
      info.has_shape = state_.known[i];
      if (info.has_shape) info.shape = state_.shapes[i];
      if (program_.values[i].constant && program_.values[i].layout == Layout::kPlain) {
        info.constant = &program_.values[i].constant;
      } else if (state_.bound[i]) {
        info.constant = &state_.bound[i];
      }
    }
    int step = state_.next_step;
    bool go_on = true;
    for (; go_on && step < static_cast<int>(program_.steps.size()); ++step) go_on = infer_step(step);
    segment_->end_step = step;
  }

  /// Returns whether all output shapes are known, so that the segment may go on.
  bool infer_step(int index) {
    const Step& step = program_.steps[static_cast<size_t>(index)];
    inputs_.assign(step.inputs.size(), nullptr);
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      if (step.inputs[i] != kNoValue) inputs_[i] = &infos_[static_cast<size_t>(step.inputs[i])];
    }
    outputs_.assign(step.outputs.size(), ValueInfo{});
    InferContext context(inputs_, outputs_, nullptr);
    try {
      step.op->infer(context);
      bool all_known = true;
      for (size_t i = 0; i < step.outputs.size(); ++i) {
        if (step.outputs[i] != kNoValue) all_known = store_shape(step.outputs[i], outputs_[i]) && all_known;
      }
      if (step.may_fold && all_known && fold(step)) return true;
      segment_->steps.push_back({.step = index});
      return all_known;
    } catch (const Error& error) {
      throw Error(error.code() == ErrorCode::kInvalidGraph ? ErrorCode::kFail : error.code(),
                  fmt::format("Non-zero status code returned while running {} Status Message: {}", step.describe(),
                              error.text()));
    }
  }

  bool store_shape(int value, const ValueInfo& found) {
    const auto i = static_cast<size_t>(value);
    if (!found.has_shape || !found.shape.is_concrete()) return false;
    if (found.shape.elements() > kMostBytes / 16) {
      throw Error(ErrorCode::kRuntimeException, fmt::format("Output '{}' of shape {} is larger than any memory.",
                                                            program_.values[i].name, found.shape.to_string()));
    }
    infos_[i].has_shape = true;
    infos_[i].shape = found.shape;
    state_.shapes[i] = found.shape;
    state_.known[i] = true;
    return true;
  }

  /// Computes a step of shape arithmetic now; false when an input is not known after all or a result is large.
  bool fold(const Step& step) {
    std::vector<Tensor> inputs(step.inputs.size());
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (step.inputs[i] == kNoValue) continue;
      const ValueInfo& info = *inputs_[i];
      if (info.constant != nullptr) {
        inputs[i] = *info.constant;
      } else if (step.def->reads_shapes_only) {
        inputs[i] = Tensor::view(info.type, info.shape, &segment_);  // never read, but must not look absent
      } else {
        return false;
      }
    }
    for (const int output : step.outputs) {
      if (output != kNoValue && state_.shapes[static_cast<size_t>(output)].elements() > kMostBoundElements)
        return false;
    }
    SerialParallel parallel;
    std::vector<Tensor> results = evaluate_prepared(*step.op, inputs, static_cast<int>(step.outputs.size()), parallel);
    for (size_t i = 0; i < results.size(); ++i) {
      if (step.outputs[i] == kNoValue) continue;
      const auto value = static_cast<size_t>(step.outputs[i]);
      state_.bound[value] = std::move(results[i]);
      infos_[value].constant = &state_.bound[value];
    }
    return true;
  }

  // --- memory ---

  size_t bytes_of(int value) const {
    const ProgramValue& described = program_.values[static_cast<size_t>(value)];
    const Shape& shape = state_.shapes[static_cast<size_t>(value)];
    const auto elements = static_cast<size_t>(physical_shape(shape, described.layout, program_.block).elements());
    return elements * element_size(described.type);
  }

  TensorView view_of(int value) const {
    if (value == kNoValue) return {};
    const ProgramValue& described = program_.values[static_cast<size_t>(value)];
    return {nullptr, &state_.shapes[static_cast<size_t>(value)], described.type, described.layout,
            static_cast<uint8_t>(program_.block)};
  }

  /// Values that share memory have one root: the value that was there first.
  struct Root {
    int first = 0;
    int last = 0;
    size_t bytes = 0;
    int readers = 0;  ///< Reads still to come, of all values of this root.
    int output = -1;  ///< The graph output that may live here.
    bool in_region = false;
    StepBits after;  ///< Concurrent plans: the steps that run only when all that touch it so far have finished.
  };

  void place_values() {
    const size_t count = program_.values.size();
    segment_->values.assign(count, {});
    roots_.assign(count, {});
    root_of_.assign(count, kNoRoot);
    uses_.assign(count, 0);
    place_known_values();
    count_uses();
    find_output_values();
    std::vector<Lifetime> lifetimes;
    for (int i = 0; i < static_cast<int>(segment_->steps.size()); ++i) {
      add_step(i, lifetimes);
      for (const int input : step_at(i).inputs) read(input, i);
    }
    assign_offsets(lifetimes);
    if (segment_->is_last) place_outputs();
  }

  void place_known_values() {
    for (size_t i = 0; i < program_.values.size(); ++i) {
      PlannedValue& value = segment_->values[i];
      if (program_.values[i].is_constant) {
        value.place = Place::kConstant;
      } else if (state_.bound[i]) {
        value = {Place::kBound, static_cast<int>(segment_->bound.size()), 0};
        segment_->bound.push_back(state_.bound[i]);
      } else if (state_.available[i]) {
        value.place = Place::kEarlier;
      }
    }
    for (size_t i = 0; i < program_.inputs.size(); ++i) {
      segment_->values[static_cast<size_t>(program_.inputs[i])] = {Place::kInput, static_cast<int>(i), 0};
    }
  }

  /// Reads within this segment, one more for a graph output, and a lasting one for what later segments may read.
  void count_uses() {
    for (const PlannedStep& planned : segment_->steps) {
      for (const int input : program_.steps[static_cast<size_t>(planned.step)].inputs) {
        if (input != kNoValue) ++uses_[static_cast<size_t>(input)];
      }
    }
    for (size_t s = static_cast<size_t>(segment_->end_step); s < program_.steps.size(); ++s) {
      for (const int input : program_.steps[s].inputs) {
        if (input != kNoValue) uses_[static_cast<size_t>(input)] = kForever;
      }
    }
    for (const ProgramOutput& output : program_.outputs) uses_[static_cast<size_t>(output.value)] = kForever;
  }

  /// An output may be computed where the caller gets it, when the last segment makes it and nothing else claims it.
  void find_output_values() {
    output_of_.assign(program_.values.size(), -1);
    if (!segment_->is_last) return;
    for (size_t k = 0; k < program_.outputs.size(); ++k) {
      int& output = output_of_[static_cast<size_t>(program_.outputs[k].value)];
      if (output < 0) output = static_cast<int>(k);
    }
  }

  const Step& step_at(int position) const {
    return program_.steps[static_cast<size_t>(segment_->steps[static_cast<size_t>(position)].step)];
  }

  // --- order ---

  /// What a step takes on one thread, in ns: what a step costs besides its elements, and a plain core's products and
  /// memory. Good enough to tell a convolution from a Relu.
  float estimate_cost(const Step& step) {
    constexpr double kStepNs = 100;
    constexpr double kFlopsPerNs = 40;
    constexpr double kBytesPerNs = 10;
    std::vector<TensorView> inputs;
    std::vector<TensorView> outputs;
    for (const int input : step.inputs) inputs.push_back(view_of(input));
    for (const int output : step.outputs) outputs.push_back(view_of(output));
    const bool moves_nothing = step.def != nullptr && step.def->is_view;
    size_t bytes = 0;
    for (const TensorView& view : inputs) bytes += view.dims != nullptr && !moves_nothing ? view.physical_bytes() : 0;
    for (const TensorView& view : outputs) bytes += view.dims != nullptr && !moves_nothing ? view.physical_bytes() : 0;
    const double flops = moves_nothing ? 0 : step.op->flops(inputs, outputs);
    return static_cast<float>(kStepNs + std::max(flops / kFlopsPerNs, static_cast<double>(bytes) / kBytesPerNs));
  }

  void find_order() {
    std::vector<int> maker(program_.values.size(), -1);
    std::vector<float> costs;
    std::vector<int> before;
    Dependencies dependencies;
    for (int i = 0; i < static_cast<int>(segment_->steps.size()); ++i) {
      const Step& step = step_at(i);
      before.clear();
      for (const int input : step.inputs) {
        if (input != kNoValue && maker[static_cast<size_t>(input)] >= 0) {
          before.push_back(maker[static_cast<size_t>(input)]);
        }
      }
      std::sort(before.begin(), before.end());
      before.erase(std::unique(before.begin(), before.end()), before.end());
      dependencies.add_step(before);
      costs.push_back(estimate_cost(step));
      for (const int output : step.outputs) {
        if (output != kNoValue) maker[static_cast<size_t>(output)] = i;
      }
    }
    if (has_branches(dependencies)) segment_->schedule = make_schedule(dependencies, costs);
    followers_ = find_followers(dependencies);
  }

  /// Notes that a step reads or writes a block.
  void touch(Root& root, int position) {
    if (!options_.concurrent) return;
    const StepBits& followers = followers_[static_cast<size_t>(position)];
    if (root.after.empty()) root.after.assign(followers.size(), ~uint64_t{0});
    for (size_t word = 0; word < followers.size(); ++word) root.after[word] &= followers[word];
  }

  // --- memory of one step ---

  void add_step(int position, std::vector<Lifetime>& lifetimes) {
    PlannedStep& planned = segment_->steps[static_cast<size_t>(position)];
    const Step& step = step_at(position);
    for (size_t i = 0; i < step.outputs.size(); ++i) {
      const int value = step.outputs[i];
      if (value == kNoValue) continue;
      if (!state_.known[static_cast<size_t>(value)]) {
        segment_->values[static_cast<size_t>(value)] = {Place::kGiven, static_cast<int>(segment_->tensors++), 0};
      } else if (i != 0 || !share_input(step, value, position)) {
        make_root(value, position);
      }
    }
    // A result that nobody reads still needs a place to be written to.
    std::vector<TensorView> inputs;
    std::vector<TensorView> outputs;
    for (const int input : step.inputs) inputs.push_back(view_of(input));
    for (const int output : step.outputs) outputs.push_back(view_of(output));
    planned.workspace_bytes = step.op->workspace_bytes(inputs, outputs, options_.threads);
    if (planned.workspace_bytes > 0) {
      workspaces_.push_back({static_cast<size_t>(position), lifetimes.size()});
      lifetimes.push_back({position, position, planned.workspace_bytes,
                           options_.concurrent ? &followers_[static_cast<size_t>(position)] : nullptr});
    }
  }

  void make_root(int value, int position) {
    const auto i = static_cast<size_t>(value);
    if (program_.values[i].type == DataType::kString && output_of_[i] < 0) {
      segment_->values[i] = {Place::kStrings, static_cast<int>(segment_->tensors++), 0};
      return;
    }
    root_of_[i] = value;
    Root& root = roots_[i];
    root = {position, position, bytes_of(value), uses_[i], output_of_[i], true, {}};
    touch(root, position);
    if (uses_[i] == kForever) root.last = last_position();
  }

  int last_position() const { return static_cast<int>(segment_->steps.size()) - 1; }

  /// Lets output 0 lie where an input lies: always for a view, and in place when this step is the input's last reader,
  /// in any order that the steps may run in.
  bool share_input(const Step& step, int output, int position) {
    if (step.def == nullptr) return false;
    if (step.def->is_view && step.inputs[0] != kNoValue) {
      const auto input = static_cast<size_t>(step.inputs[0]);
      if (bytes_of(step.inputs[0]) != bytes_of(output)) return false;
      if (root_of_[input] != kNoRoot) return join(output, root_of_[input], position);
      // A view of memory that others own; never written to, and an output needs memory of its own. Where tensors lie
      // that a run makes, only that run knows.
      const PlannedValue& place = segment_->values[input];
      if (output_of_[static_cast<size_t>(output)] >= 0) return false;
      if (place.place == Place::kEarlier || place.place == Place::kStrings) return false;
      segment_->values[static_cast<size_t>(output)] = place;
      return true;
    }
    for (const int k : step.def->in_place) {
      if (k >= static_cast<int>(step.inputs.size()) || step.inputs[static_cast<size_t>(k)] == kNoValue) continue;
      const int input = step.inputs[static_cast<size_t>(k)];
      const int root = root_of_[static_cast<size_t>(input)];
      if (root == kNoRoot || bytes_of(input) != bytes_of(output)) continue;
      if (program_.values[static_cast<size_t>(input)].layout != program_.values[static_cast<size_t>(output)].layout) {
        continue;
      }
      const auto reads = std::count(step.inputs.begin(), step.inputs.end(), input);
      if (roots_[static_cast<size_t>(root)].readers != reads) continue;
      if (options_.concurrent && !contains(roots_[static_cast<size_t>(root)].after, position)) continue;
      // A convolution whose image is its residual too still reads the image's other pixels.
      const auto overwritable = std::count_if(step.def->in_place.begin(), step.def->in_place.end(), [&](int place) {
        return place < static_cast<int>(step.inputs.size()) && step.inputs[static_cast<size_t>(place)] == input;
      });
      if (reads != overwritable) continue;
      return join(output, root, position);
    }
    return false;
  }

  bool join(int value, int root_value, int position) {
    const auto i = static_cast<size_t>(value);
    Root& root = roots_[static_cast<size_t>(root_value)];
    if (output_of_[i] >= 0) {
      if (root.output >= 0) return false;  // each output has memory of its own
      root.output = output_of_[i];
    }
    root_of_[i] = root_value;
    root.readers = uses_[i] == kForever ? kForever : root.readers + uses_[i];
    root.last = uses_[i] == kForever ? last_position() : std::max(root.last, position);
    touch(root, position);
    return true;
  }

  void read(int value, int position) {
    if (value == kNoValue) return;
    const int root_value = root_of_[static_cast<size_t>(value)];
    if (root_value == kNoRoot) return;
    Root& root = roots_[static_cast<size_t>(root_value)];
    if (root.readers < kForever) --root.readers;
    root.last = std::max(root.last, position);
    touch(root, position);
  }

  void assign_offsets(std::vector<Lifetime>& lifetimes) {
    const size_t first_root = lifetimes.size();
    std::vector<int> in_region;
    for (size_t i = 0; i < roots_.size(); ++i) {
      if (!roots_[i].in_region || roots_[i].output >= 0) continue;
      in_region.push_back(static_cast<int>(i));
      // What lasts to the end of the segment makes room for nothing, whoever touched it last.
      if (roots_[i].readers >= kForever) roots_[i].after.assign(roots_[i].after.size(), 0);
      lifetimes.push_back(
          {roots_[i].first, roots_[i].last, roots_[i].bytes, options_.concurrent ? &roots_[i].after : nullptr});
    }
    const MemoryLayout layout = lay_out_memory(lifetimes);
    segment_->region_bytes = layout.bytes;
    segment_->lower_bound = layout.lower_bound;
    for (const auto& [position, lifetime] : workspaces_) {
      segment_->steps[position].workspace_offset = layout.offsets[lifetime];
    }
    for (size_t k = 0; k < in_region.size(); ++k) {
      segment_->values[static_cast<size_t>(in_region[k])] = {Place::kRegion, 0, layout.offsets[first_root + k]};
    }
    for (size_t i = 0; i < roots_.size(); ++i) {
      if (roots_[i].in_region && roots_[i].output >= 0) segment_->values[i] = {Place::kOutput, roots_[i].output, 0};
    }
    for (size_t i = 0; i < roots_.size(); ++i) {
      const Root& root = roots_[i];
      if (root.in_region) segment_->blocks.push_back({static_cast<int>(i), root.first, root.last, root.bytes});
    }
    for (size_t i = 0; i < root_of_.size(); ++i) {
      if (root_of_[i] != kNoRoot) segment_->values[i] = segment_->values[static_cast<size_t>(root_of_[i])];
    }
  }

  /// All of a view but addresses that only a run knows.
  void prepare_views() {
    segment_->views.resize(program_.values.size());
    std::vector<int> elsewhere;
    for (size_t i = 0; i < program_.values.size(); ++i) {
      const ProgramValue& value = program_.values[i];
      TensorView& view = segment_->views[i];
      view = {nullptr, &segment_->shapes[i], value.type, value.layout, static_cast<uint8_t>(program_.block)};
      switch (segment_->values[i].place) {
        case Place::kConstant:
          // A packed constant has no memory of its own; a non-null pointer says that it is present.
          view.data = value.constant ? const_cast<void*>(value.constant.raw()) : const_cast<ProgramValue*>(&value);
          break;
        case Place::kBound:
          view.data = const_cast<void*>(segment_->bound[static_cast<size_t>(segment_->values[i].index)].raw());
          break;
        case Place::kRegion:
          segment_->placed.push_back(static_cast<int>(i));
          break;
        case Place::kInput:
        case Place::kOutput:
        case Place::kStrings:
        case Place::kEarlier:
          elsewhere.push_back(static_cast<int>(i));
          break;
        case Place::kNone:
        case Place::kGiven:
          break;
      }
    }
    segment_->placed_in_region = segment_->placed.size();
    segment_->placed.insert(segment_->placed.end(), elsewhere.begin(), elsewhere.end());
  }

  void place_outputs() {
    for (size_t k = 0; k < program_.outputs.size(); ++k) {
      const int value = program_.outputs[k].value;
      const PlannedValue& place = segment_->values[static_cast<size_t>(value)];
      if (place.place == Place::kOutput && place.index == static_cast<int>(k)) continue;
      segment_->copies.push_back({static_cast<int>(k), value});
    }
  }

  static constexpr int kForever = std::numeric_limits<int>::max() / 2;

  const Program& program_;
  BindState& state_;
  const BindOptions& options_;
  std::shared_ptr<Segment> segment_;
  std::vector<ValueInfo> infos_;
  std::vector<const ValueInfo*> inputs_;
  std::vector<ValueInfo> outputs_;
  std::vector<Root> roots_;
  std::vector<int> root_of_;
  std::vector<int> uses_;
  std::vector<int> output_of_;
  std::vector<std::pair<size_t, size_t>> workspaces_;  // position of the step, its lifetime
  std::vector<StepBits> followers_;                    // concurrent plans: by position
};

}  // namespace

BindState start_binding(const Program& program, std::span<const Shape> inputs) {
  const size_t count = program.values.size();
  BindState state;
  state.shapes.resize(count);
  state.known.assign(count, false);
  state.available.assign(count, false);
  state.bound.resize(count);
  for (size_t i = 0; i < count; ++i) {
    if (!program.values[i].is_constant) continue;
    state.shapes[i] = *program.values[i].shape;
    state.known[i] = true;
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    state.shapes[static_cast<size_t>(program.inputs[i])] = inputs[i];
    state.known[static_cast<size_t>(program.inputs[i])] = true;
  }
  return state;
}

std::shared_ptr<const Segment> bind_segment(const Program& program, BindState& state, const BindOptions& options) {
  return Binder(program, state, options).bind();
}

std::vector<size_t> live_bytes(const Segment& segment) {
  std::vector<size_t> live;
  live.reserve(segment.steps.size());
  for (const PlannedStep& step : segment.steps) live.push_back(step.workspace_bytes);
  for (const Block& block : segment.blocks) {
    for (int i = block.first; i <= block.last; ++i) live[static_cast<size_t>(i)] += block.bytes;
  }
  return live;
}

}  // namespace attune
