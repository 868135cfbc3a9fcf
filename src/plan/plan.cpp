#include "plan/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "attune/error.h"
#include "ops/evaluate.h"
#include "ops/joins_inputs.h"
#include "plan/joined_values.h"

namespace attune {
namespace {

// Results of shape arithmetic that are larger than this are left to the run.
constexpr int64_t kMostBoundElements = 4096;

// What a tensor of a concrete shape may take at most; far above any machine, and safe to add up.
constexpr int64_t kMostBytes = int64_t{1} << 46;

double mebibytes(size_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

std::string describe_largest(std::string_view name, const Shape& shape, size_t bytes) {
  return fmt::format(" The largest tensor is '{}' of shape {}, {:.1f} MiB.", name, shape.to_string(), mebibytes(bytes));
}

class Binder {
 public:
  Binder(const Program& program, BindState& state, const BindOptions& options)
      : program_(program), state_(state), options_(options), segment_(std::make_shared<Segment>()) {}

  std::shared_ptr<const Segment> bind() {
    segment_->first_step = state_.next_step;
    infer_steps();
    segment_->is_last = segment_->end_step == static_cast<int>(program_.steps.size());
    place_values();
    for (const PlannedStep& planned : segment_->steps) {
      for (const int output : program_.steps[static_cast<size_t>(planned.step)].outputs) {
        if (output == kNoValue) continue;
        state_.available[static_cast<size_t>(output)] = true;
        if (!state_.known[static_cast<size_t>(output)] && !is_container(output)) segment_->unknown.push_back(output);
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
      info.kind = program_.values[i].kind;
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
        if (step.outputs[i] == kNoValue || is_container(step.outputs[i])) continue;
        all_known = store_shape(step.outputs[i], outputs_[i]) && all_known;
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

  /// A sequence or an optional, which has no shape to wait for.
  bool is_container(int value) const { return program_.values[static_cast<size_t>(value)].kind != ValueKind::kTensor; }

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
    find_output_values();
    std::vector<RegionBlock> blocks;
    RegionLayout layout = lay_out_whole(blocks);
    const size_t most_bytes = options_.most_region_bytes - std::min(options_.most_region_bytes, state_.region_bytes);
    if (layout.bytes >= kLeastSplitBytes || layout.bytes > most_bytes) {
      describe_batch_steps();
      const std::vector<BatchGroup> groups =
          choose_batch_groups(batch_steps_, options_.threads, most_bytes, [&](std::span<const BatchGroup> chosen) {
            const Units units(step_count(), chosen);
            return largest_live_bytes(find_blocks(chosen, units), units);
          });
      if (!groups.empty()) {
        find_places(groups);
        blocks = find_blocks(groups, units_);
        layout = lay_out_region(blocks, units_, followers());
        describe_groups(groups);
      }
    }
    if (layout.bytes > most_bytes) refuse(layout.bytes);
    state_.region_bytes += layout.bytes;
    assign_offsets(blocks, layout);
    segment_->units.assign(units_.all().begin(), units_.all().end());
    if (segment_->is_last) place_outputs();
  }

  /// The layout without groups: with inputs of Concat in its output where that takes no more. Not where steps may run
  /// at the same time: memory is free for a block when the step that first needs it waits for all that used it before,
  /// and steps that make parts of one output do not wait for each other.
  RegionLayout lay_out_whole(std::vector<RegionBlock>& blocks) {
    find_places({});
    blocks = find_blocks({}, units_);
    RegionLayout apart = lay_out_region(blocks, units_, followers());
    if (options_.concurrent) return apart;
    const std::vector<Join> joins = find_joins();
    if (joins.empty()) return apart;
    joined_ = choose_joined_places(joins, live_in(blocks), program_.values.size());
    find_places({});
    blocks = find_blocks({}, units_);
    RegionLayout layout = lay_out_region(blocks, units_, followers());
    if (layout.bytes <= apart.bytes) return layout;
    joined_.clear();
    find_places({});
    blocks = find_blocks({}, units_);
    return apart;
  }

  /// Which values share memory, and how long it is needed, when steps run in these groups.
  void find_places(std::span<const BatchGroup> groups) {
    const size_t count = program_.values.size();
    units_ = Units(step_count(), groups);
    if (options_.concurrent) find_order();
    segment_->values.assign(count, {});
    segment_->bound.clear();
    segment_->tensors = 0;
    roots_.assign(count, {});
    root_of_.assign(count, kNoRoot);
    offset_of_.assign(count, 0);
    uses_.assign(count, 0);
    place_known_values();
    count_uses();
    for (int i = 0; i < step_count(); ++i) {
      place_results(i);
      for (const int input : step_at(i).inputs) read(input, i);
    }
  }

  /// Says what the plan needs, and names its largest tensor.
  [[noreturn]] void refuse(size_t bytes) const {
    const Root* largest = nullptr;
    for (const Root& root : roots_) {
      const bool counts = root.in_region && root.output < 0;
      if (counts && (largest == nullptr || root.bytes > largest->bytes)) largest = &root;
    }
    std::string tensor;
    if (largest != nullptr) {
      const auto value = static_cast<size_t>(largest - roots_.data());
      tensor = describe_largest(program_.values[value].name, state_.shapes[value], largest->bytes);
    }
    throw Error(ErrorCode::kRuntimeException,
                fmt::format("A run with these input shapes needs {:.1f} MiB of activation memory; "
                            "session.max_activation_mib allows {:.1f}.{}",
                            mebibytes(bytes + state_.region_bytes), mebibytes(options_.most_region_bytes), tensor));
  }

  int step_count() const { return static_cast<int>(segment_->steps.size()); }

  const std::vector<StepBits>* followers() const { return options_.concurrent ? &followers_ : nullptr; }

  void place_known_values() {
    for (size_t i = 0; i < program_.values.size(); ++i) {
      PlannedValue& value = segment_->values[i];
      if (program_.values[i].is_constant) {
        value = {Place::kConstant, static_cast<int>(i), 0};
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
    views_of(step, inputs, outputs);
    const bool moves_nothing = step.def != nullptr && step.def->is_view;
    size_t bytes = 0;
    for (const TensorView& view : inputs) bytes += view.dims != nullptr && !moves_nothing ? view.physical_bytes() : 0;
    for (const TensorView& view : outputs) bytes += view.dims != nullptr && !moves_nothing ? view.physical_bytes() : 0;
    const double flops = moves_nothing ? 0 : step.op->flops(inputs, outputs);
    return static_cast<float>(kStepNs + std::max(flops / kFlopsPerNs, static_cast<double>(bytes) / kBytesPerNs));
  }

  void find_order() {
    std::vector<int> maker(program_.values.size(), -1);  // the unit
    std::vector<float> costs;
    std::vector<int> before;
    Dependencies dependencies;
    for (const Unit& unit : units_.all()) {
      const int own = units_.unit_of(unit.first);
      before.clear();
      costs.push_back(0);
      for (int i = unit.first; i < unit.end; ++i) {
        const Step& step = step_at(i);
        for (const int input : step.inputs) {
          if (input == kNoValue) continue;
          const int earlier = maker[static_cast<size_t>(input)];
          if (earlier >= 0 && earlier != own) before.push_back(earlier);
        }
        costs.back() += estimate_cost(step);
        for (const int output : step.outputs) {
          if (output != kNoValue) maker[static_cast<size_t>(output)] = own;
        }
      }
      std::sort(before.begin(), before.end());
      before.erase(std::unique(before.begin(), before.end()), before.end());
      dependencies.add_step(before);
    }
    segment_->schedule = has_branches(dependencies) ? make_schedule(dependencies, costs) : Schedule{};
    followers_ = find_followers(dependencies);
  }

  /// Notes that a step reads or writes a block. Within a unit steps are in order anyway.
  void touch(Root& root, int position) {
    if (!options_.concurrent) return;
    const auto unit = static_cast<size_t>(units_.unit_of(position));
    const StepBits& followers = followers_[unit];
    if (root.after.empty()) root.after.assign(followers.size(), ~uint64_t{0});
    for (size_t word = 0; word < followers.size(); ++word) {
      const uint64_t own = word == unit / 64 ? uint64_t{1} << (unit % 64) : 0;
      root.after[word] &= followers[word] | own;
    }
  }

  // --- memory of one step ---

  void place_results(int position) {
    const Step& step = step_at(position);
    for (size_t i = 0; i < step.outputs.size(); ++i) {
      const int value = step.outputs[i];
      if (value == kNoValue) continue;
      if (!state_.known[static_cast<size_t>(value)]) {
        segment_->values[static_cast<size_t>(value)] = {Place::kGiven, static_cast<int>(segment_->tensors++), 0};
      } else if (is_joined(value)) {
        place_joined(value, position);
      } else if (i != 0 || !share_input(step, value, position)) {
        make_root(value, position);
      }
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

  bool is_joined(int value) const { return !joined_.empty() && joined_[static_cast<size_t>(value)].root >= 0; }

  /// Puts a value where choose_joined_places() wants it. The first one of a root comes before the root's own value.
  void place_joined(int value, int position) {
    const auto i = static_cast<size_t>(value);
    const JoinedPlace& place = joined_[i];
    const auto r = static_cast<size_t>(place.root);
    Root& root = roots_[r];
    if (root_of_[r] == kNoRoot) {
      root_of_[r] = place.root;
      root = {position, position, bytes_of(place.root), 0, output_of_[r], true, {}};
    }
    root_of_[i] = place.root;
    offset_of_[i] = place.offset;
    root.readers = uses_[i] == kForever ? kForever : root.readers + uses_[i];
    root.last = uses_[i] == kForever ? last_position() : std::max(root.last, position);
    touch(root, position);
  }

  int last_position() const { return static_cast<int>(segment_->steps.size()) - 1; }

  /// Lets output 0 lie where an input lies: always for a view, and in place when this step is the input's last reader,
  /// in any order that the steps may run in.
  bool share_input(const Step& step, int output, int position) {
    if (step.def == nullptr) return false;
    if (step.def->is_view && step.inputs[0] != kNoValue) {
      const auto input = static_cast<size_t>(step.inputs[0]);
      if (bytes_of(step.inputs[0]) != bytes_of(output)) return false;
      if (root_of_[input] != kNoRoot) return join(output, step.inputs[0], position);
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
      if (options_.concurrent && !contains(roots_[static_cast<size_t>(root)].after, units_.unit_of(position))) continue;
      // A convolution whose image is its residual too still reads the image's other pixels.
      const auto overwritable = std::count_if(step.def->in_place.begin(), step.def->in_place.end(), [&](int place) {
        return place < static_cast<int>(step.inputs.size()) && step.inputs[static_cast<size_t>(place)] == input;
      });
      if (reads != overwritable) continue;
      return join(output, input, position);
    }
    return false;
  }

  /// Lets a value lie where `other` lies, which is as large.
  bool join(int value, int other, int position) {
    const auto i = static_cast<size_t>(value);
    const auto o = static_cast<size_t>(other);
    Root& root = roots_[static_cast<size_t>(root_of_[o])];
    if (output_of_[i] >= 0) {
      if (root.output >= 0 || root.bytes != bytes_of(value)) return false;  // each output has memory of its own
      root.output = output_of_[i];
    }
    root_of_[i] = root_of_[o];
    offset_of_[i] = offset_of_[o];
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

  // --- inputs of Concat that are made in its output ---

  /// What choose_joined_places() asks of every Concat, once all have places of their own.
  std::vector<Join> find_joins() const {
    std::vector<Join> joins;
    std::vector<int> maker;  // of each value, the position
    std::vector<TensorView> inputs;
    std::vector<TensorView> outputs;
    for (int position = 0; position < step_count(); ++position) {
      const Step& step = step_at(position);
      const auto* joining = dynamic_cast<const JoinsInputs*>(step.op.get());
      if (joining == nullptr || step.outputs[0] == kNoValue) continue;
      if (root_of_[static_cast<size_t>(step.outputs[0])] == kNoRoot) continue;  // its shape depends on data
      views_of(step, inputs, outputs);
      const std::vector<size_t> offsets = joining->joined_inputs(inputs, outputs);
      if (offsets.empty()) continue;
      if (maker.empty()) maker = find_makers();
      Join& join = joins.emplace_back();
      join.output = step.outputs[0];
      join.may_move = may_move(join.output, position);
      join.own = own_memory(join.output, position);
      for (size_t i = 0; i < offsets.size(); ++i) {
        const int value = step.inputs[i];
        const int made = maker[static_cast<size_t>(value)];
        JoinInput& input =
            join.inputs.emplace_back(JoinInput{value, offsets[i], made >= 0 && may_move(value, made), {}});
        if (input.may_move) input.own = own_memory(value, made);
      }
    }
    return joins;
  }

  std::vector<int> find_makers() const {
    std::vector<int> makers(program_.values.size(), -1);
    for (int position = 0; position < step_count(); ++position) {
      for (const int output : step_at(position).outputs) {
        if (output != kNoValue) makers[static_cast<size_t>(output)] = position;
      }
    }
    return makers;
  }

  bool may_move(int value, int made) const {
    const auto i = static_cast<size_t>(value);
    const Step& maker = step_at(made);
    return root_of_[i] != kNoRoot && output_of_[i] < 0 && uses_[i] < kForever && bytes_of(value) > 0 &&
           !(maker.def != nullptr && maker.def->is_view);
  }

  OwnMemory own_memory(int value, int made) const {
    const Root& root = roots_[static_cast<size_t>(root_of_[static_cast<size_t>(value)])];
    const bool is_own = root_of_[static_cast<size_t>(value)] == value && root.output < 0;
    return {made, root.last, is_own ? root.bytes : 0};
  }

  /// What the region's blocks take while each step runs, one after another.
  std::vector<size_t> live_in(std::span<const RegionBlock> blocks) const {
    std::vector<size_t> live(static_cast<size_t>(step_count()), 0);
    for (const RegionBlock& block : blocks) {
      for (int i = block.first; i <= block.last; ++i) live[static_cast<size_t>(i)] += block.bytes;
    }
    return live;
  }

  // --- groups of steps that go through the batch in pieces ---

  /// Steps whose shapes, types and operators allow it; what choose_batch_groups() asks of each.
  void describe_batch_steps() {
    batch_steps_.assign(segment_->steps.size(), {});
    batch_inputs_.assign(segment_->steps.size(), 0);
    std::vector<TensorView> inputs;
    std::vector<TensorView> outputs;
    for (int position = 0; position < step_count(); ++position) {
      const Step& step = step_at(position);
      const bool fits = std::all_of(step.outputs.begin(), step.outputs.end(), [&](int value) {
        return value == kNoValue || (state_.known[static_cast<size_t>(value)] &&
                                     program_.values[static_cast<size_t>(value)].type != DataType::kString);
      });
      if (!fits || (step.def != nullptr && step.def->is_random)) continue;
      views_of(step, inputs, outputs);
      const uint64_t batch = step.op->batch_inputs(inputs, outputs);
      if (batch == 0) continue;
      batch_inputs_[static_cast<size_t>(position)] = batch;
      BatchStep& described = batch_steps_[static_cast<size_t>(position)];
      described.cost_ns = estimate_cost(step);
      for (size_t i = 0; i < step.inputs.size(); ++i) {
        if (step.inputs[i] == kNoValue) continue;
        const bool is_split = (batch >> i & 1U) != 0;
        described.uses.push_back({memory_of(step.inputs[i]), !is_split});
        if (program_.values[static_cast<size_t>(step.inputs[i])].is_constant) {
          described.weight_bytes += inputs[i].physical_bytes();
        }
      }
      for (size_t i = 0; i < step.outputs.size(); ++i) {
        if (step.outputs[i] == kNoValue) continue;
        described.uses.push_back({memory_of(step.outputs[i]), false});
        described.samples = outputs[i].dim(0);
      }
    }
  }

  void views_of(const Step& step, std::vector<TensorView>& inputs, std::vector<TensorView>& outputs) const {
    inputs.clear();
    outputs.clear();
    for (const int input : step.inputs) inputs.push_back(view_of(input));
    for (const int output : step.outputs) outputs.push_back(view_of(output));
  }

  /// The same for values that share memory.
  int memory_of(int value) const {
    const int root = root_of_[static_cast<size_t>(value)];
    return root == kNoRoot ? value : root;
  }

  /// Memory that the steps of one group alone touch, which then hold only a piece of it at a time.
  bool is_own(const Root& root, const Units& units) const {
    return root.readers < kForever && root.output < 0 && units.group_of(root.first) >= 0 &&
           units.unit_of(root.first) == units.unit_of(root.last);
  }

  /// All that needs a place in the region: first scratch memory, then what no output's memory is used for.
  std::vector<RegionBlock> find_blocks(std::span<const BatchGroup> groups, const Units& units) {
    std::vector<RegionBlock> blocks;
    workspace_of_.assign(segment_->steps.size(), kNoRoot);
    for (int position = 0; position < step_count(); ++position) {
      const int group = units.group_of(position);
      const size_t bytes = workspace_bytes(position, group < 0 ? nullptr : &groups[static_cast<size_t>(group)]);
      if (bytes == 0) continue;
      workspace_of_[static_cast<size_t>(position)] = static_cast<int>(blocks.size());
      const bool may_overlap = options_.concurrent && group < 0;
      const StepBits* after = may_overlap ? &followers_[static_cast<size_t>(units.unit_of(position))] : nullptr;
      blocks.push_back({position, position, bytes, group, after});
    }
    for (Root& root : roots_) {
      if (!root.in_region || root.output >= 0) continue;
      // What lasts to the end of the segment makes room for nothing, whoever touched it last.
      if (root.readers >= kForever) root.after.assign(root.after.size(), 0);
      RegionBlock block{root.first, root.last, root.bytes, -1, options_.concurrent ? &root.after : nullptr};
      if (is_own(root, units)) {
        block.group = units.group_of(root.first);
        block.bytes = bytes_of_piece(root.bytes, groups[static_cast<size_t>(block.group)]);
      }
      blocks.push_back(block);
    }
    return blocks;
  }

  static size_t bytes_of_piece(size_t bytes, const BatchGroup& group) {
    return bytes / static_cast<size_t>(group.samples) * static_cast<size_t>(group.piece);
  }

  static int64_t last_piece(const BatchGroup& group) {
    const int64_t rest = group.samples % group.piece;
    return rest == 0 ? group.piece : rest;
  }

  size_t workspace_bytes(int position, const BatchGroup* group) const {
    const Step& step = step_at(position);
    std::vector<TensorView> inputs;
    std::vector<TensorView> outputs;
    views_of(step, inputs, outputs);
    if (group == nullptr) return step.op->workspace_bytes(inputs, outputs, options_.threads);
    std::vector<Shape> shapes;
    shapes.reserve(inputs.size() + outputs.size());  // views point into it
    const auto cut = [&](TensorView& view) {
      if (view.dims == nullptr) return;
      shapes.push_back(view.shape());
      view.dims = &shapes.back();
    };
    for (size_t i = 0; i < inputs.size(); ++i) {
      if ((batch_inputs_[static_cast<size_t>(position)] >> i & 1U) != 0) cut(inputs[i]);
    }
    for (TensorView& output : outputs) cut(output);
    size_t most = 0;
    for (const int64_t samples : {group->piece, last_piece(*group)}) {
      for (Shape& shape : shapes) shape[0] = samples;
      most = std::max(most, step.op->workspace_bytes(inputs, outputs, options_.threads));
    }
    return most;
  }

  void describe_groups(std::span<const BatchGroup> groups) {
    std::vector<int> seen(program_.values.size(), -1);
    for (size_t g = 0; g < groups.size(); ++g) {
      PlannedGroup planned{groups[g], {}};
      const auto add = [&](int value, bool is_split) {
        if (value == kNoValue || seen[static_cast<size_t>(value)] == static_cast<int>(g)) return;
        seen[static_cast<size_t>(value)] = static_cast<int>(g);
        PieceValue& piece = planned.values.emplace_back();
        piece.value = value;
        piece.is_split = is_split;
        if (!is_split) return;
        piece.shape = state_.shapes[static_cast<size_t>(value)];
        piece.last_shape = piece.shape;
        piece.shape[0] = planned.piece;
        piece.last_shape[0] = last_piece(planned);
        const int root = root_of_[static_cast<size_t>(value)];
        if (root != kNoRoot && is_own(roots_[static_cast<size_t>(root)], units_)) return;
        piece.sample_bytes = bytes_of(value) / static_cast<size_t>(planned.samples);
      };
      for (int position = planned.first; position < planned.end; ++position) {
        const Step& step = step_at(position);
        for (size_t i = 0; i < step.inputs.size(); ++i) {
          add(step.inputs[i], (batch_inputs_[static_cast<size_t>(position)] >> i & 1U) != 0);
        }
        for (const int output : step.outputs) add(output, true);
      }
      segment_->groups.push_back(std::move(planned));
    }
  }

  // --- the result ---

  void assign_offsets(std::span<const RegionBlock> blocks, const RegionLayout& layout) {
    segment_->region_bytes = layout.bytes;
    segment_->lower_bound = layout.lower_bound;
    size_t next = 0;
    for (size_t position = 0; position < workspace_of_.size(); ++position) {
      if (workspace_of_[position] == kNoRoot) continue;
      next = static_cast<size_t>(workspace_of_[position]);
      segment_->steps[position].workspace_offset = layout.offsets[next];
      segment_->steps[position].workspace_bytes = blocks[next].bytes;
      ++next;
    }
    for (size_t i = 0; i < roots_.size(); ++i) {
      const Root& root = roots_[i];
      if (!root.in_region) continue;
      const bool own = is_own(root, units_);
      Block block{static_cast<int>(i), root.first, root.last, root.bytes};
      if (!own) {
        block.first = units_.all()[static_cast<size_t>(units_.unit_of(root.first))].first;
        block.last = units_.all()[static_cast<size_t>(units_.unit_of(root.last))].end - 1;
      }
      if (root.output >= 0) {
        segment_->values[i] = {Place::kOutput, root.output, 0};
      } else {
        block.bytes = blocks[next].bytes;
        segment_->values[i] = {Place::kRegion, 0, layout.offsets[next++]};
      }
      segment_->blocks.push_back(block);
    }
    for (size_t i = 0; i < root_of_.size(); ++i) {
      if (root_of_[i] == kNoRoot || root_of_[i] == static_cast<int>(i)) continue;
      segment_->values[i] = segment_->values[static_cast<size_t>(root_of_[i])];
      segment_->values[i].offset += offset_of_[i];
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
        case Place::kConstant: {
          // The value itself or one that it is a view of. A packed constant has no memory of its own; a non-null
          // pointer says that it is present.
          const ProgramValue& source = program_.values[static_cast<size_t>(segment_->values[i].index)];
          view.data = source.constant ? const_cast<void*>(source.constant.raw()) : const_cast<ProgramValue*>(&source);
          break;
        }
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
  /// A smaller region is not worth looking for a way to make it smaller.
  static constexpr size_t kLeastSplitBytes = size_t{2} << 20;

  const Program& program_;
  BindState& state_;
  const BindOptions& options_;
  std::shared_ptr<Segment> segment_;
  std::vector<ValueInfo> infos_;
  std::vector<const ValueInfo*> inputs_;
  std::vector<ValueInfo> outputs_;
  std::vector<Root> roots_;
  std::vector<int> root_of_;
  std::vector<size_t> offset_of_;    // by value: where in its root it lies
  std::vector<JoinedPlace> joined_;  // by value; empty where no Concat has its inputs in its output
  std::vector<int> uses_;
  std::vector<int> output_of_;
  Units units_;
  std::vector<StepBits> followers_;     // concurrent plans: by unit
  std::vector<int> workspace_of_;       // by position: the block of its scratch memory
  std::vector<BatchStep> batch_steps_;  // by position, once they are asked for
  std::vector<uint64_t> batch_inputs_;  // likewise: Operator::batch_inputs()
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
    const auto value = static_cast<size_t>(program.inputs[i]);
    if (program.values[value].kind != ValueKind::kTensor) continue;
    state.shapes[value] = inputs[i];
    state.known[value] = true;
  }
  return state;
}

std::shared_ptr<const Segment> bind_segment(const Program& program, BindState& state, const BindOptions& options) {
  return Binder(program, state, options).bind();
}

std::string describe_largest_tensor(const Program& program, const Segment& segment) {
  const Block* largest = nullptr;
  for (const Block& block : segment.blocks) {
    const bool counts = segment.values[static_cast<size_t>(block.value)].place == Place::kRegion;
    if (counts && (largest == nullptr || block.bytes > largest->bytes)) largest = &block;
  }
  if (largest == nullptr) return {};
  const auto value = static_cast<size_t>(largest->value);
  return describe_largest(program.values[value].name, segment.shapes[value], largest->bytes);
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
