// Some rows of an image that is never whole in memory.
// Thread safety: values of one thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "kernels/image.h"

namespace attune::ops {

/// Rows [begin, end) of a batch of blocked images, of which a layer makes more and the next one reads; both move down.
class RowStripe {
 public:
  RowStripe() = default;
  /// `data` has room for `capacity` rows of `images` times `blocks` blocks of channels, `row_floats` for each.
  RowStripe(float* data, int64_t images, int64_t blocks, int64_t capacity, int64_t row_floats)
      : data_(data), planes_(images * blocks), blocks_(blocks), plane_(capacity * row_floats), row_(row_floats) {}

  /// Drops the rows before `begin`.
  void advance(int64_t begin) {
    if (begin <= begin_) return;
    for (int64_t plane = 0; begin < end_ && plane < planes_; ++plane) {
      float* rows = data_ + plane * plane_;
      std::memmove(rows, rows + (begin - begin_) * row_, static_cast<size_t>((end_ - begin) * row_) * sizeof(float));
    }
    begin_ = begin;
    end_ = std::max(begin, end_);
  }

  /// The rows before `end` that are not there yet; they count as there from now on.
  kernels::RowRange extend(int64_t end) {
    const kernels::RowRange fresh{end_, std::max(end_, end)};
    end_ = fresh.end;
    return fresh;
  }

  /// As kernels see it: the whole images, of which only the stripe's rows are in memory.
  kernels::Image image() const { return {data_ - begin_ * row_, blocks_ * plane_, plane_, row_}; }

 private:
  float* data_ = nullptr;
  int64_t planes_ = 0;
  int64_t blocks_ = 0;
  int64_t plane_ = 0;  // floats
  int64_t row_ = 0;    // floats
  int64_t begin_ = 0;
  int64_t end_ = 0;
};

}  // namespace attune::ops
