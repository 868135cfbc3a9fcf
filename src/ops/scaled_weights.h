// Weights that are to be multiplied by a factor for each output channel, where the optimizer folded a normalization
// into a convolution. They are multiplied when they are packed, one layer after another: doing it in the optimizer
// would hold a second copy of all weights at once.
#pragma once

#include <string_view>

#include "attune/tensor.h"
#include "base/parallel.h"

namespace attune::ops {

/// The attribute of Conv and FusedConv: doubles, one for each output channel. Only for weights that are a constant
/// float tensor of rank 3 or 4, which these operators always pack.
inline constexpr std::string_view kWeightFactors = "attune.weight_factors";

/// A float tensor, at any address, with row c (of dimension 0) multiplied by factors[c]. Throws Error(kInvalidGraph)
/// when there is not a double for each row.
Tensor scale_rows(const Tensor& weights, const Tensor& factors, Parallel& parallel);

}  // namespace attune::ops
