#include "runtime/executor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "attune/error.h"
#include "base/cpu.h"
#include "base/float_mode.h"
#include "base/thread.h"

namespace attune {
namespace {

class StepRun final : public RunContext {
 public:
  StepRun(std::span<const TensorView> inputs, std::span<TensorView> outputs, std::span<std::byte> workspace,
          Parallel& parallel, const Step& step, std::vector<Tensor>& given)
      : RunContext(inputs, outputs, workspace, parallel), step_(step), given_(given) {}

  void give_output(int i, Tensor tensor) override {
    given_[static_cast<size_t>(step_.outputs[static_cast<size_t>(i)])] = std::move(tensor);
  }

 private:
  const Step& step_;
  std::vector<Tensor>& given_;
};

/// "[{"float":[1,3,224,224]}]", as onnxruntime's profile writes shapes.
std::string shapes_as_json(std::span<const TensorView> views) {
  std::string text = "[";
  for (const TensorView& view : views) {
    if (view.dims == nullptr) continue;
    if (text.size() > 1) text += ',';
    text += fmt::format("{{\"{}\":[", data_type_name(view.type));
    for (int axis = 0; axis < view.rank(); ++axis) text += fmt::format("{}{}", axis > 0 ? "," : "", view.dim(axis));
    text += "]}";
  }
  return text + "]";
}

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
        views_(program_.values.size()),
        given_(program_.values.size()),
        outputs_(program_.outputs.size()),
        output_buffers_(environment.outputs.begin_run()) {}

  std::vector<Tensor> run() {
    std::vector<Shape> shapes;
    shapes.reserve(inputs_.size());
    for (const Tensor& input : inputs_) shapes.push_back(input.shape());
    const BindOptions options{.threads = environment_.threads, .concurrent = environment_.concurrent != nullptr};
    const BoundStart start = environment_.plans.find_or_bind(program_, shapes, options);
    run_segment(*start.segment);
    if (!start.segment->is_last) {
      BindState state = *start.state;
      do {
        learn_given_shapes(state);
        segments_.push_back(bind_segment(program_, state, options));
        run_segment(*segments_.back());
      } while (!segments_.back()->is_last);
    }
    return std::move(outputs_);
  }

 private:
  void run_segment(const Segment& segment) {
    regions_.push_back(environment_.regions.acquire(segment.region_bytes));
    std::byte* region = regions_.back().data();
    place_values(segment, region);
    Scratch scratch(program_);
    for (size_t i = 0; i < segment.steps.size();) {
      if (environment_.terminate != nullptr && environment_.terminate->load(std::memory_order_relaxed)) {
        throw Error(ErrorCode::kFail, "Exiting due to terminate flag being set to true.");
      }
      size_t end = i + 1;
      while (end < segment.steps.size() && segment.steps[end].wave == segment.steps[i].wave) ++end;
      if (end == i + 1) {
        run_planned(segment.steps[i], region, environment_.parallel, scratch);
      } else {
        run_wave({segment.steps.data() + i, end - i}, region);
      }
      for (; i < end; ++i) accept_given(program_.steps[static_cast<size_t>(segment.steps[i].step)]);
    }
    for (const OutputCopy& copy : segment.copies) copy_output(copy);
  }

  /// The views of one step's inputs and outputs, gathered; each thread has its own.
  struct Scratch {
    explicit Scratch(const Program& program) : inputs(program.most_inputs), outputs(program.most_outputs) {}
    std::vector<TensorView> inputs;
    std::vector<TensorView> outputs;
  };

  void run_wave(std::span<const PlannedStep> steps, std::byte* region) {
    environment_.concurrent->for_each(static_cast<int64_t>(steps.size()), [&](int64_t k, int) {
      SerialParallel alone;
      Scratch scratch(program_);
      run_planned(steps[static_cast<size_t>(k)], region, alone, scratch);
    });
  }

  void run_planned(const PlannedStep& planned, std::byte* region, Parallel& parallel, Scratch& scratch) {
    const Step& step = program_.steps[static_cast<size_t>(planned.step)];
    for (size_t i = 0; i < step.inputs.size(); ++i) scratch.inputs[i] = view_at(step.inputs[i]);
    for (size_t i = 0; i < step.outputs.size(); ++i) scratch.outputs[i] = view_at(step.outputs[i]);
    const std::span<const TensorView> inputs(scratch.inputs.data(), step.inputs.size());
    const std::span<TensorView> outputs(scratch.outputs.data(), step.outputs.size());
    StepRun context(inputs, outputs, {region + planned.workspace_offset, planned.workspace_bytes}, parallel, step,
                    given_);
    run_step(step, planned.step, context, inputs, outputs);
  }

  TensorView view_at(int value) const { return value == kNoValue ? TensorView{} : views_[static_cast<size_t>(value)]; }

  void place_values(const Segment& segment, std::byte* region) {
    for (size_t i = 0; i < views_.size(); ++i) {
      const PlannedValue& planned = segment.values[i];
      TensorView& view = views_[i];
      if (planned.place == Place::kEarlier) continue;
      const ProgramValue& value = program_.values[i];
      view = {nullptr, &segment.shapes[i], value.type, value.layout, static_cast<uint8_t>(program_.block)};
      switch (planned.place) {
        case Place::kConstant:
          // A packed constant has no memory of its own; a non-null pointer says that it is present.
          view.data = value.constant ? const_cast<void*>(value.constant.raw()) : const_cast<ProgramValue*>(&value);
          break;
        case Place::kInput:
          view.data = const_cast<void*>(inputs_[static_cast<size_t>(planned.index)].raw());
          break;
        case Place::kOutput:
          view.data = output_memory(planned.index, segment);
          break;
        case Place::kRegion:
          view.data = region != nullptr ? region + planned.offset : empty_;
          break;
        case Place::kBound:
          view.data = const_cast<void*>(segment.bound[static_cast<size_t>(planned.index)].raw());
          break;
        case Place::kStrings:
          given_[i] = Tensor::allocate(DataType::kString, segment.shapes[i]);
          view.data = given_[i].raw();
          break;
        case Place::kGiven:
        case Place::kNone:
        case Place::kEarlier:
          break;
      }
    }
  }

  /// Values that share an output's memory come here too, and may come first: what is reshaped into the output, say. The
  /// shape and the type are the output's own all the same.
  void* output_memory(int index, const Segment& segment) {
    Tensor& output = outputs_[static_cast<size_t>(index)];
    if (!output) {
      const auto value = static_cast<size_t>(program_.outputs[static_cast<size_t>(index)].value);
      output = allocate_output(program_.values[value].type, segment.shapes[value]);
    }
    return output.raw();
  }

  Tensor allocate_output(DataType type, const Shape& shape) {
    const size_t bytes = static_cast<size_t>(shape.elements()) * element_size(type);
    if (type == DataType::kString || bytes == 0) return Tensor::allocate(type, shape);
    const std::shared_ptr<std::byte> memory = output_buffers_.acquire(bytes);
    return Tensor::view(type, shape, memory.get(), memory);
  }

  void run_step(const Step& step, int index, StepRun& context, std::span<const TensorView> inputs,
                std::span<const TensorView> outputs) {
    const int64_t start = environment_.profiler != nullptr ? monotonic_ns() : 0;
    try {
      // Leaves the mode alone otherwise: the session may flush everywhere.
      const ScopedDenormalsAsZero mode(denormals_are_zero() || (step.def != nullptr && step.def->flushes_denormals));
      step.op->run(context);
    } catch (const Error& error) {
      throw Error(error.code() == ErrorCode::kNotImplemented ? error.code() : ErrorCode::kFail,
                  describe_failure(step, error.text(), inputs));
    } catch (const std::bad_alloc&) {
      throw Error(ErrorCode::kRuntimeException, describe_failure(step, "Out of memory.", inputs));
    }
    if (environment_.profiler != nullptr) record(step, index, start, inputs, outputs);
  }

  static std::string describe_failure(const Step& step, std::string_view why, std::span<const TensorView> inputs) {
    return fmt::format("Non-zero status code returned while running {} Status Message: {} Input shapes: {}",
                       step.describe(), why, shapes_as_text(inputs));
  }

  void record(const Step& step, int index, int64_t start, std::span<const TensorView> inputs,
              std::span<const TensorView> outputs) {
    const int64_t end = monotonic_ns();
    int64_t output_bytes = 0;
    for (const TensorView& output : outputs) {
      if (output.dims != nullptr && output.data != nullptr)
        output_bytes += static_cast<int64_t>(output.physical_bytes());
    }
    int64_t parameter_bytes = 0;
    int64_t activation_bytes = 0;
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (step.inputs[i] == kNoValue) continue;
      const bool constant = program_.values[static_cast<size_t>(step.inputs[i])].is_constant;
      (constant ? parameter_bytes : activation_bytes) += static_cast<int64_t>(inputs[i].physical_bytes());
    }
    ProfileArgs args;
    args.add("op_name", step.op_type)
        .add("provider", "CPUExecutionProvider")
        .add("node_index", static_cast<int64_t>(index))
        .add("parameter_size", parameter_bytes)
        .add("activation_size", activation_bytes)
        .add("output_size", output_bytes)
        .add_json("input_type_shape", shapes_as_json(inputs))
        .add_json("output_type_shape", shapes_as_json(outputs))
        .add_json("thread_scheduling_stats", fmt::format("{{\"main_thread\":{{\"thread_id\":\"{}\"}},\"threads\":{}}}",
                                                         current_thread_id(), environment_.parallel.threads()));
    const std::string name =
        fmt::format("{}_kernel_time", step.name.empty() ? fmt::format("{}_{}", step.op_type, index) : step.name);
    environment_.profiler->record(ProfileCategory::kNode, name, start, end, current_thread_id(), args);
  }

  /// Makes the tensors that a step gave visible to the steps behind it.
  void accept_given(const Step& step) {
    for (const int output : step.outputs) {
      if (output == kNoValue) continue;
      const Tensor& tensor = given_[static_cast<size_t>(output)];
      if (tensor) views_[static_cast<size_t>(output)] = TensorView::of(tensor);
    }
  }

  void learn_given_shapes(BindState& state) const {
    for (size_t i = 0; i < given_.size(); ++i) {
      if (!given_[i]) continue;
      state.shapes[i] = given_[i].shape();
      state.known[i] = true;
    }
  }

  void copy_output(const OutputCopy& copy) {
    const TensorView source = view_at(copy.value);
    if (source.data == nullptr) {
      throw Error(ErrorCode::kFail, fmt::format("Output '{}' was not computed.",
                                                program_.outputs[static_cast<size_t>(copy.output)].name));
    }
    Tensor& output = outputs_[static_cast<size_t>(copy.output)];
    output = allocate_output(source.type, source.shape());
    if (source.type == DataType::kString) {
      std::copy_n(source.as<std::string>(), source.elements(), output.values<std::string>().begin());
    } else {
      std::memcpy(output.raw(), source.data, output.bytes());
    }
  }

  const RunEnvironment& environment_;
  const Program& program_;
  std::span<const Tensor> inputs_;
  std::vector<TensorView> views_;
  std::vector<Tensor> given_;
  std::vector<Tensor> outputs_;
  OutputBuffers::Run output_buffers_;
  std::vector<Region> regions_;  // all kept to the end: later segments read what earlier ones left
  std::vector<std::shared_ptr<const Segment>> segments_;
  alignas(kRegionAlignment) std::byte empty_[kRegionAlignment] = {};  // for tensors without elements
};

}  // namespace

std::vector<Tensor> run_program(const RunEnvironment& environment, std::span<const Tensor> inputs) {
  return Run(environment, inputs).run();
}

}  // namespace attune
