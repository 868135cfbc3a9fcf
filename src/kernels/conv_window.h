// Where a sliding window lies in its input: which taps fall inside, which outputs see no padding. Shared by the kernels
// that slide windows along rows of pixels.
#pragma once

#include <algorithm>
#include <cstdint>

namespace attune::kernels {

/// One axis of a window.
struct WindowAxis {
  int64_t in_size = 0;
  int64_t taps = 1;
  int64_t stride = 1;
  int64_t dilation = 1;
  int64_t pad = 0;  ///< before the first input coordinate

  /// The input coordinate of tap 0 for output coordinate `out`; may be negative.
  int64_t first(int64_t out) const { return out * stride - pad; }
};

/// Taps or coordinates [begin, end).
struct WindowRange {
  int64_t begin = 0;
  int64_t end = 0;
};

/// The taps of output coordinate `out` that lie inside the input.
inline WindowRange taps_inside(const WindowAxis& axis, int64_t out) {
  const int64_t first = axis.first(out);
  const int64_t begin = first >= 0 ? 0 : (-first + axis.dilation - 1) / axis.dilation;
  const int64_t end = first >= axis.in_size ? 0 : (axis.in_size - 1 - first) / axis.dilation + 1;
  return {std::min(begin, axis.taps), std::max(std::min(begin, axis.taps), std::min(end, axis.taps))};
}

/// Of output coordinates [0, out_size), those all of whose taps lie inside the input.
inline WindowRange whole_windows(const WindowAxis& axis, int64_t out_size) {
  const int64_t begin = std::min((axis.pad + axis.stride - 1) / axis.stride, out_size);
  const int64_t room = axis.in_size + axis.pad - (axis.taps - 1) * axis.dilation;  // first(out) + pad must be below
  const int64_t end = room <= 0 ? 0 : std::min((room - 1) / axis.stride + 1, out_size);
  return {begin, std::max(begin, end)};
}

/// The input coordinates that output coordinates [begin, end) read; empty if they see padding only.
inline WindowRange window_input(const WindowAxis& axis, int64_t begin, int64_t end) {
  if (begin >= end) return {0, 0};
  const int64_t first = std::clamp<int64_t>(axis.first(begin), 0, axis.in_size);
  const int64_t last = axis.first(end - 1) + (axis.taps - 1) * axis.dilation + 1;
  return {first, std::max(first, std::min(last, axis.in_size))};
}

}  // namespace attune::kernels
