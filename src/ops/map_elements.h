// Operators that compute each element of output 0 from the same element of input 0.
#pragma once

#include <cstdint>

#include "base/parallel.h"
#include "kernels/vector_math.h"
#include "ops/element_loop.h"
#include "ops/operator.h"

namespace attune::ops {

/// Output 0 has input 0's shape and the element type `type`.
inline void infer_same_shape(InferContext& context, DataType type) {
  if (context.has_shape(0)) {
    context.set_output(0, type, context.shape(0));
  } else {
    context.set_output_type(0, type);
  }
}

/// y[i] = function(x[i]) on several threads, whatever the layout; `grain` is the least elements for a thread.
template <class X, class Y, class Function>
void map_elements(RunContext& context, int64_t grain, Function function) {
  const X* x = context.input(0).as<X>();
  Y* y = context.output(0).as<Y>();
  for_ranges(context.parallel(), context.output(0).physical_elements(), grain, [&](int64_t begin, int64_t end, int) {
    fill_elements(y + begin, end - begin, [&](int64_t i) { return function(x[begin + i]); });
  });
}

/// The same for floats by a kernel.
void map_floats(RunContext& context, kernels::UnaryFunction function, float alpha = 0.0F, float beta = 0.0F);

}  // namespace attune::ops
