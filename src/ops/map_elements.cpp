#include "ops/map_elements.h"

namespace attune::ops {
namespace {

using kernels::UnaryFunction;

constexpr int64_t grain_of(UnaryFunction function) {
  switch (function) {
    case UnaryFunction::kAbs:
    case UnaryFunction::kCeil:
    case UnaryFunction::kClip:
    case UnaryFunction::kFloor:
    case UnaryFunction::kHardSigmoid:
    case UnaryFunction::kHardSwish:
    case UnaryFunction::kLeakyRelu:
    case UnaryFunction::kNeg:
    case UnaryFunction::kReciprocal:
    case UnaryFunction::kRelu:
    case UnaryFunction::kRound:
    case UnaryFunction::kSign:
    case UnaryFunction::kSqrt:
    case UnaryFunction::kSquare:
      return kCheapGrain;
    case UnaryFunction::kCos:
    case UnaryFunction::kSin:
      return kCostlyGrain / 4;  // by the C library, one at a time
    default:
      return kCostlyGrain * 2;  // exp in vectors
  }
}

}  // namespace

void map_floats(RunContext& context, UnaryFunction function, float alpha, float beta) {
  const auto* x = context.input(0).as<float>();
  auto* y = context.output(0).as<float>();
  for_ranges(context.parallel(), context.output(0).physical_elements(), grain_of(function),
             [&](int64_t begin, int64_t end, int) {
               kernels::map_unary(function, alpha, beta, x + begin, y + begin, end - begin);
             });
}

}  // namespace attune::ops
