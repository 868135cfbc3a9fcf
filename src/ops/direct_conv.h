// Convolution of plain tensors by its definition, over any number of spatial axes and for any element type: what has no
// kernel (three axes, double, integers).
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "attune/tensor.h"
#include "base/parallel.h"
#include "ops/window.h"

namespace attune::ops {

/// One convolution. Sizes are of the plain tensors [N, C, spatial...] and [M, C / groups, kernel...].
struct DirectConv {
  int64_t batch = 1;
  int64_t groups = 1;
  int64_t in_channels = 1;
  int64_t out_channels = 1;
  std::vector<int64_t> in;       ///< spatial sizes
  std::vector<WindowAxis> axes;  ///< with the output's sizes

  int64_t in_size() const {
    int64_t size = 1;
    for (const int64_t dim : in) size *= dim;
    return size;
  }
  int64_t out_size() const {
    int64_t size = 1;
    for (const WindowAxis& axis : axes) size *= axis.output;
    return size;
  }
  int64_t taps() const {
    int64_t size = 1;
    for (const WindowAxis& axis : axes) size *= axis.kernel;
    return size;
  }
};

/// The convolution of `x` and `w` whose shapes have been checked.
inline DirectConv make_direct_conv(const Window& window, int64_t groups, const Shape& x, const Shape& w) {
  DirectConv conv{x[0], groups, x[1], w[0], {}, {}};
  for (int axis = 0; axis < x.rank() - 2; ++axis) {
    conv.in.push_back(x[axis + 2]);
    conv.axes.push_back(window.resolve(axis, w[axis + 2], x[axis + 2]));
  }
  return conv;
}

/// Output positions of `axis` whose tap lies inside the input: [first, second).
inline std::pair<int64_t, int64_t> inner_range(const WindowAxis& axis, int64_t tap, int64_t size) {
  const int64_t shift = tap * axis.dilation - axis.pad_begin;  // input = output * stride + shift
  const int64_t first = shift >= 0 ? 0 : (-shift + axis.stride - 1) / axis.stride;
  const int64_t room = size - 1 - shift;
  const int64_t last = room < 0 ? 0 : room / axis.stride + 1;
  return {std::min(first, axis.output), std::clamp<int64_t>(last, std::min(first, axis.output), axis.output)};
}

/// finish(sums, n, m) takes the sums of plane m of sample n, which start as 0 and are made channel by channel, tap by
/// tap: sum of Sum(x) * Sum(w) after `load_x` and `load_w` made a Sum of an element of group's channel c, output m.
template <class Sum, class X, class W, class LoadX, class LoadW, class Finish>
void convolve_directly(const DirectConv& conv, const X* x, const W* w, LoadX&& load_x, LoadW&& load_w, Finish&& finish,
                       Parallel& parallel) {
  const int64_t in_size = conv.in_size();
  const int64_t out_size = conv.out_size();
  const int64_t taps = conv.taps();
  const int64_t channels = conv.in_channels / conv.groups;
  const int64_t outputs = conv.out_channels / conv.groups;
  const WindowAxis& last = conv.axes.back();
  const int64_t columns = last.output;
  const int64_t rows = columns == 0 ? 0 : out_size / columns;
  const auto outer = static_cast<int>(conv.axes.size()) - 1;
  for_ranges(parallel, conv.batch * conv.out_channels, 1, [&](int64_t begin, int64_t end, int) {
    std::vector<Sum> sums(static_cast<size_t>(out_size));
    for (int64_t plane = begin; plane < end; ++plane) {
      const int64_t m = plane % conv.out_channels;
      const int64_t first_channel = m / outputs * channels;
      std::fill(sums.begin(), sums.end(), Sum{0});
      for (int64_t c = 0; c < channels; ++c) {
        const X* image = x + (plane / conv.out_channels * conv.in_channels + first_channel + c) * in_size;
        for (int64_t tap = 0; tap < taps; ++tap) {
          const Sum factor = load_w(w[(m * channels + c) * taps + tap], m);
          const int64_t last_tap = tap % last.kernel;
          const auto [from, to] = inner_range(last, last_tap, conv.in.back());
          const int64_t shift = last_tap * last.dilation - last.pad_begin;
          for (int64_t row = 0; row < rows; ++row) {
            int64_t offset = 0;
            int64_t stride = conv.in.back();
            int64_t rest = row;
            int64_t rest_tap = tap / last.kernel;
            bool inside = true;
            for (int axis = outer - 1; axis >= 0; --axis) {
              const WindowAxis& own = conv.axes[static_cast<size_t>(axis)];
              const int64_t size = conv.in[static_cast<size_t>(axis)];
              const int64_t place =
                  rest % own.output * own.stride + rest_tap % own.kernel * own.dilation - own.pad_begin;
              inside = inside && place >= 0 && place < size;
              offset += place * stride;
              stride *= size;
              rest /= own.output;
              rest_tap /= own.kernel;
            }
            if (!inside) continue;
            Sum* out = sums.data() + row * columns;
            const X* in = image + offset + shift;
            for (int64_t i = from; i < to; ++i) out[i] += factor * load_x(in[i * last.stride]);
          }
        }
      }
      finish(sums.data(), plane / conv.out_channels, m);
    }
  });
}

}  // namespace attune::ops
