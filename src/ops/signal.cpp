// DFT: https://onnx.ai/onnx/operators/onnx__DFT.html, versions 17 to 20; STFT:
// https://onnx.ai/onnx/operators/onnx__STFT.html, version 17; HannWindow, HammingWindow, BlackmanWindow:
// https://onnx.ai/onnx/operators/onnx__HannWindow.html and so on, version 17; MelWeightMatrix:
// https://onnx.ai/onnx/operators/onnx__MelWeightMatrix.html, version 17.
//
// Transforms are made in double by KissFFT. A one-sided inverse gives real numbers, as from version 20's corrected
// text.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <kissfft/kissfft.hh>
#include <numbers>
#include <optional>
#include <span>
#include <vector>

#include "attune/error.h"
#include "ops/axes.h"
#include "ops/element_types.h"
#include "ops/movement.h"
#include "ops/op_def.h"
#include "ops/small_types.h"

namespace attune::ops {
namespace {

using Complex = std::complex<double>;

/// More would not fit any signal, and overflows what is computed from it.
constexpr int64_t kLongest = int64_t{1} << 31;

/// One signal at a time; not for several threads.
class Transform {
 public:
  Transform(int64_t length, bool inverse)
      : fft_(static_cast<size_t>(length), inverse), in_(static_cast<size_t>(length)), out_(in_.size()) {}

  std::vector<Complex>& in() { return in_; }
  const std::vector<Complex>& run() {
    fft_.transform(in_.data(), out_.data());
    return out_;
  }

 private:
  kissfft<double> fft_;
  std::vector<Complex> in_;
  std::vector<Complex> out_;
};

int64_t read_scalar(const TensorView& view, std::string_view name) {
  if (view.elements() != 1) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("{} must be one number.", name));
  }
  return view.integer(0);
}

std::optional<int64_t> known_scalar(const InferContext& context, int i, std::string_view name) {
  const Tensor* constant = context.constant(i);
  if (constant == nullptr) return std::nullopt;
  return read_scalar(TensorView::of(*constant), name);
}

int64_t check_length(int64_t length) {
  if (length < 1 || length > kLongest) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("A transform of length {} is not possible.", length));
  }
  return length;
}

class Dft final : public Operator {
 public:
  explicit Dft(const Node& node)
      : inverse_(node.attributes.get_int("inverse", 0) != 0),
        onesided_(node.attributes.get_int("onesided", 0) != 0),
        axis_is_input_(node.version >= 20),
        axis_(node.attributes.get_int("axis", 1)) {}

  void infer(InferContext& context) const override {
    context.set_output_type(0, context.type(0));
    if (!context.has_shape(0)) return;
    Shape y = context.shape(0);
    if (y.rank() < 2) throw Error(ErrorCode::kInvalidGraph, fmt::format("DFT of shape {}.", y.to_string()));
    y[y.rank() - 1] = gives_real() ? 1 : 2;
    std::optional<int64_t> axis = axis_is_input_ ? -2 : axis_;
    if (axis_is_input_ && context.has_input(2)) axis = known_scalar(context, 2, "DFT's axis");
    if (!axis) {
      const bool keeps_sizes = !context.has_input(1) && !onesided_;
      for (int i = 0; !keeps_sizes && i + 1 < y.rank(); ++i) y[i] = context.fresh_dim();
      return context.set_output(0, context.type(0), y);
    }
    const int place = signal_axis(*axis, y.rank());
    std::optional<int64_t> length;
    if (!context.has_input(1)) {
      if (is_known(y[place])) length = default_length(y[place]);
    } else {
      length = known_scalar(context, 1, "DFT's length");
    }
    if (length) {
      y[place] = output_length(check_length(*length));
    } else if (context.has_input(1) || onesided_) {
      y[place] = context.fresh_dim();
    }
    context.set_output(0, context.type(0), y);
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    int64_t axis = axis_is_input_ ? -2 : axis_;
    if (axis_is_input_ && context.has_input(2)) axis = read_scalar(context.input(2), "DFT's axis");
    const int place = signal_axis(axis, x.rank());
    const int64_t length = check_length(context.has_input(1) ? read_scalar(context.input(1), "DFT's length")
                                                             : default_length(x.dim(place)));
    Shape shape = x.shape();
    shape[place] = output_length(length);
    shape[x.rank() - 1] = gives_real() ? 1 : 2;
    const TensorView y = output_of_shape(context, 0, shape);
    visit_type<float, double>(
        x.type, [&](auto tag) { transform<typename decltype(tag)::type>(x, y, place, length, context.parallel()); });
  }

  double flops(std::span<const TensorView> inputs, std::span<const TensorView>) const override {
    const auto elements = static_cast<double>(inputs[0].elements());
    return 5.0 * elements * std::log2(std::max(elements, 2.0));
  }

 private:
  bool gives_real() const { return inverse_ && onesided_; }
  int64_t default_length(int64_t size) const { return gives_real() ? 2 * (size - 1) : size; }
  int64_t output_length(int64_t length) const { return onesided_ && !inverse_ ? length / 2 + 1 : length; }

  static int signal_axis(int64_t axis, int rank) {
    const int place = resolve_axis(axis, rank);
    if (place == rank - 1) throw Error(ErrorCode::kInvalidGraph, "DFT: the last axis is that of the parts.");
    return place;
  }

  template <class T>
  void transform(const TensorView& x, const TensorView& y, int axis, int64_t length, Parallel& parallel) const {
    const int rank = x.rank();
    const int64_t parts = x.dim(rank - 1);
    if (parts != 1 && parts != 2) {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("DFT: the last axis has {} parts, not 1 or 2.", parts));
    }
    const int64_t in_size = x.dim(axis);
    const int64_t out_size = y.dim(axis);
    const int64_t out_parts = y.dim(rank - 1);
    const int64_t inner = x.shape().product(axis + 1, rank - 1);
    const int64_t signals = x.shape().product(0, axis) * inner;
    const double scale = inverse_ ? 1.0 / static_cast<double>(length) : 1.0;
    for_ranges(parallel, signals, std::max<int64_t>(1, 8192 / length), [&](int64_t begin, int64_t end, int) {
      Transform fft(length, inverse_);
      for (int64_t signal = begin; signal < end; ++signal) {
        const T* in = x.as<T>() + (signal / inner * in_size * inner + signal % inner) * parts;
        const int64_t used = std::min(gives_real() ? length / 2 + 1 : length, in_size);
        std::fill(fft.in().begin(), fft.in().end(), Complex());
        for (int64_t i = 0; i < used; ++i) {
          const T* element = in + i * inner * parts;
          fft.in()[static_cast<size_t>(i)] =
              Complex(static_cast<double>(element[0]), parts == 2 ? static_cast<double>(element[1]) : 0.0);
        }
        if (gives_real()) {  // the other half mirrors the given one
          for (int64_t i = length / 2 + 1; i < length; ++i) {
            fft.in()[static_cast<size_t>(i)] = std::conj(fft.in()[static_cast<size_t>(length - i)]);
          }
        }
        const std::vector<Complex>& result = fft.run();
        T* out = y.as<T>() + (signal / inner * out_size * inner + signal % inner) * out_parts;
        for (int64_t i = 0; i < out_size; ++i) {
          const Complex value = result[static_cast<size_t>(i)] * scale;
          out[i * inner * out_parts] = static_cast<T>(value.real());
          if (out_parts == 2) out[i * inner * out_parts + 1] = static_cast<T>(value.imag());
        }
      }
    });
  }

  bool inverse_;
  bool onesided_;
  bool axis_is_input_;
  int64_t axis_;
};

class Stft final : public Operator {
 public:
  explicit Stft(const Node& node) : onesided_(node.attributes.get_int("onesided", 1) != 0) {}

  void infer(InferContext& context) const override {
    context.set_output_type(0, context.type(0));
    if (!context.has_shape(0)) return;
    const Shape& x = context.shape(0);
    if (x.rank() != 3 && x.rank() != 2) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("STFT of a signal of shape {}.", x.to_string()));
    }
    const auto step = known_scalar(context, 1, "STFT's frame_step");
    std::optional<int64_t> frame;
    if (context.has_input(3)) {
      frame = known_scalar(context, 3, "STFT's frame_length");
    } else if (context.has_shape(2) && context.shape(2).rank() == 1 && is_known(context.shape(2)[0])) {
      frame = context.shape(2)[0];
    }
    Shape y{x[0], context.fresh_dim(), context.fresh_dim(), 2};
    if (frame) y[2] = bins(check_length(*frame));
    if (frame && step && is_known(x[1])) y[1] = frames(x[1], *frame, *step);
    context.set_output(0, context.type(0), y);
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const int64_t step = read_scalar(context.input(1), "STFT's frame_step");
    const TensorView window = context.has_input(2) ? context.input(2) : TensorView{};
    if (!window && !context.has_input(3)) {
      throw Error(ErrorCode::kInvalidArgument, "STFT needs a window or a frame_length.");
    }
    const int64_t length =
        check_length(context.has_input(3) ? read_scalar(context.input(3), "STFT's frame_length") : window.elements());
    if (window && window.elements() > length) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("STFT: a window of {} for frames of {}.", window.elements(), length));
    }
    const Shape shape{x.dim(0), frames(x.dim(1), length, step), bins(length), 2};
    const TensorView y = output_of_shape(context, 0, shape);
    visit_type<float, double>(x.type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      const int64_t parts = x.rank() == 3 ? x.dim(2) : 1;
      if (parts != 1 && parts != 2) {
        throw Error(ErrorCode::kInvalidArgument, fmt::format("STFT: the signal has {} parts, not 1 or 2.", parts));
      }
      const int64_t used = window ? window.elements() : length;
      for_ranges(context.parallel(), shape[0] * shape[1], std::max<int64_t>(1, 8192 / length),
                 [&](int64_t begin, int64_t end, int) {
                   Transform fft(length, false);
                   for (int64_t i = begin; i < end; ++i) {
                     const T* in = x.as<T>() + (i / shape[1] * x.dim(1) + i % shape[1] * step) * parts;
                     std::fill(fft.in().begin(), fft.in().end(), Complex());
                     for (int64_t k = 0; k < used; ++k) {
                       const double weight = window ? static_cast<double>(window.as<T>()[k]) : 1.0;
                       fft.in()[static_cast<size_t>(k)] =
                           weight * Complex(static_cast<double>(in[k * parts]),
                                            parts == 2 ? static_cast<double>(in[k * parts + 1]) : 0.0);
                     }
                     const std::vector<Complex>& result = fft.run();
                     T* out = y.as<T>() + i * shape[2] * 2;
                     for (int64_t k = 0; k < shape[2]; ++k) {
                       out[2 * k] = static_cast<T>(result[static_cast<size_t>(k)].real());
                       out[2 * k + 1] = static_cast<T>(result[static_cast<size_t>(k)].imag());
                     }
                   }
                 });
    });
  }

 private:
  int64_t bins(int64_t length) const { return onesided_ ? length / 2 + 1 : length; }

  static int64_t frames(int64_t signal, int64_t frame, int64_t step) {
    if (step < 1 || frame > signal) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("STFT: frames of {} every {} of a signal of {}.", frame, step, signal));
    }
    return (signal - frame) / step + 1;
  }

  bool onesided_;
};

DataType output_type(const Node& node) {
  const auto type = node.attributes.get_data_type("output_datatype", DataType::kFloat);
  if (!(kNumbers | kHalves).contains(type)) {
    throw Error(ErrorCode::kNotImplemented,
                fmt::format("{} of type {} is not supported.", node.op_type, static_cast<int>(type)));
  }
  return type;
}

void store_numbers(std::span<const double> values, const TensorView& y) {
  Tensor carrier = Tensor::allocate(carrier_of(y.type), y.shape());
  visit_number_type(carrier.type(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* out = static_cast<T*>(carrier.raw());
    for (size_t i = 0; i < values.size(); ++i) out[i] = static_cast<T>(values[i]);
  });
  store_carrier(y.type, carrier.raw(), y.data, 0, y.elements());
}

/// a - b cos(2 pi i / n) + c cos(4 pi i / n)
struct WindowShape {
  double a;
  double b;
  double c;
};
constexpr WindowShape kHann{0.5, 0.5, 0.0};
constexpr WindowShape kHamming{25.0 / 46.0, 21.0 / 46.0, 0.0};
constexpr WindowShape kBlackman{0.42, 0.5, 0.08};

template <const WindowShape& kShape>
class CosineWindow final : public Operator {
 public:
  explicit CosineWindow(const Node& node)
      : type_(output_type(node)), periodic_(node.attributes.get_int("periodic", 1) != 0) {}

  void infer(InferContext& context) const override {
    const auto size = known_scalar(context, 0, "The window's size");
    context.set_output(0, type_, Shape{size ? check_size(*size) : context.fresh_dim()});
  }

  void run(RunContext& context) const override {
    const Shape shape{check_size(read_scalar(context.input(0), "The window's size"))};
    const TensorView y = output_of_shape(context, 0, shape);
    Tensor numbers = Tensor::allocate(DataType::kDouble, shape);  // says so when there is not enough memory
    const std::span<double> values = numbers.values<double>();
    const double period = static_cast<double>(periodic_ ? shape[0] : shape[0] - 1);
    for (size_t i = 0; i < values.size(); ++i) {
      const double angle = 2.0 * std::numbers::pi * static_cast<double>(i) / period;
      values[i] = values.size() == 1 ? 1.0 : kShape.a - kShape.b * std::cos(angle) + kShape.c * std::cos(2.0 * angle);
    }
    store_numbers(values, y);
  }

 private:
  static int64_t check_size(int64_t size) {
    if (size < 0 || size > kLongest) {
      throw Error(ErrorCode::kInvalidArgument, fmt::format("A window of {} is not possible.", size));
    }
    return size;
  }

  DataType type_;
  bool periodic_;
};

class MelWeightMatrix final : public Operator {
 public:
  explicit MelWeightMatrix(const Node& node) : type_(output_type(node)) {}

  void infer(InferContext& context) const override {
    const auto bins = known_scalar(context, 0, "num_mel_bins");
    const auto length = known_scalar(context, 1, "dft_length");
    if (bins && length) return context.set_output(0, type_, matrix_shape(*bins, *length));
    context.set_output(0, type_, Shape{context.fresh_dim(), context.fresh_dim()});
  }

  void run(RunContext& context) const override {
    const int64_t bins = read_scalar(context.input(0), "num_mel_bins");
    const int64_t length = read_scalar(context.input(1), "dft_length");
    const int64_t rate = read_scalar(context.input(2), "sample_rate");
    const double lower = read_edge(context.input(3));
    const double upper = read_edge(context.input(4));
    const Shape shape = matrix_shape(bins, length);
    if (rate < 1 || !(lower >= 0.0) || !(upper >= lower)) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("MelWeightMatrix: edges {} and {} at sample rate {}.", lower, upper, rate));
    }
    const TensorView y = output_of_shape(context, 0, shape);
    const double low = mel_of(lower);
    const double step = (mel_of(upper) - low) / static_cast<double>(bins + 2);
    Tensor places = Tensor::allocate(DataType::kInt64, Shape{bins + 2});
    const std::span<int64_t> edges = places.values<int64_t>();
    for (size_t i = 0; i < edges.size(); ++i) {
      const double hertz = 700.0 * std::expm1((static_cast<double>(i) * step + low) / 2595.0 * std::log(10.0));
      const double bin = std::floor(static_cast<double>(length + 1) * hertz / static_cast<double>(rate));
      if (!(bin < static_cast<double>(shape[0]))) {
        throw Error(ErrorCode::kInvalidArgument,
                    fmt::format("MelWeightMatrix: {} Hz is beyond the spectrum of {} bins.", hertz, shape[0]));
      }
      edges[i] = static_cast<int64_t>(bin);
    }
    Tensor numbers = Tensor::allocate(DataType::kDouble, shape);
    const std::span<double> values = numbers.values<double>();
    std::fill(values.begin(), values.end(), 0.0);
    for (int64_t i = 0; i < bins; ++i) {
      const auto at = [&](int64_t row) -> double& { return values[static_cast<size_t>(row * bins + i)]; };
      const int64_t left = edges[static_cast<size_t>(i)];
      const int64_t center = edges[static_cast<size_t>(i) + 1];
      const int64_t right = edges[static_cast<size_t>(i) + 2];
      if (center == left) at(center) = 1.0;
      for (int64_t j = left; center > left && j <= center; ++j) {
        at(j) = static_cast<double>(j - left) / static_cast<double>(center - left);
      }
      for (int64_t j = center; j < right; ++j) {
        at(j) = static_cast<double>(right - j) / static_cast<double>(right - center);
      }
    }
    store_numbers(values, y);
  }

 private:
  static double mel_of(double hertz) { return 2595.0 * std::log1p(hertz / 700.0) / std::log(10.0); }

  static double read_edge(const TensorView& view) {
    if (view.elements() != 1) throw Error(ErrorCode::kInvalidArgument, "MelWeightMatrix: an edge must be one number.");
    return view.type == DataType::kDouble ? *view.as<double>() : static_cast<double>(*view.as<float>());
  }

  static Shape matrix_shape(int64_t bins, int64_t length) {
    if (bins < 0 || bins > kLongest || length < 0 || length > kLongest) {
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("MelWeightMatrix: {} bins of a transform of {}.", bins, length));
    }
    return Shape{length / 2 + 1, bins};
  }

  DataType type_;
};

OpDef window_def(std::string_view name, std::unique_ptr<Operator> (*make)(const Node&)) {
  return {
      .name = name,
      .since = 17,
      .inputs = {{"size", "T1"}},
      .outputs = {{"output", "T2"}},
      .types = {{"T1", kIndices}, {"T2", kNumbers | kHalves}},
      .make = make,
  };
}

}  // namespace

[[gnu::cold]] const OpDef& blackman_window() {
  static const OpDef def = window_def("BlackmanWindow", make_operator<CosineWindow<kBlackman>>);
  return def;
}

[[gnu::cold]] const OpDef& dft() {
  static const OpDef def{
      .name = "DFT",
      .since = 20,
      .inputs = {{"input", "T1"}, {"dft_length", "T2", Occurrence::kOptional}, {"axis", "T3", Occurrence::kOptional}},
      .outputs = {{"output", "T1"}},
      .types = {{"T1", kFloats}, {"T2", kIndices}, {"T3", kIndices}},
      .make = make_operator<Dft>,
  };
  return def;
}

[[gnu::cold]] const OpDef& dft_17() {
  static const OpDef def{
      .name = "DFT",
      .since = 17,
      .until = 19,
      .inputs = {{"input", "T1"}, {"dft_length", "T2", Occurrence::kOptional}},
      .outputs = {{"output", "T1"}},
      .types = {{"T1", kFloats}, {"T2", kIndices}},
      .make = make_operator<Dft>,
  };
  return def;
}

[[gnu::cold]] const OpDef& hamming_window() {
  static const OpDef def = window_def("HammingWindow", make_operator<CosineWindow<kHamming>>);
  return def;
}

[[gnu::cold]] const OpDef& hann_window() {
  static const OpDef def = window_def("HannWindow", make_operator<CosineWindow<kHann>>);
  return def;
}

[[gnu::cold]] const OpDef& mel_weight_matrix() {
  static const OpDef def{
      .name = "MelWeightMatrix",
      .since = 17,
      .inputs = {{"num_mel_bins", "T1"},
                 {"dft_length", "T1"},
                 {"sample_rate", "T1"},
                 {"lower_edge_hertz", "T2"},
                 {"upper_edge_hertz", "T2"}},
      .outputs = {{"output", "T3"}},
      .types = {{"T1", kIndices}, {"T2", kFloats}, {"T3", kNumbers | kHalves}},
      .make = make_operator<MelWeightMatrix>,
  };
  return def;
}

[[gnu::cold]] const OpDef& stft() {
  static const OpDef def{
      .name = "STFT",
      .since = 17,
      .inputs = {{"signal", "T1"},
                 {"frame_step", "T2"},
                 {"window", "T1", Occurrence::kOptional},
                 {"frame_length", "T2", Occurrence::kOptional}},
      .outputs = {{"output", "T1"}},
      .types = {{"T1", kFloats}, {"T2", kIndices}},
      .make = make_operator<Stft>,
  };
  return def;
}

}  // namespace attune::ops
