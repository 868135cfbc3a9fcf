// Cast and CastLike: https://onnx.ai/onnx/operators/onnx__Cast.html, versions 6 to 25, and onnx__CastLike.html,
// versions 15 to 25, between float, double, float16, bfloat16, all integers, bool and string.
// Gaps: the 8-bit floats (for which alone `saturate` and `round_mode` matter), 2- and 4-bit types, complex numbers.
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
#include "ops/broadcast.h"
#include "ops/convert.h"
#include "ops/element_arithmetic.h"
#include "ops/element_loop.h"
#include "ops/element_types.h"
#include "ops/map_elements.h"
#include "ops/op_def.h"
#include "tensor/float16.h"

namespace attune::ops {
namespace {

template <class T>
constexpr bool kIsHalf = std::is_same_v<T, Float16> || std::is_same_v<T, Bfloat16>;

constexpr TypeSet kCastTypes =
    kNumbers | TypeSet{DataType::kBool, DataType::kString, DataType::kFloat16, DataType::kBfloat16};

/// Calls visit(TypeTag<T>()) for any type but string.
template <class Visit>
void visit_numeric(DataType type, Visit&& visit) {
  if (type == DataType::kFloat16) return visit(TypeTag<Float16>());
  if (type == DataType::kBfloat16) return visit(TypeTag<Bfloat16>());
  visit_type<float, double, int64_t, int32_t, int16_t, int8_t, uint64_t, uint32_t, uint16_t, uint8_t, bool>(
      type, std::forward<Visit>(visit));
}

template <class To, class From>
To cast_element(From x) {
  if constexpr (kIsHalf<From>) {
    return cast_element<To>(to_float(x));
  } else if constexpr (std::is_same_v<To, Float16>) {
    return to_float16(static_cast<float>(x));
  } else if constexpr (std::is_same_v<To, Bfloat16>) {
    return to_bfloat16(static_cast<float>(x));
  } else {
    return convert<To>(x);
  }
}

template <class From>
std::string write_element(From x) {
  if constexpr (kIsHalf<From>) {
    return write_element(to_float(x));
  } else if constexpr (std::is_floating_point_v<From>) {
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
  if constexpr (kIsHalf<To> || std::is_floating_point_v<To>) {
    return cast_element<To>(read_double(text));
  } else if constexpr (std::is_signed_v<To>) {
    return convert<To>(read_integer<int64_t>(text));
  } else {
    return convert<To>(read_integer<uint64_t>(text));
  }
}

void cast_tensor(RunContext& context) {
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
    visit_numeric(out.type, [&](auto tag) {
      using To = typename decltype(tag)::type;
      std::transform(in.as<std::string>(), in.as<std::string>() + in.elements(), out.as<To>(), read_element<To>);
    });
  } else if (out.type == DataType::kString) {
    visit_numeric(in.type, [&](auto tag) {
      using From = typename decltype(tag)::type;
      std::transform(in.as<From>(), in.as<From>() + in.elements(), out.as<std::string>(), write_element<From>);
    });
  } else {
    visit_numeric(in.type, [&](auto from_tag) {
      using From = typename decltype(from_tag)::type;
      visit_numeric(out.type, [&](auto to_tag) {
        using To = typename decltype(to_tag)::type;
        const From* x = in.as<From>();
        To* y = out.as<To>();
        for_ranges(context.parallel(), in.elements(), kCheapGrain, [&](int64_t begin, int64_t end, int) {
          fill_elements(y + begin, end - begin, [&](int64_t i) { return cast_element<To>(x[begin + i]); });
        });
      });
    });
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

class Cast final : public Operator {
 public:
  explicit Cast(const Node& node) : to_(parse_type(node)) {}
  void infer(InferContext& context) const override { infer_cast(context, to_); }
  void run(RunContext& context) const override { cast_tensor(context); }

 private:
  static DataType parse_type(const Node& node) {
    const int64_t number = node.attributes.require_int("to");
    const auto type = static_cast<DataType>(number);
    if (number <= 0 || number > 31 || !kCastTypes.contains(type)) {
      throw Error(ErrorCode::kNotImplemented, fmt::format("Casting to type {} is not supported.", number));
    }
    return type;
  }

  DataType to_;
};

class CastLike final : public Operator {
 public:
  explicit CastLike(const Node&) {}
  void infer(InferContext& context) const override {
    const DataType to = context.type(1);
    if (to == DataType::kUndefined) return infer_same_shape(context, to);
    infer_cast(context, to);
  }
  void run(RunContext& context) const override { cast_tensor(context); }
};

}  // namespace

const OpDef& cast() {
  static const OpDef def{
      .name = "Cast",
      .since = 6,
      .inputs = {{"input", "T1"}},
      .outputs = {{"output", "T2"}},
      .types = {{"T1", kCastTypes}, {"T2", kCastTypes}},
      .make = make_operator<Cast>,
      .in_place = {0},
  };
  return def;
}

const OpDef& cast_like() {
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
