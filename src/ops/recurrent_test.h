// Inputs of the table tests of RNN, GRU and LSTM; the expected values there are onnxruntime's.
#pragma once

#include "ops/op_test.h"

namespace attune {

/// Numbers between -0.5 and 0.5 that repeat after eleven.
inline Tensor ramp(const Shape& shape, int64_t offset = 0) {
  Tensor tensor = Tensor::allocate(DataType::kFloat, shape);
  const std::span<float> values = tensor.values<float>();
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>((static_cast<int64_t>(i) * 7 + 3 * offset) % 11 - 5) / 10.0F;
  }
  return tensor;
}

/// Two times, two samples, three features, two units; with lengths 2 and 1 where there are two directions.
inline OpTest recurrent(std::string_view op_type, int64_t gates, bool both, int version = 14) {
  const int64_t count = both ? 2 : 1;
  OpTest test(op_type, version);
  test.attribute("hidden_size", int64_t{2});
  if (both) test.attribute("direction", std::string("bidirectional"));
  test.input(ramp({2, 2, 3})).input(ramp({count, gates * 2, 3}, 1)).input(ramp({count, gates * 2, 2}, 2));
  test.input(ramp({count, 2 * gates * 2}, 3));
  if (both) {
    test.input<int32_t>({2}, {2, 1});
  } else {
    test.no_input();
  }
  return test.input(ramp({count, 2, 2}, 4));
}

}  // namespace attune
