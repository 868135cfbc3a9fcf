// The two layouts of a batch of images, described by address and strides.
//
// plain:   [N][C][H][W], ONNX's own.
// blocked: [N][ceil(C/b)][H][W][b] with b = block_channels(): a vector register holds b channels of one pixel, so that
//          convolution, pooling and resizing run over whole vectors whatever the width. Where b does not divide C, the
//          lanes after the last channel hold unspecified values: no kernel lets them reach a real channel.
//
// 1-D signals are images of height 1.
#pragma once

#include <cstdint>

namespace attune::kernels {

enum class ImageLayout : uint8_t { kPlain, kBlocked };

/// Strides are in floats. `data` is the address of image 0, channel (or block) 0, row 0; a kernel that is asked for
/// some rows only touches those, so the memory of other rows need not exist. Pixels of a row are adjacent.
template <class T>
struct BasicImage {
  T* data = nullptr;
  int64_t image_stride = 0;
  int64_t channel_stride = 0;  ///< to the next channel in the plain layout, to the next block of b in the blocked one
  int64_t row_stride = 0;
};
using Image = BasicImage<float>;
using ConstImage = BasicImage<const float>;

inline ConstImage as_const(const Image& image) {
  return {image.data, image.image_stride, image.channel_stride, image.row_stride};
}

/// Rows [begin, end) of an image.
struct RowRange {
  int64_t begin = 0;
  int64_t end = 0;
};

/// The blocks of `block` channels that hold `channels`.
constexpr int64_t count_blocks(int64_t channels, int64_t block) { return (channels + block - 1) / block; }

/// The floats of a dense blocked tensor.
constexpr int64_t blocked_size(int64_t batch, int64_t channels, int64_t height, int64_t width, int64_t block) {
  return batch * count_blocks(channels, block) * block * height * width;
}

/// A dense tensor of either layout.
template <class T>
BasicImage<T> plain_image(T* data, int64_t channels, int64_t height, int64_t width) {
  return {data, channels * height * width, height * width, width};
}
template <class T>
BasicImage<T> blocked_image(T* data, int64_t channels, int64_t height, int64_t width, int64_t block) {
  return {data, count_blocks(channels, block) * height * width * block, height * width * block, width * block};
}

}  // namespace attune::kernels
