// Scan: https://onnx.ai/onnx/operators/onnx__Scan.html, versions 8 to 25. Version 8 scans each sample of a batch by
// itself, up to its own length; behind that the scan outputs are zero.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "attune/error.h"
#include "ops/axes.h"
#include "ops/axis_copy.h"
#include "ops/infer.h"
#include "ops/op_def.h"
#include "ops/subgraph.h"

namespace attune::ops {
namespace {

/// The slice of `tensor` at `index` along `axis`, in its memory where it lies together there.
Tensor slice(const Tensor& tensor, int axis, int64_t index) {
  const AxisView view(tensor.shape(), axis);
  Shape shape = tensor.shape();
  shape.erase(axis);
  if (view.outer == 1) {
    const int64_t offset = index * view.inner * static_cast<int64_t>(element_size(tensor.type()));
    return Tensor::view(tensor.type(), shape, static_cast<std::byte*>(const_cast<void*>(tensor.raw())) + offset);
  }
  Tensor result = Tensor::allocate(tensor.type(), shape);
  copy_along_axis(tensor.type(), view, tensor.raw(), index, view.with_count(1), result.raw(), 0, 1);
  return result;
}

void store_slice(const Tensor& from, Tensor& tensor, int axis, int64_t index) {
  const AxisView view(tensor.shape(), axis);
  copy_along_axis(tensor.type(), view.with_count(1), from.raw(), 0, view, tensor.raw(), index, 1);
}

/// Which way the sequences go, and along which axes.
struct Directions {
  std::vector<bool> reverse;
  std::vector<int64_t> axes;

  Directions(const Node& node, std::string_view direction_attribute, std::string_view axis_attribute, int count)
      : reverse(static_cast<size_t>(count), false), axes(static_cast<size_t>(count), 0) {
    const auto listed = node.attributes.get_ints(direction_attribute);
    const auto listed_axes = node.attributes.get_ints(axis_attribute);
    check(direction_attribute, listed.size(), count);
    check(axis_attribute, listed_axes.size(), count);
    for (size_t i = 0; i < listed.size(); ++i) {
      if (listed[i] != 0 && listed[i] != 1) {
        throw Error(ErrorCode::kInvalidGraph, fmt::format("Attribute '{}' has the entry {}; 0 and 1 are allowed.",
                                                          direction_attribute, listed[i]));
      }
      reverse[i] = listed[i] == 1;
    }
    std::copy(listed_axes.begin(), listed_axes.end(), axes.begin());
  }

 private:
  static void check(std::string_view name, size_t size, int count) {
    if (size == 0 || size == static_cast<size_t>(count)) return;
    throw Error(ErrorCode::kInvalidGraph,
                fmt::format("Attribute '{}' has {} entries instead of {}.", name, size, count));
  }
};

/// What versions 8 and 9 share: one scan of some sequences, whose first axes come before those of the samples.
class Scan : public Operator {
 public:
  /// `first`: the first state among the inputs.
  Scan(const Node& node, int first)
      : first_(first),
        sequences_(count_sequences(node, first)),
        states_(node.own_input_count() - first - sequences_),
        index_(subgraph_index(node, "body")),
        body_(node.attributes.require_graph("body")),
        results_(static_cast<int>(body_->outputs().size()) - states_),
        in_(node, first == 0 ? "scan_input_directions" : "directions", "scan_input_axes", sequences_),
        out_(node, "scan_output_directions", "scan_output_axes", std::max(results_, 0)),
        scans_(static_cast<size_t>(std::max(node.output_count() - states_, 0))) {
    if (static_cast<int>(body_->inputs().size()) != states_ + sequences_ + node.captured()) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("The body has {} inputs instead of {}.",
                              static_cast<int>(body_->inputs().size()) - node.captured(), states_ + sequences_));
    }
    if (results_ < 0 || node.output_count() > states_ + results_) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("The body has {} outputs, for {} states and {} outputs.",
                                                        body_->outputs().size(), states_, node.output_count()));
    }
  }

  void infer(InferContext& context) const override {
    if (context.symbols() == nullptr) return;
    std::vector<ValueInfo> inputs = input_infos(context, first_);
    const int batch = first_;  // version 8 has one axis before the others, and one input
    for (int k = 0; k < states_ + sequences_; ++k) {
      ValueInfo& info = inputs[static_cast<size_t>(k)];
      info.has_elements = false;
      if (!info.has_shape) continue;
      const bool is_state = k < states_;
      if (info.shape.rank() < batch + (is_state ? 0 : 1)) throw_rank(k);
      if (!is_state) info.shape.erase(batch + scan_axis(in_.axes[static_cast<size_t>(k - states_)], info.shape, batch));
      if (batch != 0) info.shape.erase(0);
    }
    const std::vector<ValueInfo> outputs = infer_repeated(*body_, inputs, 0, 0, states_);
    const int64_t samples = batch != 0 && context.has_shape(1) ? context.shape(1)[0] : kUnknownDim;
    for (int i = 0; i < context.output_count(); ++i) {
      const ValueInfo& found = outputs[static_cast<size_t>(i)];
      const ValueInfo& info = i < states_ ? inputs[static_cast<size_t>(i)] : found;
      if (!info.has_shape) {
        context.set_output_type(i, found.type);
        continue;
      }
      Shape shape = known_outside(info.shape, context);
      if (i >= states_) {
        const int axis = resolve_axis(out_.axes[static_cast<size_t>(i - states_)], shape.rank() + 1);
        shape.insert(axis, sequence_length(context));
      }
      if (batch != 0) shape.insert(0, samples == kUnknownDim ? context.fresh_dim() : samples);
      context.set_output(i, found.type, shape);
    }
  }

  void prepare(PrepareContext& context) override {
    for (size_t k = 0; k < scans_.size(); ++k) scans_[k] = context.output(states_ + static_cast<int>(k));
  }

 protected:
  /// Runs the body `length` times. `states` become the last ones; scan output k is stored into `outputs[k]`, which is
  /// made for `total` steps when its shape is known. `captured` are the body's further inputs.
  void scan(RunContext& context, std::vector<Tensor>& states, std::span<const Tensor> sequences,
            std::span<const Tensor> captured, int64_t length, int64_t total, std::vector<Tensor>& outputs) const {
    std::vector<Tensor> inputs;
    for (int64_t t = 0; t < length; ++t) {
      inputs = states;
      for (size_t k = 0; k < sequences.size(); ++k) {
        const int axis = resolve_axis(in_.axes[k], sequences[k].shape().rank());
        inputs.push_back(slice(sequences[k], axis, in_.reverse[k] ? length - 1 - t : t));
      }
      inputs.insert(inputs.end(), captured.begin(), captured.end());
      std::vector<Tensor> results = context.run_subgraph(index_, inputs);
      for (size_t k = 0; k < states.size(); ++k) states[k] = std::move(results[k]);
      for (size_t k = 0; k < outputs.size(); ++k) {
        const Tensor& result = results[states.size() + k];
        Shape shape = result.shape();
        const int axis = resolve_axis(out_.axes[k], shape.rank() + 1);
        shape.insert(axis, total);
        if (!outputs[k]) {
          outputs[k] = Tensor::allocate(result.type(), shape);
          if (length < total) clear(outputs[k]);
        }
        if (outputs[k].shape() != shape || outputs[k].type() != result.type()) {
          throw Error(ErrorCode::kInvalidArgument,
                      fmt::format("Scan output {} has the shape {} at step {}, which is another one than before.", k,
                                  result.shape().to_string(), t));
        }
        store_slice(result, outputs[k], axis, out_.reverse[k] ? length - 1 - t : t);
      }
    }
  }

  static void clear(Tensor& tensor) {
    if (tensor.type() != DataType::kString) std::memset(tensor.raw(), 0, tensor.bytes());
  }

  /// The common length of the sequences.
  int64_t check_length(std::span<const Tensor> sequences) const {
    int64_t length = -1;
    for (size_t k = 0; k < sequences.size(); ++k) {
      const Shape& shape = sequences[k].shape();
      if (shape.rank() == 0) throw_rank(states_ + static_cast<int>(k));
      const int64_t own = shape[resolve_axis(in_.axes[k], shape.rank())];
      if (length >= 0 && own != length) {
        throw Error(ErrorCode::kInvalidArgument,
                    fmt::format("Scan inputs have sequences of different lengths: {} and {}.", length, own));
      }
      length = own;
    }
    return length;
  }

  /// A scan output without any step: what is not known of its shape is 0.
  Tensor empty_scan(size_t k) const {
    Shape shape = scans_[k].has_shape ? scans_[k].shape : Shape{0};
    for (int axis = 0; axis < shape.rank(); ++axis) shape[axis] = std::max<int64_t>(shape[axis], 0);
    if (scans_[k].has_shape) shape[first_ + resolve_axis(out_.axes[k], shape.rank() - first_)] = 0;
    return Tensor::allocate(scans_[k].type, shape);
  }

  int first_;
  int sequences_;
  int states_;
  int index_;

 private:
  static int count_sequences(const Node& node, int first) {
    const int64_t count = node.attributes.require_int("num_scan_inputs");
    if (count < 1 || count > node.own_input_count() - first) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("{} scan inputs do not fit to {} inputs.", count, node.own_input_count()));
    }
    return static_cast<int>(count);
  }

  static int scan_axis(int64_t axis, const Shape& shape, int batch) { return resolve_axis(axis, shape.rank() - batch); }

  int64_t sequence_length(InferContext& context) const {
    for (int k = 0; k < sequences_; ++k) {
      const int input = first_ + states_ + k;
      if (!context.has_shape(input)) continue;
      const Shape& shape = context.shape(input);
      return shape[first_ + scan_axis(in_.axes[static_cast<size_t>(k)], shape, first_)];
    }
    return context.fresh_dim();
  }

  [[noreturn]] void throw_rank(int input) const {
    throw Error(ErrorCode::kInvalidGraph, fmt::format("Input {} has too few dimensions.", first_ + input));
  }

  std::shared_ptr<Graph> body_;  // until it is compiled

 protected:
  int results_;
  Directions in_;
  Directions out_;
  std::vector<ValueInfo> scans_;  // what is known of the scan outputs
};

class Scan9 final : public Scan {
 public:
  explicit Scan9(const Node& node) : Scan(node, 0) {}

  void run(RunContext& context) const override {
    std::vector<Tensor> inputs;
    for (int i = 0; i < context.input_count(); ++i) inputs.push_back(borrow(context.input(i)));
    const std::span<const Tensor> all(inputs);
    const auto first = static_cast<size_t>(states_);
    const auto count = static_cast<size_t>(sequences_);
    std::vector<Tensor> states(inputs.begin(), inputs.begin() + states_);
    std::vector<Tensor> outputs(scans_.size());
    const int64_t length = check_length(all.subspan(first, count));
    scan(context, states, all.subspan(first, count), all.subspan(first + count), length, length, outputs);
    for (int i = 0; i < context.output_count(); ++i) {
      if (!context.has_output(i)) continue;
      const auto k = static_cast<size_t>(i - states_);
      if (i < states_) {
        context.give_output(i, keep(states[static_cast<size_t>(i)]));
      } else {
        context.give_output(i, outputs[k] ? std::move(outputs[k]) : empty_scan(k));
      }
    }
  }
};

class Scan8 final : public Scan {
 public:
  explicit Scan8(const Node& node) : Scan(node, 1) {}

  void run(RunContext& context) const override {
    std::vector<Tensor> inputs;
    for (int i = 1; i < context.input_count(); ++i) inputs.push_back(borrow(context.input(i)));
    const int own = states_ + sequences_;
    const int64_t batch = batch_of(std::span(inputs).first(static_cast<size_t>(own)));
    std::vector<std::vector<Tensor>> samples;  // of outputs, by sample
    for (int64_t b = 0; b < batch; ++b) samples.push_back(scan_sample(context, inputs, b));
    for (int i = 0; i < context.output_count(); ++i) {
      if (!context.has_output(i)) continue;
      if (batch == 0) {
        context.give_output(
            i, i < states_ ? keep(inputs[static_cast<size_t>(i)]) : empty_scan(static_cast<size_t>(i - states_)));
        continue;
      }
      const auto k = static_cast<size_t>(i);
      Shape shape = samples[0][k].shape();
      shape.insert(0, batch);
      Tensor output = Tensor::allocate(samples[0][k].type(), shape);
      for (int64_t b = 0; b < batch; ++b) {
        const Tensor& sample = samples[static_cast<size_t>(b)][k];
        if (sample.shape() != samples[0][k].shape()) {
          throw Error(ErrorCode::kInvalidArgument, fmt::format("Output {} has other shapes for other samples.", i));
        }
        store_slice(sample, output, 0, b);
      }
      context.give_output(i, std::move(output));
    }
  }

 private:
  static int64_t batch_of(std::span<const Tensor> inputs) {
    for (const Tensor& input : inputs) {
      if (input.shape().rank() == 0 || input.shape()[0] != inputs[0].shape()[0]) {
        throw Error(ErrorCode::kInvalidArgument, "States and scan inputs have different batch sizes.");
      }
    }
    return inputs[0].shape()[0];
  }

  std::vector<Tensor> scan_sample(RunContext& context, std::span<const Tensor> inputs, int64_t b) const {
    std::vector<Tensor> states;
    std::vector<Tensor> sequences;
    for (int i = 0; i < states_; ++i) states.push_back(slice(inputs[static_cast<size_t>(i)], 0, b));
    for (int i = 0; i < sequences_; ++i) sequences.push_back(slice(inputs[static_cast<size_t>(states_ + i)], 0, b));
    std::vector<Tensor> outputs(scans_.size());
    const int64_t total = check_length(sequences);
    int64_t length = total;
    if (context.has_input(0)) {
      if (b >= context.input(0).elements()) throw Error(ErrorCode::kInvalidArgument, "sequence_lens is too short.");
      length = context.input(0).as<int64_t>()[b];
      if (length < 0 || length > total) {
        throw Error(ErrorCode::kInvalidArgument,
                    fmt::format("sequence_lens has {} for sequences of {}.", length, total));
      }
    }
    scan(context, states, sequences, inputs.subspan(static_cast<size_t>(states_ + sequences_)), length, total, outputs);
    for (Tensor& state : states) state = keep(state);
    for (size_t k = 0; k < outputs.size(); ++k) {
      if (!outputs[k]) outputs[k] = padding(k, total);
    }
    states.insert(states.end(), outputs.begin(), outputs.end());
    return states;
  }

  /// The scan output of a sample of length 0.
  Tensor padding(size_t k, int64_t total) const {
    Shape shape{total};
    if (scans_[k].has_shape) {
      shape = scans_[k].shape;
      shape.erase(0);
      for (int axis = 0; axis < shape.rank(); ++axis) shape[axis] = std::max<int64_t>(shape[axis], 0);
      shape[0] = total;
    }
    Tensor tensor = Tensor::allocate(scans_[k].type, shape);
    clear(tensor);
    return tensor;
  }
};

}  // namespace

[[gnu::cold]] const OpDef& scan_8() {
  static const OpDef def{
      .name = "Scan",
      .since = 8,
      .until = 8,
      .inputs = {{"sequence_lens", "I", Occurrence::kOptional},
                 {"initial_state_and_scan_inputs", "V", Occurrence::kVariadic}},
      .outputs = {{"final_state_and_scan_outputs", "V", Occurrence::kVariadic}},
      .types = {{"I", {DataType::kInt64}}, {"V", kAnyType, true}},
      .make = make_operator<Scan8>,
      .has_subgraphs = true,
  };
  return def;
}

[[gnu::cold]] const OpDef& scan() {
  static const OpDef def{
      .name = "Scan",
      .since = 9,
      .inputs = {{"initial_state_and_scan_inputs", "V", Occurrence::kVariadic}},
      .outputs = {{"final_state_and_scan_outputs", "V", Occurrence::kVariadic}},
      .types = {{"V", kAnyType, true}},
      .make = make_operator<Scan9>,
      .has_subgraphs = true,
  };
  return def;
}

}  // namespace attune::ops
