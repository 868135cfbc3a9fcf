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

  /// Drops the rows before `wanted`; returns those up to its end that are not there yet, which count as there from now
  /// on.
  kernels::RowRange move_to(kernels::RowRange wanted) {
    if (wanted.begin > begin_) {
      drop_rows(wanted.begin - begin_);
      begin_ = wanted.begin;
      end_ = std::max(begin_, end_);
    }
    const kernels::RowRange fresh{end_, std::max(end_, wanted.end)};
    end_ = fresh.end;
    return fresh;
  }

  /// As kernels see it: the whole images, of which only the stripe's rows are in memory.
  kernels::Image image() const { return {data_ - begin_ * row_, blocks_ * plane_, plane_, row_}; }

 private:
  void drop_rows(int64_t count) {
    const int64_t kept = end_ - begin_ - count;
    for (int64_t plane = 0; kept > 0 && plane < planes_; ++plane) {
      float* rows = data_ + plane * plane_;
      std::memmove(rows, rows + count * row_, static_cast<size_t>(kept * row_) * sizeof(float));
    }
  }

  float* data_ = nullptr;
  int64_t planes_ = 0;
  int64_t blocks_ = 0;
  int64_t plane_ = 0;  // floats
  int64_t row_ = 0;    // floats
  int64_t begin_ = 0;
  int64_t end_ = 0;
};

}  // namespace attune::ops
