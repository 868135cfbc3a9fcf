#include "ops/scaled_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "attune/error.h"

namespace attune::ops {

Tensor scale_rows(const Tensor& weights, const Tensor& factors, Parallel& parallel) {
  const int64_t rows = weights.shape().rank() > 0 ? weights.shape()[0] : 0;
  if (weights.type() != DataType::kFloat || factors.type() != DataType::kDouble || factors.elements() != rows) {
    throw Error(ErrorCode::kInvalidGraph,
                fmt::format("{} factors for weights of shape {}.", factors.elements(), weights.shape().to_string()));
  }
  Tensor scaled = Tensor::allocate(DataType::kFloat, weights.shape());
  if (rows == 0) return scaled;
  const int64_t columns = weights.elements() / rows;
  const auto* from = static_cast<const std::byte*>(weights.raw());
  float* to = scaled.values<float>().data();
  const double* factor = factors.values<double>().data();
  for_ranges(parallel, rows, std::max<int64_t>(1, 16384 / std::max<int64_t>(columns, 1)),
             [&](int64_t begin, int64_t end, int) {
               for (int64_t row = begin; row < end; ++row) {
                 float* out = to + row * columns;
                 std::memcpy(out, from + static_cast<size_t>(row * columns) * sizeof(float),
                             static_cast<size_t>(columns) * sizeof(float));
                 for (int64_t i = 0; i < columns; ++i) {
                   out[i] = static_cast<float>(static_cast<double>(out[i]) * factor[row]);
                 }
               }
             });
  return scaled;
}

}  // namespace attune::ops
