// Moving channels between blocked images (image.h) whose blocks begin elsewhere: joining and splitting images whose
// numbers of channels are no multiples of the block.
//
// Thread safety: a pure function of its arguments; source and destination must not overlap. Bits are copied.
#pragma once

#include <cstdint>

#include "base/parallel.h"
#include "kernels/image.h"

namespace attune::kernels {

/// `channels` channels of `height` rows of `width` pixels, `batch` times: channel from_channel + i of the source
/// becomes channel to_channel + i of the destination. Of a block of the destination, the lanes behind the last channel
/// are set to zero, so pieces are joined in the order of their channels; the lanes before the first one stay.
struct ChannelCopy {
  int64_t batch = 1;
  int64_t channels = 1;
  int64_t from_channel = 0;
  int64_t to_channel = 0;
  int64_t height = 1;
  int64_t width = 1;
};

void copy_channels(const ChannelCopy& copy, const ConstImage& in, const Image& out, Parallel& parallel);

}  // namespace attune::kernels
