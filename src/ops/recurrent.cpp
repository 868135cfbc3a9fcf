#include "ops/recurrent.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "attune/error.h"
#include "kernels/gemm.h"
#include "ops/axes.h"
#include "ops/recurrent_activations.h"
#include "ops/recurrent_double.h"

namespace attune::ops {
namespace {

// The products of the inputs are made for as many times as fit into this, which stays in the second-level cache of
// most machines while the states go through it.
constexpr int64_t kChunkFloats = 256 << 10;

// Samples that go through a sequence together: enough rows to keep a matrix product busy, few enough to share out.
constexpr int64_t kSamplesOfTask = 16;

// Below this many products of the states, telling another thread costs more than it gains.
constexpr int64_t kWorthSharing = 64 << 10;

}  // namespace

/// What the shapes of the inputs say.
struct RecurrentOperator::Sizes {
  int64_t times = 0;
  int64_t batch = 0;
  int64_t inputs = 0;  // features
  int64_t units = 0;
  int64_t wide = 0;   // floats of all gates
  int64_t chunk = 0;  // times whose products exist at once
  int64_t tasks = 0;  // of one direction
  bool has_lengths = false;
};

struct RecurrentOperator::Memory {
  float* products = nullptr;     // of the inputs: [directions, chunk * batch, wide]
  float* bias = nullptr;         // [directions, wide]
  float* h = nullptr;            // [directions, batch, units]
  float* cell = nullptr;         // likewise
  float* scratch = nullptr;      // [directions, batch, scratch_floats]
  const float** rows = nullptr;  // [directions, batch]
  const float* w = nullptr;      // packed, by direction
  const float* r = nullptr;      // packed, by direction and product
  float* packed_w = nullptr;     // where this run packs them
  float* packed_r = nullptr;
};

RecurrentOperator::RecurrentOperator(const Node& node, const RecurrentKind& kind)
    : kind_(kind),
      hidden_size_(node.attributes.get_int("hidden_size", 0)),
      batch_first_(node.attributes.get_int("layout", 0) != 0) {
  const std::string direction = node.attributes.get_string("direction", "forward");
  if (direction == "forward") {
    reverse_ = {false};
  } else if (direction == "reverse") {
    reverse_ = {true};
  } else if (direction == "bidirectional") {
    reverse_ = {false, true};
  } else {
    throw Error(ErrorCode::kInvalidGraph, fmt::format("The direction '{}' is unknown.", direction));
  }
  const auto count = static_cast<int>(reverse_.size()) * kind.functions;
  const std::vector<kernels::GateFunction> functions = parse_gate_functions(node, count, kind.defaults);
  const float clip = node.attributes.get_float("clip", 0.0F);
  for (size_t d = 0; d < reverse_.size(); ++d) {
    const size_t first = d * static_cast<size_t>(kind.functions);
    kernels::RecurrentGates gates;
    gates.f = functions[first];
    gates.g = kind.functions > 1 ? functions[first + 1] : functions[first];
    gates.h.kind = kernels::GateFunction::Kind::kTanh;
    if (kind.functions > 2) gates.h = functions[first + 2];
    if (clip > 0) gates.clip = clip;
    gates.input_forget = node.attributes.get_int("input_forget", 0) != 0;
    gates_.push_back(gates);
  }
}

void RecurrentOperator::infer(InferContext& context) const {
  const DataType type = context.type(kX);
  int64_t times = kUnknownDim;
  int64_t batch = kUnknownDim;
  if (context.has_shape(kX)) {
    const Shape& x = context.shape(kX);
    if (x.rank() != 3) throw Error(ErrorCode::kInvalidGraph, fmt::format("X has the shape {}.", x.to_string()));
    times = x[batch_first_ ? 1 : 0];
    batch = x[batch_first_ ? 0 : 1];
  }
  int64_t units = hidden_size_ > 0 ? hidden_size_ : kUnknownDim;
  if (context.has_shape(kR)) {
    const Shape& r = context.shape(kR);
    if (r.rank() != 3) throw Error(ErrorCode::kInvalidGraph, fmt::format("R has the shape {}.", r.to_string()));
    if (is_known(units) && is_known(r[2]) && units != r[2]) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("hidden_size is {}, but R has the shape {}.", units, r.to_string()));
    }
    if (!is_known(units)) units = r[2];
  }
  const int64_t count = directions();
  const int64_t features = context.has_shape(kX) ? context.shape(kX)[2] : kUnknownDim;
  const auto times_units = [&](int64_t factor) { return is_known(units) ? factor * units : kUnknownDim; };
  const auto require = [&](int i, const Shape& wanted, std::string_view name) {
    if (!context.has_shape(i) || may_be_same(context.shape(i), wanted)) return;
    throw Error(ErrorCode::kInvalidGraph, fmt::format("{} has the shape {} instead of {}.", name,
                                                      context.shape(i).to_string(), wanted.to_string()));
  };
  const Shape state = batch_first_ ? Shape{batch, count, units} : Shape{count, batch, units};
  require(kW, {count, times_units(kind_.gates), features}, "W");
  require(kR, {count, times_units(kind_.gates), units}, "R");
  require(kB, {count, times_units(2 * kind_.gates)}, "B");
  require(kLengths, {batch}, "sequence_lens");
  require(kInitialH, state, "initial_h");
  require(kInitialC, state, "initial_c");
  require(kPeepholes, {count, times_units(3)}, "P");
  const auto fresh = [&](int64_t dim) { return dim == kUnknownDim ? context.fresh_dim() : dim; };
  const int64_t b = fresh(batch);
  const int64_t u = fresh(units);
  if (context.output_count() > 0) {
    const int64_t t = fresh(times);
    context.set_output(0, type, batch_first_ ? Shape{b, t, count, u} : Shape{t, count, b, u});
  }
  const Shape last = batch_first_ ? Shape{b, count, u} : Shape{count, b, u};
  for (int i = 1; i < context.output_count(); ++i) context.set_output(i, type, last);
}

RecurrentOperator::Sizes RecurrentOperator::sizes(std::span<const TensorView> inputs) const {
  const Shape& x = inputs[kX].shape();
  const Shape& r = inputs[kR].shape();
  Sizes s;
  s.times = x[batch_first_ ? 1 : 0];
  s.batch = x[batch_first_ ? 0 : 1];
  s.inputs = x[2];
  s.units = r[2];
  s.wide = kind_.gates * s.units;
  s.has_lengths = inputs.size() > kLengths && inputs[kLengths].dims != nullptr;
  // Backwards from lengths of their own, samples are at different times: their products must all be there.
  const bool all = s.has_lengths && std::find(reverse_.begin(), reverse_.end(), true) != reverse_.end();
  const int64_t fit = kChunkFloats / std::max<int64_t>(s.batch * s.wide, 1);
  s.chunk = all ? s.times : std::clamp<int64_t>(fit, 1, std::max<int64_t>(s.times, 1));
  s.tasks = (s.batch + kSamplesOfTask - 1) / kSamplesOfTask;
  return s;
}

size_t RecurrentOperator::packed_floats(const Shape& weights, std::span<const GateRange> ranges) const {
  size_t floats = 0;
  for (const GateRange& range : ranges) {
    floats += kernels::packed_b_size(weights[2], range.count * (weights[1] / kind_.gates));
  }
  return floats;
}

void RecurrentOperator::pack(const float* weights, const Shape& shape, std::span<const GateRange> ranges, float* out,
                             Parallel& parallel) const {
  const int64_t units = shape[1] / kind_.gates;
  const int64_t k = shape[2];
  for (int64_t d = 0; d < shape[0]; ++d) {
    for (const GateRange& range : ranges) {
      const float* first = weights + (d * shape[1] + range.first * units) * k;
      kernels::pack_b(k, range.count * units, {first, 1, k}, out, parallel);
      out += kernels::packed_b_size(k, range.count * units);
    }
  }
}

void RecurrentOperator::pack_constant(PrepareContext& context, int input, std::string_view name,
                                      std::span<const GateRange> ranges, Packed& packed) const {
  const Tensor* constant = context.input(input).constant;
  if (constant == nullptr || constant->type() != DataType::kFloat) return;
  if (constant->shape().rank() != 3 || constant->elements() == 0) return;
  const Shape& shape = constant->shape();
  // A run will say what is wrong with it.
  if (shape[0] != directions() || shape[1] % kind_.gates != 0) return;
  std::string packing(name);
  for (const GateRange& range : ranges) packing += fmt::format("/{}+{}", range.first, range.count);
  const auto fill = [&](float* out) {
    const Tensor aligned = constant->aligned();
    pack(aligned.values<float>().data(), shape, ranges, out, context.parallel());
  };
  const size_t floats = static_cast<size_t>(shape[0]) * packed_floats(shape, ranges);
  packed.floats = context.pack(input, fmt::format("{}/of {}", packing, kind_.gates), floats, fill);
  packed.shape = shape;
  context.release_input(input);
}

void RecurrentOperator::prepare(PrepareContext& context) {
  const GateRange all{0, kind_.gates};
  pack_constant(context, kW, "recurrent", {&all, 1}, w_);
  pack_constant(context, kR, "recurrent", products(), r_);
}

RecurrentOperator::Memory RecurrentOperator::take_memory(WorkspaceCursor& cursor, const Sizes& s) const {
  const int64_t count = directions();
  Memory memory;
  memory.products = cursor.take(count * s.chunk * s.batch * s.wide);
  memory.bias = cursor.take(count * s.wide);
  memory.h = cursor.take(count * s.batch * s.units);
  memory.cell = cursor.take(kind_.has_cell ? count * s.batch * s.units : 0);
  memory.scratch = cursor.take(count * s.batch * scratch_floats(s.units));
  memory.rows = cursor.take<const float*>(count * s.batch);
  const GateRange all{0, kind_.gates};
  if (w_.floats == nullptr) {
    const size_t floats = packed_floats({count, s.wide, s.inputs}, {&all, 1});
    memory.packed_w = cursor.take(count * static_cast<int64_t>(floats));
  }
  if (r_.floats == nullptr) {
    const size_t floats = packed_floats({count, s.wide, s.units}, products());
    memory.packed_r = cursor.take(count * static_cast<int64_t>(floats));
  }
  memory.w = w_.floats != nullptr ? w_.floats.get() : memory.packed_w;
  memory.r = r_.floats != nullptr ? r_.floats.get() : memory.packed_r;
  return memory;
}

size_t RecurrentOperator::workspace_bytes(std::span<const TensorView> inputs, std::span<const TensorView>, int) const {
  if (inputs[kX].type == DataType::kDouble) return 0;
  WorkspaceCursor cursor;
  take_memory(cursor, sizes(inputs));
  return cursor.bytes();
}

/// Packs weights that are no constants, sums the biases, and sets the states to what they are first.
void RecurrentOperator::begin(RunContext& context, const Sizes& s, const Memory& memory) const {
  const int64_t count = directions();
  const GateRange all{0, kind_.gates};
  if (memory.packed_w != nullptr) {
    pack(context.input(kW).as<float>(), context.input(kW).shape(), {&all, 1}, memory.packed_w, context.parallel());
  }
  if (memory.packed_r != nullptr) {
    pack(context.input(kR).as<float>(), context.input(kR).shape(), products(), memory.packed_r, context.parallel());
  }
  const float* bias = context.has_input(kB) ? context.input(kB).as<float>() : nullptr;
  const int64_t own_bias = first_own_bias() * s.units;
  for (int64_t d = 0; d < count; ++d) {
    for (int64_t i = 0; i < s.wide; ++i) {
      float sum = 0.0F;
      if (bias != nullptr) {
        sum = bias[d * 2 * s.wide + i];
        if (i < own_bias) sum += bias[d * 2 * s.wide + s.wide + i];
      }
      memory.bias[d * s.wide + i] = sum;
    }
  }
  const auto load_state = [&](int input, float* state) {
    const float* initial = context.has_input(input) ? context.input(input).as<float>() : nullptr;
    for (int64_t d = 0; d < count; ++d) {
      for (int64_t b = 0; b < s.batch; ++b) {
        float* to = state + (d * s.batch + b) * s.units;
        if (initial == nullptr) {
          std::fill_n(to, s.units, 0.0F);
        } else {
          std::copy_n(initial + (batch_first_ ? b * count + d : d * s.batch + b) * s.units, s.units, to);
        }
      }
    }
  };
  load_state(kInitialH, memory.h);
  if (kind_.has_cell) load_state(kInitialC, memory.cell);
}

/// The products of `steps` times; backwards they are counted from the end.
void RecurrentOperator::multiply_inputs(RunContext& context, const Sizes& s, const Memory& memory, int direction,
                                        int64_t first_step, int64_t steps) const {
  const float* x = context.input(kX).as<float>();
  const GateRange all{0, kind_.gates};
  const auto packed = static_cast<int64_t>(packed_floats({1, s.wide, s.inputs}, {&all, 1}));
  const float* w = memory.w + direction * packed;
  float* out = memory.products + direction * s.chunk * s.batch * s.wide;
  const bool backwards = reverse_[static_cast<size_t>(direction)];
  const int64_t first_time = backwards ? s.times - first_step - steps : first_step;
  kernels::GemmEpilogue epilogue;
  epilogue.bias = memory.bias + direction * s.wide;
  const auto multiply = [&](int64_t row, int64_t rows, float* to) {
    kernels::gemm_packed({rows, s.wide, s.inputs}, {x + row * s.inputs, s.inputs, 1}, w, to, s.wide, epilogue,
                         context.parallel());
  };
  if (!batch_first_) return multiply(first_time * s.batch, steps * s.batch, out);
  if (steps == s.times) return multiply(0, s.batch * s.times, out);
  for (int64_t b = 0; b < s.batch; ++b) multiply(b * s.times + first_time, steps, out + b * steps * s.wide);
}

/// Takes the samples of one task through `steps` times.
void RecurrentOperator::go(RunContext& context, const Sizes& s, const Memory& memory, int64_t task, int64_t first_step,
                           int64_t steps, Parallel& parallel) const {
  const auto direction = static_cast<int>(task / s.tasks);
  const int64_t first = task % s.tasks * kSamplesOfTask;
  const int64_t samples = std::min(kSamplesOfTask, s.batch - first);
  const int64_t row = direction * s.batch + first;
  const bool backwards = reverse_[static_cast<size_t>(direction)];
  const int64_t first_time = backwards ? s.times - first_step - steps : first_step;
  const int32_t* lengths = s.has_lengths ? context.input(kLengths).as<int32_t>() : nullptr;
  float* y = context.has_output(0) ? context.output(0).as<float>() : nullptr;
  std::vector<const float*> weights;
  const std::vector<GateRange> ranges = products();
  const float* packed = memory.r + direction * static_cast<int64_t>(packed_floats({1, s.wide, s.units}, ranges));
  for (const GateRange& range : ranges) {
    weights.push_back(packed);
    packed += kernels::packed_b_size(s.units, range.count * s.units);
  }
  RecurrentStep now;
  now.direction = direction;
  now.samples = samples;
  now.x = {memory.rows + row, static_cast<size_t>(samples)};
  now.h = memory.h + row * s.units;
  now.cell = memory.cell + row * s.units;
  now.scratch = memory.scratch + row * scratch_floats(s.units);
  now.parallel = &parallel;
  const float* products = memory.products + direction * s.chunk * s.batch * s.wide;
  const auto time_of = [&](int64_t step, int64_t sample) {
    const int64_t length = lengths != nullptr ? lengths[first + sample] : s.times;
    if (step >= length) return int64_t{-1};
    return backwards ? length - 1 - step : step;
  };
  for (int64_t step = first_step; step < first_step + steps; ++step) {
    for (int64_t i = 0; i < samples; ++i) {
      const int64_t time = time_of(step, i);
      const int64_t b = first + i;
      const int64_t place = batch_first_ ? b * steps + (time - first_time) : (time - first_time) * s.batch + b;
      memory.rows[row + i] = time < 0 ? nullptr : products + place * s.wide;
    }
    now.order = step % 2 == 0 ? kernels::ColumnOrder::kForwards : kernels::ColumnOrder::kBackwards;
    this->step(context, now, weights, s.units);
    if (y == nullptr) continue;
    for (int64_t i = 0; i < samples; ++i) {
      // A sequence that is over gives zeros at the times behind its end.
      const int64_t time = time_of(step, i);
      const int64_t t = time < 0 ? step : time;
      const int64_t b = first + i;
      const int64_t place =
          batch_first_ ? (b * s.times + t) * directions() + direction : (t * directions() + direction) * s.batch + b;
      if (time < 0) {
        std::fill_n(y + place * s.units, s.units, 0.0F);
      } else {
        std::copy_n(now.h + i * s.units, s.units, y + place * s.units);
      }
    }
  }
}

void RecurrentOperator::finish(RunContext& context, const Sizes& s, const Memory& memory) const {
  const int64_t count = directions();
  const int32_t* lengths = s.has_lengths ? context.input(kLengths).as<int32_t>() : nullptr;
  for (int i = 1; i < context.output_count(); ++i) {
    if (!context.has_output(i)) continue;
    const float* state = i == 1 ? memory.h : memory.cell;
    float* out = context.output(i).as<float>();
    for (int64_t d = 0; d < count; ++d) {
      for (int64_t b = 0; b < s.batch; ++b) {
        float* to = out + (batch_first_ ? b * count + d : d * s.batch + b) * s.units;
        if (lengths != nullptr && lengths[b] == 0) {
          std::fill_n(to, s.units, 0.0F);  // onnxruntime's: an empty sequence has no last state
        } else {
          std::copy_n(state + (d * s.batch + b) * s.units, s.units, to);
        }
      }
    }
  }
}

void RecurrentOperator::run(RunContext& context) const {
  std::vector<TensorView> inputs;
  for (int i = 0; i < context.input_count(); ++i) inputs.push_back(context.input(i));
  const Sizes s = sizes(inputs);
  if (s.has_lengths) {
    const int32_t* lengths = context.input(kLengths).as<int32_t>();
    for (int64_t b = 0; b < s.batch; ++b) {
      if (lengths[b] >= 0 && lengths[b] <= s.times) continue;
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("sequence_lens has {} for sequences of {}.", lengths[b], s.times));
    }
  }
  if (context.input(kX).type == DataType::kDouble) return run_double(context, s);
  WorkspaceCursor cursor(context.workspace());
  const Memory memory = take_memory(cursor, s);
  begin(context, s, memory);
  const int64_t tasks = directions() * s.tasks;
  for (int64_t first = 0; first < s.times; first += s.chunk) {
    const int64_t steps = std::min(s.chunk, s.times - first);
    for (int d = 0; d < directions(); ++d) multiply_inputs(context, s, memory, d, first, steps);
    if (tasks == 1) {
      go(context, s, memory, 0, first, steps, context.parallel());
      continue;
    }
    // Each task goes its way by itself: threads meet once a chunk, not once a step.
    const int64_t work = steps * std::min(kSamplesOfTask, s.batch) * s.wide * s.units;
    for_ranges(context.parallel(), tasks, kWorthSharing / std::max<int64_t>(work, 1),
               [&](int64_t begin, int64_t end, int) {
                 SerialParallel serial;
                 for (int64_t task = begin; task < end; ++task) go(context, s, memory, task, first, steps, serial);
               });
  }
  finish(context, s, memory);
}

void RecurrentOperator::run_double(RunContext& context, const Sizes& s) const {
  const auto input = [&](int i) -> const double* {
    return context.has_input(i) ? context.input(i).as<double>() : nullptr;
  };
  const auto output = [&](int i) -> double* {
    return context.has_output(i) ? context.output(i).as<double>() : nullptr;
  };
  DoubleRecurrentLayer layer;
  layer.times = s.times;
  layer.batch = s.batch;
  layer.inputs = s.inputs;
  layer.units = s.units;
  layer.gates = kind_.gates;
  layer.linear_before_reset = first_own_bias() < kind_.gates;
  layer.batch_first = batch_first_;
  layer.reverse = reverse_;
  layer.functions = gates_;
  layer.x = input(kX);
  layer.w = input(kW);
  layer.r = input(kR);
  layer.bias = input(kB);
  layer.lengths = s.has_lengths ? context.input(kLengths).as<int32_t>() : nullptr;
  layer.initial_h = input(kInitialH);
  layer.initial_cell = input(kInitialC);
  layer.peepholes = input(kPeepholes);
  layer.y = output(0);
  layer.last_h = output(1);
  layer.last_cell = output(2);
  run_recurrent_double(layer, context.parallel());
}

double RecurrentOperator::flops(std::span<const TensorView> inputs, std::span<const TensorView>) const {
  const Shape& x = inputs[kX].shape();
  const Shape& r = inputs[kR].shape();
  return 2.0 * static_cast<double>(r[0] * r[1]) * static_cast<double>(x[0] * x[1]) * static_cast<double>(x[2] + r[2]);
}

}  // namespace attune::ops
