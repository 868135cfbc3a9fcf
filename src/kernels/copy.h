// Copies of boxes of elements between arrays of any strides: what Transpose, Slice, Concat, Split, Expand, Tile, Pad,
// DepthToSpace and their relatives do once they have worked out their strides.
//
// Thread safety: pure functions of their arguments; large boxes are shared out over `parallel`.
#pragma once

#include <array>
#include <cstdint>

#include "base/parallel.h"
#include "kernels/element.h"

namespace attune::kernels {

/// The axes of a box, in any order. Strides are in elements; a source stride may be 0 (repeat) or negative (reverse).
struct StridedBox {
  struct Axis {
    int64_t extent;
    int64_t source_stride;
    int64_t target_stride;
  };
  static constexpr int kMaxAxes = 40;  ///< twice a tensor's rank and some

  void add(int64_t extent, int64_t source_stride, int64_t target_stride) {
    axes[static_cast<size_t>(count++)] = {extent, source_stride, target_stride};
  }

  std::array<Axis, kMaxAxes> axes;
  int count = 0;
};

/// target[sum i_a * target_stride_a] = source[sum i_a * source_stride_a] for every index i of the box. No element of
/// the target may be named twice; source and target must not overlap. Axes are merged and reordered first: contiguous
/// runs become memcpy, two axes that change places blocked matrix transposes, repeated elements fills.
void copy_strided(const StridedBox& box, Element element, const void* source, void* target, Parallel& parallel);

/// `count` elements from one dense array to another.
void copy_dense(Element element, const void* source, void* target, int64_t count, Parallel& parallel);

/// target[o][i] = source[o][indices[i]], each a run of `run` elements, for o < outer and i < count; `axis` runs in each
/// o of the source, and every index in [0, axis).
void gather_runs(Element element, const void* source, int64_t outer, int64_t axis, int64_t run, const int64_t* indices,
                 int64_t count, void* target, Parallel& parallel);

/// `count` copies of the element at `value`.
void fill_elements(Element element, const void* value, void* target, int64_t count, Parallel& parallel);

}  // namespace attune::kernels
