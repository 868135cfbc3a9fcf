// Conversion between plain (NCHW), channels-last (NHWC) and blocked (NCHWc, see image.h) images.
//
// Thread safety: pure functions of their arguments; source and destination must not overlap. Bits are copied, so a NaN
// keeps its payload. Lanes after the last channel of a blocked destination are set to zero; those of a blocked source
// are not read into the destination.
#pragma once

#include <cstdint>

#include "base/parallel.h"
#include "kernels/image.h"

namespace attune::kernels {

/// What is converted: `height` rows of `width` pixels of `channels` channels, `batch` times.
struct ReorderShape {
  int64_t batch = 1;
  int64_t channels = 1;
  int64_t height = 1;
  int64_t width = 1;
};

/// NCHW to NCHWc and back, with any strides between images, channels (blocks) and rows.
void reorder_plain_to_blocked(const ReorderShape& shape, const ConstImage& in, const Image& out, Parallel& parallel);
void reorder_blocked_to_plain(const ReorderShape& shape, const ConstImage& in, const Image& out, Parallel& parallel);

/// Dense [N][H][W][C] to NCHWc and back.
void reorder_channels_last_to_blocked(const ReorderShape& shape, const float* in, const Image& out, Parallel& parallel);
void reorder_blocked_to_channels_last(const ReorderShape& shape, const ConstImage& in, float* out, Parallel& parallel);

}  // namespace attune::kernels
