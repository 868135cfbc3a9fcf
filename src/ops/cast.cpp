// Cast and CastLike: https://onnx.ai/onnx/operators/onnx__Cast.html, versions 6 to 25, and onnx__CastLike.html,
// versions 15 to 25, between all types but complex numbers, which are a gap. BitCast:
// https://onnx.ai/onnx/operators/onnx__BitCast.html, version 26. Version 1 of Cast names the type by a string.
//
// What the page leaves open is as in onnxruntime: floats beyond an integer type's range as convert.h says; numbers are
// written with 8 significant digits (double too), "NaN", "INF", "-INF"; bool is written 1 or 0; a string that begins
// with a number is that number, and one that does not is Error(kInvalidArgument).
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>

#include "attune/error.h"
#include "ops/batch.h"
#include "ops/broadcast.h"
#include "ops/convert.h"
#include "ops/element_arithmetic.h"
#include "ops/element_loop.h"
#include "ops/element_types.h"
#include "ops/map_elements.h"
#include "ops/op_def.h"
#include "ops/small_types.h"
#include "tensor/packed_elements.h"

namespace attune::ops {
namespace {

constexpr TypeSet kCastTypes =
    kNumbers | kHalves | kFloats8 | kSmallTypes | TypeSet{DataType::kBool, DataType::kString};

/// Elements that are converted at a time where a type needs a carrier: a few pages of buffers.
constexpr int64_t kBlock = 1024;

/// Calls visit(TypeTag<T>()) for any carrier but string.
template <class Visit>
void visit_numeric(DataType type, Visit&& visit) {
  visit_type<float, double, int64_t, int32_t, int16_t, int8_t, uint64_t, uint32_t, uint16_t, uint8_t, bool>(
      type, std::forward<Visit>(visit));
}

template <class From>
std::string write_element(From x) {
  if constexpr (std::is_floating_point_v<From>) {
    if (std::isnan(x)) return "NaN";
    if (std::isinf(x)) return x < 0 ? "-INF" : "INF";
    return fmt::format("{:.8g}", x);
  } else {
    return std::to_string(x);
  }
}

[[noreturn]] void throw_no_number(std::string_view text) {
  throw Error(ErrorCode::kInvalidArgument, fmt::format("'{}' cannot be cast to a number.", text));
}

std::string_view skip_space_and_plus(std::string_view text) {
  const size_t start = text.find_first_not_of(" \t\n\v\f\r");
  text.remove_prefix(start == std::string_view::npos ? text.size() : start);
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  return text;
}

/// As std::stod reads, whatever the locale: white space, a sign, then decimal, 0x hexadecimal, "inf" or "nan".
double read_double(std::string_view text) {
  std::string_view rest = skip_space_and_plus(text);
  const bool negative = !rest.empty() && rest[0] == '-';
  if (negative) rest.remove_prefix(1);
  const bool hex = rest.size() > 2 && rest[0] == '0' && (rest[1] == 'x' || rest[1] == 'X');
  if (hex) rest.remove_prefix(2);
  double value = 0;
  const auto result = std::from_chars(rest.data(), rest.data() + rest.size(), value,
                                      hex ? std::chars_format::hex : std::chars_format::general);
  if (result.ec != std::errc() || (!rest.empty() && rest[0] == '-')) throw_no_number(text);
  return negative ? -value : value;
}

/// As std::stoll and std::stoull read, which take a sign for unsigned types too.
template <class Integer>
Integer read_integer(std::string_view text) {
  std::string_view rest = skip_space_and_plus(text);
  const bool negate = std::is_unsigned_v<Integer> && !rest.empty() && rest[0] == '-';
  if (negate) rest.remove_prefix(1);
  Integer value = 0;
  const auto result = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (result.ec != std::errc()) throw_no_number(text);
  return negate ? static_cast<Integer>(Integer{0} - value) : value;
}

template <class To>
To read_element(std::string_view text) {
  if constexpr (std::is_floating_point_v<To>) {
    return static_cast<To>(read_double(text));
  } else if constexpr (std::is_signed_v<To>) {
    return convert<To>(read_integer<int64_t>(text));
  } else {
    return convert<To>(read_integer<uint64_t>(text));
  }
}

/// Between carriers.
void cast_elements(DataType from_type, const void* from, DataType to_type, void* to, int64_t n) {
  visit_numeric(from_type, [&](auto from_tag) {
    using From = typename decltype(from_tag)::type;
    visit_numeric(to_type, [&](auto to_tag) {
      using To = typename decltype(to_tag)::type;
      const From* x = static_cast<const From*>(from);
      fill_elements(static_cast<To*>(to), n, [&](int64_t i) { return convert<To>(x[i]); });
    });
  });
}

void cast_numbers(const TensorView& in, const TensorView& out, NarrowRounding rounding, Parallel& parallel) {
  const DataType from = carrier_of(in.type);
  const DataType to = carrier_of(out.type);
  for_ranges(parallel, in.elements(), kCheapGrain, [&](int64_t begin, int64_t end, int) {
    if (from == in.type && to == out.type) {
      const auto first = static_cast<size_t>(begin);
      return cast_elements(from, static_cast<const std::byte*>(in.data) + first * element_size(from), to,
                           static_cast<std::byte*>(out.data) + first * element_size(to), end - begin);
    }
    alignas(64) std::byte loaded[kBlock * sizeof(double)];
    alignas(64) std::byte stored[kBlock * sizeof(double)];
    for (int64_t i = begin; i < end; i += kBlock) {
      const int64_t n = std::min(kBlock, end - i);
      load_carrier(in.type, in.data, i, loaded, n);
      const bool same = from == to;
      if (!same) cast_elements(from, loaded, to, stored, n);
      store_carrier(out.type, same ? loaded : stored, out.data, i, n, rounding);
    }
  });
}

/// The elements of a tensor that has none but its carrier's.
Tensor in_carrier(const TensorView& view) {
  Tensor tensor = Tensor::allocate(carrier_of(view.type), view.shape());
  load_carrier(view.type, view.data, 0, tensor.raw(), view.elements());
  return tensor;
}

void cast_tensor(RunContext& context, NarrowRounding rounding) {
  const TensorView& in = context.input(0);
  const TensorView& out = context.output(0);
  if (in.type == out.type) {
    if (in.data == out.data) return;
    if (in.type == DataType::kString) {
      std::copy_n(in.as<std::string>(), in.elements(), out.as<std::string>());
    } else {
      std::memcpy(out.data, in.data, in.physical_bytes());
    }
  } else if (in.type == DataType::kString) {
    Tensor read = Tensor::allocate(carrier_of(out.type), in.shape());
    visit_numeric(read.type(), [&](auto tag) {
      using To = typename decltype(tag)::type;
      std::transform(in.as<std::string>(), in.as<std::string>() + in.elements(), static_cast<To*>(read.raw()),
                     read_element<To>);
    });
    store_carrier(out.type, read.raw(), out.data, 0, in.elements(), rounding);
  } else if (out.type == DataType::kString) {
    const Tensor loaded = in_carrier(in);
    visit_numeric(loaded.type(), [&](auto tag) {
      using From = typename decltype(tag)::type;
      const auto* x = static_cast<const From*>(loaded.raw());
      std::transform(x, x + in.elements(), out.as<std::string>(), write_element<From>);
    });
  } else {
    cast_numbers(in, out, rounding, context.parallel());
  }
}

void infer_cast(InferContext& context, DataType to) {
  if (!kCastTypes.contains(to)) {
    throw Error(ErrorCode::kNotImplemented, fmt::format("Casting to type {} is not supported.", static_cast<int>(to)));
  }
  infer_same_shape(context, to);
  if (to != DataType::kInt64 && to != DataType::kInt32 && to != DataType::kBool) return;
  auto elements = known_elements(context, 0);
  if (!elements) return;
  if (to == DataType::kBool) {
    for (KnownElement& element : elements->element) {
      element = element.is_number ? KnownElement::number(element.value != 0 ? 1 : 0) : KnownElement::unknown();
    }
  }
  set_known_elements(context, *elements);
}

NarrowRounding parse_rounding(const Node& node) {
  NarrowRounding rounding;
  rounding.saturate = node.attributes.get_int("saturate", 1) != 0;
  const std::string mode = node.attributes.get_string("round_mode", "up");
  if (mode == "down") {
    rounding.scale_rounding = ScaleRounding::kDown;
  } else if (mode == "nearest") {
    rounding.scale_rounding = ScaleRounding::kNearest;
  } else if (mode != "up") {
    throw Error(ErrorCode::kInvalidGraph, fmt::format("'round_mode' must be up, down or nearest, not '{}'.", mode));
  }
  return rounding;
}

class Cast final : public Operator {
 public:
  explicit Cast(const Node& node) : to_(parse_type(node)), rounding_(parse_rounding(node)) {}
  void infer(InferContext& context) const override { infer_cast(context, to_); }
  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return batch_of_first(inputs, outputs);
  }

  void run(RunContext& context) const override { cast_tensor(context, rounding_); }

 private:
  static DataType parse_type(const Node& node) {
    if (node.version < 6) return parse_type_name(node.attributes.get_string("to", ""));
    const int64_t number = node.attributes.require_int("to");
    const auto type = static_cast<DataType>(number);
    if (number <= 0 || number > 31 || !kCastTypes.contains(type)) {
      throw Error(ErrorCode::kNotImplemented, fmt::format("Casting to type {} is not supported.", number));
    }
    return type;
  }

  /// "FLOAT", "INT64" and so on.
  static DataType parse_type_name(std::string name) {
    std::transform(name.begin(), name.end(), name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
    for (int number = 1; number <= static_cast<int>(DataType::kDouble) + 2; ++number) {
      const auto type = static_cast<DataType>(number);
      if (data_type_name(type) == name) return type;
    }
    throw Error(ErrorCode::kInvalidGraph, fmt::format("Cast: unknown type '{}'.", name));
  }

  DataType to_;
  NarrowRounding rounding_;
};

class CastLike final : public Operator {
 public:
  explicit CastLike(const Node& node) : rounding_(parse_rounding(node)) {}
  void infer(InferContext& context) const override {
    const DataType to = context.type(1);
    if (to == DataType::kUndefined) return infer_same_shape(context, to);
    infer_cast(context, to);
  }
  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return batch_of_first(inputs, outputs);
  }

  void run(RunContext& context) const override { cast_tensor(context, rounding_); }

 private:
  NarrowRounding rounding_;
};

/// The same bytes as elements of another type of the same size.
class BitCast final : public Operator {
 public:
  explicit BitCast(const Node& node) : to_(node.attributes.get_data_type("to", DataType::kUndefined)) {
    node.attributes.require_int("to");
    if (to_ == DataType::kString || !kAnyType.contains(to_)) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("BitCast to type {} is not possible.", static_cast<int>(to_)));
    }
  }
  void infer(InferContext& context) const override {
    const DataType from = context.type(0);
    if (from != DataType::kUndefined &&
        (element_size(from) != element_size(to_) || elements_per_byte(from) != elements_per_byte(to_))) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("BitCast needs types of the same width, not {} and {}.",
                                                        tensor_type_name(from), tensor_type_name(to_)));
    }
    infer_same_shape(context, to_);
  }
  void run(RunContext& context) const override {
    const TensorView& in = context.input(0);
    const TensorView& out = context.output(0);
    if (to_ == DataType::kBool) {  // a bool that is neither 0 nor 1 is undefined behaviour to read
      std::transform(in.as<uint8_t>(), in.as<uint8_t>() + in.elements(), out.as<bool>(),
                     [](uint8_t x) { return x != 0; });
    } else if (in.data != out.data) {
      std::memcpy(out.data, in.data, in.physical_bytes());
    }
  }

 private:
  DataType to_;
};

}  // namespace

[[gnu::cold]] const OpDef& bit_cast() {
  static constexpr TypeSet kBits = kNumbers | kHalves | kFloats8 | kSmallTypes |
                                   TypeSet{DataType::kBool, DataType::kComplex64, DataType::kComplex128};
  static const OpDef def{
      .name = "BitCast",
      .since = 26,
      .inputs = {{"input", "T1"}},
      .outputs = {{"output", "T2"}},
      .types = {{"T1", kBits}, {"T2", kBits}},
      .make = make_operator<BitCast>,
      .in_place = {0},
  };
  return def;
}

[[gnu::cold]] const OpDef& cast() {
  static const OpDef def{
      .name = "Cast",
      .inputs = {{"input", "T1"}},
      .outputs = {{"output", "T2"}},
      .types = {{"T1", kCastTypes}, {"T2", kCastTypes}},
      .make = make_operator<Cast>,
      .in_place = {0},
  };
  return def;
}

[[gnu::cold]] const OpDef& cast_like() {
  static const OpDef def{
      .name = "CastLike",
      .since = 15,
      .inputs = {{"input", "T1"}, {"target_type", "T2"}},
      .outputs = {{"output", "T2"}},
      .types = {{"T1", kCastTypes}, {"T2", kCastTypes}},
      .make = make_operator<CastLike>,
      .in_place = {0},
  };
  return def;
}

}  // namespace attune::ops
