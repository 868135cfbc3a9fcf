#include "runtime/executor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>
#include <utility>

#include "attune/error.h"
#include "base/float_mode.h"
#include "base/thread.h"
#include "base/tick_clock.h"
#include "plan/subprogram.h"
#include "runtime/node_profile.h"
#include "runtime/plan_log.h"
#include "runtime/step_queue.h"

namespace attune {
namespace {

std::string shapes_as_text(std::span<const TensorView> views) {
  std::string text;
  for (const TensorView& view : views) {
    if (view.dims != nullptr) text += (text.empty() ? "" : ", ") + view.shape().to_string();
  }
  return text;
}

class Run {
 public:
  Run(const RunEnvironment& environment, std::span<const Tensor> inputs)
      : environment_(environment),
        program_(environment.program),
        inputs_(inputs),
        outputs_(program_.outputs.size()),
        output_buffers_(environment.outputs.begin_run()) {}

  std::vector<Tensor> run() {
    std::vector<Shape> shapes;
    shapes.reserve(inputs_.size());
    for (size_t i = 0; i < inputs_.size(); ++i) {
      // A container's length is nobody's shape.
      const bool is_tensor = program_.values[static_cast<size_t>(program_.inputs[i])].kind == ValueKind::kTensor;
      shapes.push_back(is_tensor ? inputs_[i].shape() : Shape{});
    }
    const BindOptions options{.threads = environment_.threads,
                              .concurrent = environment_.lanes != nullptr,
                              .most_region_bytes = environment_.most_region_bytes};
    const int64_t start = environment_.profiler != nullptr ? read_ticks() : 0;
    segments_.push_back(environment_.plans.find_or_bind(program_, shapes, options));
    if (segments_.back().is_new && environment_.logger != nullptr) {
      log_plan(*environment_.logger, program_, *segments_.back().segment, options.concurrent);
    }
    run_segment(*segments_.back().segment);
    while (!segment_->is_last) {
      shapes.clear();
      for (const int value : segment_->unknown) shapes.push_back(shape_found(value));
      segments_.push_back(environment_.plans.find_or_bind_next(program_, segments_.back(), shapes, options));
      run_segment(*segments_.back().segment);
    }
    if (environment_.profiler != nullptr && !environment_.is_subgraph) {
      environment_.profiler->record(ProfileCategory::kSession,
                                    options.concurrent ? "ParallelExecutor::Execute" : "SequentialExecutor::Execute",
                                    start, read_ticks(), current_thread_id());
    }
    return std::move(outputs_);
  }

 private:
  /// What one thread needs while it goes from step to step.
  struct Lane {
    explicit Lane(const RunEnvironment& environment)
        : inputs(environment.program.most_inputs), outputs(environment.program.most_outputs) {
      if (environment.profiler != nullptr) profile.emplace(*environment.profiler, environment.parallel);
    }
    std::vector<TensorView> inputs;  // of one step, gathered
    std::vector<TensorView> outputs;
    std::vector<TensorView> pieces;   // of all values, while a group of steps goes through the batch
    DenormalsAsZeroSwitch denormals;  // the session may flush them everywhere, some operators do
    std::optional<NodeProfile> profile;
  };

  class StepRun final : public RunContext {
   public:
    StepRun(std::span<const TensorView> inputs, std::span<TensorView> outputs, std::span<std::byte> workspace,
            Parallel& parallel, const Step& step, Run& run)
        : RunContext(inputs, outputs, workspace, parallel), step_(step), run_(run) {}

    void give_output(int i, Tensor tensor) override {
      run_.accept(step_.outputs[static_cast<size_t>(i)], std::move(tensor));
    }

    std::vector<Tensor> run_subgraph(int index, std::span<const Tensor> inputs) override {
      return run_.run_subprogram(*step_.subprograms[static_cast<size_t>(index)], inputs, parallel());
    }

   private:
    const Step& step_;
    Run& run_;
  };

  std::vector<Tensor> run_subprogram(Subprogram& subprogram, std::span<const Tensor> inputs, Parallel& parallel) {
    if (environment_.stop != nullptr) environment_.stop->check();
    const RunEnvironment environment{.program = subprogram.program,
                                     .plans = subprogram.plans,
                                     .regions = environment_.regions,
                                     .outputs = environment_.subgraph_outputs,
                                     .subgraph_outputs = environment_.subgraph_outputs,
                                     .parallel = parallel,
                                     .threads = environment_.threads,
                                     .profiler = environment_.profiler,
                                     .stop = environment_.stop,
                                     .is_subgraph = true};
    return run_program(environment, inputs);
  }

  void run_segment(const Segment& segment) {
    segment_ = &segment;
    const bool is_part = environment_.is_subgraph || !regions_.empty();
    regions_.push_back(acquire_region(segment, is_part ? RegionUse::kPart : RegionUse::kRun));
    region_ = regions_.back().data();
    tensors_.emplace_back(segment.tensors);
    place_values();
    if (segment.schedule.empty()) {
      Lane lane(environment_);
      for (const Unit& unit : segment.units) run_unit(unit, lane);
    } else {
      run_schedule(segment.schedule, *environment_.lanes, [&](StepQueue::Lane& queue) {
        Lane lane(environment_);
        for (std::span<const int> units; !(units = queue.next()).empty();) {
          for (const int unit : units) run_unit(segment.units[static_cast<size_t>(unit)], lane);
        }
      });
    }
    for (const OutputCopy& copy : segment.copies) {
      if (is_wanted(copy.output)) copy_output(copy);
    }
  }

  Region acquire_region(const Segment& segment, RegionUse use) {
    try {
      return environment_.regions.acquire(segment.region_bytes, use);
    } catch (const std::bad_alloc&) {
      throw Error(ErrorCode::kRuntimeException,
                  fmt::format("Failed to allocate {} bytes of activation memory.", segment.region_bytes));
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("{}. It is the activation memory of a run with these input shapes.{}",
                                            error.text(), describe_largest_tensor(program_, segment)));
    }
  }

  void run_unit(const Unit& unit, Lane& lane) {
    if (unit.group < 0) return run_planned(segment_->steps[static_cast<size_t>(unit.first)], views_, nullptr, lane);
    const PlannedGroup& group = segment_->groups[static_cast<size_t>(unit.group)];
    // Other threads may read the whole of what this one reads in pieces.
    lane.pieces.resize(views_.size());
    for (const PieceValue& value : group.values) {
      lane.pieces[static_cast<size_t>(value.value)] = views_[static_cast<size_t>(value.value)];
    }
    for (int64_t first = 0; first < group.samples; first += group.piece) {
      const bool is_whole = first + group.piece <= group.samples;
      for (const PieceValue& value : group.values) {
        if (!value.is_split) continue;
        TensorView& view = lane.pieces[static_cast<size_t>(value.value)];
        view.dims = is_whole ? &value.shape : &value.last_shape;
        view.data = static_cast<std::byte*>(views_[static_cast<size_t>(value.value)].data) +
                    static_cast<size_t>(first) * value.sample_bytes;
      }
      const NodeProfile::Piece piece{first, std::min(first + group.piece, group.samples), group.samples};
      for (int i = unit.first; i < unit.end; ++i) {
        run_planned(segment_->steps[static_cast<size_t>(i)], lane.pieces, &piece, lane);
      }
    }
  }

  /// `views` are the values as the step is to see them; `piece`, which samples those are when they are not all.
  void run_planned(const PlannedStep& planned, const std::vector<TensorView>& views, const NodeProfile::Piece* piece,
                   Lane& lane) {
    if (environment_.stop != nullptr) environment_.stop->check();
    if (!is_needed(planned.step)) return;
    const Step& step = program_.steps[static_cast<size_t>(planned.step)];
    for (size_t i = 0; i < step.inputs.size(); ++i) lane.inputs[i] = view_in(views, step.inputs[i]);
    for (size_t i = 0; i < step.outputs.size(); ++i) lane.outputs[i] = view_in(views, step.outputs[i]);
    const std::span<const TensorView> inputs(lane.inputs.data(), step.inputs.size());
    const std::span<TensorView> outputs(lane.outputs.data(), step.outputs.size());
    const std::span<std::byte> workspace(region_ + planned.workspace_offset, planned.workspace_bytes);
    lane.denormals.set(step.flushes_denormals);
    if (!lane.profile) {
      StepRun context(inputs, outputs, workspace, environment_.parallel, step, *this);
      run_step(step, context);
      return;
    }
    lane.profile->begin();
    StepRun context(inputs, outputs, workspace, lane.profile->threads(), step, *this);
    run_step(step, context);
    // What the step allocated by itself has its shape only now.
    for (size_t i = 0; i < step.outputs.size(); ++i) lane.outputs[i] = view_in(views, step.outputs[i]);
    lane.profile->finish(program_, planned.step, inputs, outputs, piece);
  }

  /// Sizes in later segments come from steps of this one, so only the last is free to leave some out.
  bool is_needed(int step) const {
    return environment_.part == nullptr || !segment_->is_last || environment_.part->steps[static_cast<size_t>(step)];
  }

  bool is_wanted(int output) const {
    return environment_.part == nullptr || environment_.part->outputs[static_cast<size_t>(output)];
  }

  static TensorView view_in(const std::vector<TensorView>& views, int value) {
    return value == kNoValue ? TensorView{} : views[static_cast<size_t>(value)];
  }

  /// Fills in the addresses that this run has of its own.
  void place_values() {
    const Segment& segment = *segment_;
    const std::vector<TensorView> earlier = std::exchange(views_, segment.views);
    const std::span<const int> placed = segment.placed;
    std::byte* const region = region_ != nullptr ? region_ : empty_;
    for (const int value : placed.first(segment.placed_in_region)) {
      const auto i = static_cast<size_t>(value);
      views_[i].data = region + segment.values[i].offset;
    }
    for (const int value : placed.subspan(segment.placed_in_region)) {
      const auto i = static_cast<size_t>(value);
      const PlannedValue& planned = segment.values[i];
      // A container's view has a shape that only this run knows.
      const bool is_container = program_.values[i].kind != ValueKind::kTensor;
      switch (planned.place) {
        case Place::kInput:
          if (is_container) {
            views_[i] = TensorView::of(inputs_[static_cast<size_t>(planned.index)]);
            break;
          }
          views_[i].data = const_cast<void*>(inputs_[static_cast<size_t>(planned.index)].raw());
          break;
        case Place::kOutput:
          views_[i].data = output_memory(planned.index, segment) + planned.offset;
          break;
        case Place::kStrings:
          accept(value, Tensor::allocate(DataType::kString, segment.shapes[i]));
          break;
        default:  // kEarlier
          if (is_container) {
            views_[i] = earlier[i];
          } else {
            views_[i].data = earlier[i].data;
          }
          break;
      }
    }
  }

  /// Keeps a tensor that the run makes, for the steps of this segment or the next.
  void accept(int value, Tensor tensor) {
    const auto i = static_cast<size_t>(value);
    Tensor& kept = tensors_.back()[static_cast<size_t>(segment_->values[i].index)];
    kept = std::move(tensor);
    views_[i].data = const_cast<void*>(kept.raw());  // in the layout that the view says
    views_[i].dims = &kept.shape();
    // A container's view says what is in it, a sequence or a tensor.
    if (program_.values[i].kind != ValueKind::kTensor) views_[i].type = kept.type();
  }

  /// Values that share an output's memory come here too, and may come first: what is reshaped into the output, say. The
  /// shape and the type are the output's own all the same.
  std::byte* output_memory(int index, const Segment& segment) {
    Tensor& output = outputs_[static_cast<size_t>(index)];
    if (!output) {
      const auto value = static_cast<size_t>(program_.outputs[static_cast<size_t>(index)].value);
      output = allocate_output(index, program_.values[value].type, segment.shapes[value]);
    }
    return static_cast<std::byte*>(output.raw());
  }

  Tensor allocate_output(int index, DataType type, const Shape& shape) {
    const auto place = static_cast<size_t>(index);
    if (place < environment_.targets.size() && environment_.targets[place]) {
      check_target(program_.outputs[place].name, environment_.targets[place], type, shape);
      return environment_.targets[place];
    }
    const size_t bytes = static_cast<size_t>(shape.elements()) * element_size(type);
    if (type == DataType::kString || bytes == 0) return Tensor::allocate(type, shape);
    try {
      const std::shared_ptr<std::byte> memory = output_buffers_.acquire(bytes);
      return Tensor::view(type, shape, memory.get(), memory);
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("{}. It is the memory of output '{}' of shape {}.", error.text(),
                                            program_.outputs[place].name, shape.to_string()));
    }
  }

  void run_step(const Step& step, StepRun& context) const {
    try {
      step.op->run(context);
    } catch (const Stopped&) {
      throw;
    } catch (const Error& error) {
      throw Error(error.code() == ErrorCode::kNotImplemented ? error.code() : ErrorCode::kFail,
                  describe_failure(step, error.text()));
    } catch (const std::bad_alloc&) {
      throw Error(ErrorCode::kRuntimeException, describe_failure(step, "Out of memory."));
    }
  }

  /// With the shapes of the whole batch, whatever piece of it failed.
  std::string describe_failure(const Step& step, std::string_view why) const {
    std::vector<TensorView> inputs;
    for (const int input : step.inputs) inputs.push_back(view_in(views_, input));
    return fmt::format("Non-zero status code returned while running {} Status Message: {} Input shapes: {}",
                       step.describe(), why, shapes_as_text(inputs));
  }

  /// Of a value that a step of the segment has given; not concrete when it has not.
  Shape shape_found(int value) const {
    const TensorView& view = views_[static_cast<size_t>(value)];
    return view.data != nullptr ? view.shape() : Shape{kUnknownDim};
  }

  void copy_output(const OutputCopy& copy) {
    const auto value = static_cast<size_t>(copy.value);
    const TensorView source = view_in(views_, copy.value);
    if (program_.values[value].kind != ValueKind::kTensor) return copy_container(copy, source);
    if (environment_.is_subgraph && hand_on(copy)) return;
    if (source.data == nullptr) {
      throw Error(ErrorCode::kFail, fmt::format("Output '{}' was not computed.",
                                                program_.outputs[static_cast<size_t>(copy.output)].name));
    }
    Tensor& output = outputs_[static_cast<size_t>(copy.output)];
    output = allocate_output(copy.output, source.type, source.shape());
    if (source.type == DataType::kString) {
      std::copy_n(source.as<std::string>(), source.elements(), output.values<std::string>().begin());
    } else {
      std::memcpy(output.raw(), source.data, output.bytes());
    }
  }

  /// What a step of a subgraph, or who gave it its inputs, has allocated needs no copy: nobody writes to it.
  bool hand_on(const OutputCopy& copy) {
    const PlannedValue& planned = segment_->values[static_cast<size_t>(copy.value)];
    const auto index = static_cast<size_t>(planned.index);
    const Tensor* tensor = nullptr;
    if (planned.place == Place::kInput) tensor = &inputs_[index];
    if (planned.place == Place::kGiven) tensor = &tensors_.back()[index];
    if (tensor == nullptr || tensor->owner() == nullptr) return false;
    outputs_[static_cast<size_t>(copy.output)] = *tensor;
    return true;
  }

  /// Results of the session own the memory of their elements; within a run sequences share them.
  void copy_container(const OutputCopy& copy, const TensorView& source) {
    Tensor& output = outputs_[static_cast<size_t>(copy.output)];
    if (source.data == nullptr) {
      output = Tensor();  // an optional without a value
      return;
    }
    output = Tensor::view(source.type, source.shape(), source.data);
    if (!environment_.is_subgraph || source.type != DataType::kSequence) {
      output = output.copied();
    } else {
      const std::span<const Tensor> elements = std::as_const(output).values<Tensor>();
      output = Tensor::sequence({elements.begin(), elements.end()});
    }
  }

  const RunEnvironment& environment_;
  const Program& program_;
  std::span<const Tensor> inputs_;
  const Segment* segment_ = nullptr;  // the one that runs
  std::byte* region_ = nullptr;       // its memory
  std::vector<TensorView> views_;     // of all values
  std::vector<Tensor> outputs_;
  OutputBuffers::Run output_buffers_;
  std::vector<Region> regions_;  // all kept to the end: later segments read what earlier ones left
  std::vector<std::vector<Tensor>> tensors_;
  std::vector<BoundSegment> segments_;
  alignas(kRegionAlignment) std::byte empty_[kRegionAlignment] = {};  // for tensors without elements
};

}  // namespace

void check_target(std::string_view name, const Tensor& target, DataType type, const Shape& shape) {
  if (target.type() != type) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("Unexpected output data type. Actual: ({}) , expected: ({})",
                                                         tensor_type_name(target.type()), tensor_type_name(type)));
  }
  if (target.shape() == shape) return;
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("The tensor bound to output '{}' has the shape {}, but the run gives {}.", name,
                          target.shape().to_string(), shape.to_string()));
}

std::vector<Tensor> run_program(const RunEnvironment& environment, std::span<const Tensor> inputs) {
  return Run(environment, inputs).run();
}

}  // namespace attune
