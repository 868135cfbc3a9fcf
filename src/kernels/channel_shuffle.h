// Channel shuffle: Zhang et al., ShuffleNet, section 3.1. The channels, seen as a matrix of `groups` rows, are
// transposed.
#pragma once

#include <cstdint>

#include "base/parallel.h"
#include "kernels/image.h"

namespace attune::kernels {

struct ChannelShuffleShape {
  int64_t batch = 1;
  int64_t channels = 1;
  int64_t height = 1;
  int64_t width = 1;
  int64_t groups = 1;  ///< divides the channels

  /// The input channel that output channel `channel` is.
  int64_t source(int64_t channel) const { return channel % groups * (channels / groups) + channel / groups; }
};

/// Copies the pixels of each channel to where it goes. Both images have the layout `layout`; `out` must not overlap
/// `in`. Lanes of a blocked output after the last channel are written with meaningless values. Throws nothing;
/// thread-safe.
void shuffle_channels(const ChannelShuffleShape& shape, ImageLayout layout, const ConstImage& in, const Image& out,
                      Parallel& parallel);

}  // namespace attune::kernels
