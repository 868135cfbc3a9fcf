// Resizing of any axes of a tensor of any element type by tables of source positions, one axis after the other: for
// what the image kernels do not cover.
#pragma once

#include <span>

#include "base/parallel.h"
#include "kernels/resize.h"
#include "tensor/tensor_view.h"

namespace attune::ops {

/// `axes` has a table for each axis of `x`; those that leave an axis as it is are skipped. All tables are for nearest,
/// or none is. float stays float between axes, other types go through double and are cut off towards zero at the end,
/// as onnxruntime does. Allocates what lies between.
void resize_axes(const TensorView& x, const TensorView& y, std::span<const kernels::ResizeAxis> axes,
                 float extrapolation_value, Parallel& parallel);

/// The table maps every position to itself.
bool is_identity(const kernels::ResizeAxis& axis);

}  // namespace attune::ops
