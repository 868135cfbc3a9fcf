#include "kernels/copy.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <span>
#include <type_traits>

#include "kernels/transpose.h"

namespace attune::kernels {
namespace {

/// About 10 us of copying: what a task should be worth.
constexpr int64_t kTaskBytes = 128 * 1024;

/// One element; by memcpy where T may stand for several narrower elements with their alignment.
template <class T>
void copy_element(const T* source, T* target) {
  if constexpr (std::is_trivially_copyable_v<T>) {
    std::memcpy(target, source, sizeof(T));
  } else {
    *target = *source;
  }
}

template <class T>
void copy_run(const T* source, T* target, int64_t count) {
  if constexpr (std::is_trivially_copyable_v<T>) {
    std::memcpy(target, source, static_cast<size_t>(count) * sizeof(T));
  } else {
    std::copy_n(source, count, target);
  }
}

/// A box's axes, outermost in the target first, as few as possible.
class Axes {
 public:
  explicit Axes(const StridedBox& box) {
    for (int i = 0; i < box.count; ++i) {
      const auto& axis = box.axes[static_cast<size_t>(i)];
      if (axis.extent == 0) empty_ = true;
      if (axis.extent != 1) axes_[static_cast<size_t>(count_++)] = axis;
    }
    std::stable_sort(axes_.begin(), axes_.begin() + count_, [](const auto& a, const auto& b) {
      return std::abs(a.target_stride) > std::abs(b.target_stride);
    });
    merge();
  }

  bool empty() const { return empty_; }
  int count() const { return count_; }
  const StridedBox::Axis& operator[](int i) const { return axes_[static_cast<size_t>(i)]; }
  const StridedBox::Axis& last() const { return axes_[static_cast<size_t>(count_ - 1)]; }

  void erase(int i) {
    for (; i + 1 < count_; ++i) axes_[static_cast<size_t>(i)] = axes_[static_cast<size_t>(i + 1)];
    --count_;
  }

  int64_t elements() const {
    int64_t product = 1;
    for (int i = 0; i < count_; ++i) product *= (*this)[i].extent;
    return product;
  }

  /// Takes a short contiguous run of elements for one wider element, so that what remains can be a matrix transpose.
  void widen(Element& element) {
    while (count_ > 0 && element < Element::k16Bytes && last().source_stride == 1 && last().target_stride == 1) {
      const int64_t run = last().extent;
      const auto bytes = static_cast<uint64_t>(run) * element_bytes(element);
      if (bytes > 16 || (bytes & (bytes - 1)) != 0) return;
      for (int i = 0; i + 1 < count_; ++i) {
        if ((*this)[i].source_stride % run != 0 || (*this)[i].target_stride % run != 0) return;
      }
      --count_;
      for (int i = 0; i < count_; ++i) {
        axes_[static_cast<size_t>(i)].source_stride /= run;
        axes_[static_cast<size_t>(i)].target_stride /= run;
      }
      while (element_bytes(element) < bytes) element = static_cast<Element>(static_cast<int>(element) + 1);
    }
  }

 private:
  void merge() {
    int kept = 0;
    for (int i = 0; i < count_; ++i) {
      const StridedBox::Axis axis = (*this)[i];
      if (kept > 0) {
        auto& outer = axes_[static_cast<size_t>(kept - 1)];
        if (outer.target_stride == axis.target_stride * axis.extent &&
            outer.source_stride == axis.source_stride * axis.extent) {
          outer = {outer.extent * axis.extent, axis.source_stride, axis.target_stride};
          continue;
        }
      }
      axes_[static_cast<size_t>(kept++)] = axis;
    }
    count_ = kept;
  }

  std::array<StridedBox::Axis, StridedBox::kMaxAxes> axes_;
  int count_ = 0;
  bool empty_ = false;
};

/// Calls body(source_offset, target_offset) for the indices [begin, end) of the box that `axes` span.
template <class Body>
void for_offsets(const Axes& axes, int64_t begin, int64_t end, Body&& body) {
  std::array<int64_t, StridedBox::kMaxAxes> index;
  int64_t source = 0;
  int64_t target = 0;
  int64_t rest = begin;
  for (int i = axes.count() - 1; i >= 0; --i) {
    const auto& axis = axes[i];
    const int64_t at = rest % axis.extent;
    rest /= axis.extent;
    index[static_cast<size_t>(i)] = at;
    source += at * axis.source_stride;
    target += at * axis.target_stride;
  }
  for (int64_t position = begin; position < end; ++position) {
    body(source, target);
    for (int i = axes.count() - 1; i >= 0; --i) {
      const auto& axis = axes[i];
      source += axis.source_stride;
      target += axis.target_stride;
      if (++index[static_cast<size_t>(i)] < axis.extent) break;
      index[static_cast<size_t>(i)] = 0;
      source -= axis.extent * axis.source_stride;
      target -= axis.extent * axis.target_stride;
    }
  }
}

/// body(source_offset, target_offset, count) for runs along `inner` within the box of `outer`, long runs cut to tasks.
template <class Body>
void for_runs(const Axes& outer, const StridedBox::Axis& inner, int64_t bytes, Parallel& parallel, Body&& body) {
  const int64_t most = std::max<int64_t>(kTaskBytes / bytes, 1);
  const int64_t rows = outer.elements();
  if (inner.extent < 2 * most) {
    const int64_t grain = std::max<int64_t>(most / inner.extent, 1);
    for_ranges(parallel, rows, grain, [&](int64_t begin, int64_t end, int) {
      for_offsets(outer, begin, end, [&](int64_t source, int64_t target) { body(source, target, inner.extent); });
    });
    return;
  }
  const int64_t pieces = (inner.extent + most - 1) / most;
  for_ranges(parallel, rows * pieces, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t first = unit % pieces * most;
      const int64_t count = std::min(most, inner.extent - first);
      for_offsets(outer, unit / pieces, unit / pieces + 1, [&](int64_t source, int64_t target) {
        body(source + first * inner.source_stride, target + first * inner.target_stride, count);
      });
    }
  });
}

/// Matrices whose rows run along `inner` in the target and along `across` in the source.
void copy_transposed(const Axes& outer, const StridedBox::Axis& across, const StridedBox::Axis& inner, Element element,
                     const std::byte* source, std::byte* target, Parallel& parallel) {
  const auto bytes = static_cast<int64_t>(element_bytes(element));
  // Tiles of about 64 KiB, square where the matrix allows it.
  constexpr int64_t kSide = 128;
  const int64_t row_tile = std::min(inner.extent, kSide * kSide / std::min(across.extent, kSide));
  const int64_t column_tile = std::min(across.extent, kSide * kSide / row_tile);
  const int64_t row_tiles = (inner.extent + row_tile - 1) / row_tile;
  const int64_t column_tiles = (across.extent + column_tile - 1) / column_tile;
  const int64_t tiles = row_tiles * column_tiles;
  const int64_t grain = std::max<int64_t>(kTaskBytes / (row_tile * column_tile * bytes), 1);
  for_ranges(parallel, outer.elements() * tiles, grain, [&](int64_t begin, int64_t end, int) {
    for (int64_t unit = begin; unit < end;) {
      const int64_t matrix = unit / tiles;
      const int64_t stop = std::min(end, (matrix + 1) * tiles);
      for_offsets(outer, matrix, matrix + 1, [&](int64_t source_offset, int64_t target_offset) {
        for (; unit < stop; ++unit) {
          const int64_t tile = unit - matrix * tiles;
          const int64_t row = tile / column_tiles * row_tile;
          const int64_t column = tile % column_tiles * column_tile;
          transpose_matrix(
              element, source + (source_offset + row * inner.source_stride + column) * bytes, inner.source_stride,
              std::min(row_tile, inner.extent - row), std::min(column_tile, across.extent - column),
              target + (target_offset + column * across.target_stride + row) * bytes, across.target_stride);
        }
      });
    }
  });
}

/// The axis along which the source is contiguous, or -1.
int find_contiguous_source(const Axes& axes) {
  for (int i = 0; i < axes.count(); ++i) {
    if (axes[i].source_stride == 1) return i;
  }
  return -1;
}

template <class T>
void copy_typed(const Axes& outer, const StridedBox::Axis& inner, const T* source, T* target, Parallel& parallel) {
  if (inner.source_stride == 1 && inner.target_stride == 1) {
    for_runs(outer, inner, sizeof(T), parallel,
             [&](int64_t from, int64_t to, int64_t count) { copy_run(source + from, target + to, count); });
    return;
  }
  for_runs(outer, inner, sizeof(T), parallel, [&](int64_t from, int64_t to, int64_t count) {
    const T* in = source + from;
    T* out = target + to;
    for (int64_t i = 0; i < count; ++i) copy_element(in + i * inner.source_stride, out + i * inner.target_stride);
  });
}

}  // namespace

void copy_strided(const StridedBox& box, Element element, const void* source, void* target, Parallel& parallel) {
  Axes axes(box);
  if (axes.empty()) return;
  if (element != Element::kString) axes.widen(element);
  StridedBox::Axis inner{1, 1, 1};
  if (axes.count() > 0) {
    inner = axes.last();
    const int contiguous = find_contiguous_source(axes);
    if (element != Element::kString && inner.target_stride == 1 && inner.source_stride > 1 && contiguous >= 0) {
      const StridedBox::Axis across = axes[contiguous];
      axes.erase(axes.count() - 1);
      axes.erase(contiguous);
      return copy_transposed(axes, across, inner, element, static_cast<const std::byte*>(source),
                             static_cast<std::byte*>(target), parallel);
    }
    axes.erase(axes.count() - 1);
  }
  with_element_type(element, [&](auto type) {
    using T = decltype(type);
    copy_typed(axes, inner, static_cast<const T*>(source), static_cast<T*>(target), parallel);
  });
}

void copy_dense(Element element, const void* source, void* target, int64_t count, Parallel& parallel) {
  StridedBox box;
  box.add(count, 1, 1);
  copy_strided(box, element, source, target, parallel);
}

void gather_runs(Element element, const void* source, int64_t outer, int64_t axis, int64_t run, const int64_t* indices,
                 int64_t count, void* target, Parallel& parallel) {
  if (run == 0) return;
  with_element_type(element, [&](auto type) {
    using T = decltype(type);
    const T* in = static_cast<const T*>(source);
    T* out = static_cast<T*>(target);
    const int64_t grain = std::max<int64_t>(kTaskBytes / (run * static_cast<int64_t>(sizeof(T))), 1);
    for_ranges(parallel, outer * count, grain, [&](int64_t begin, int64_t end, int) {
      int64_t o = begin / count;
      int64_t i = begin % count;
      for (int64_t row = begin; row < end; ++row) {
        const T* from = in + (o * axis + indices[i]) * run;
        if (run == 1) {
          copy_element(from, out + row);
        } else {
          copy_run(from, out + row * run, run);
        }
        if (++i == count) {
          i = 0;
          ++o;
        }
      }
    });
  });
}

void fill_elements(Element element, const void* value, void* target, int64_t count, Parallel& parallel) {
  with_element_type(element, [&](auto type) {
    using T = decltype(type);
    const T& filler = *static_cast<const T*>(value);
    T* out = static_cast<T*>(target);
    for_ranges(parallel, count, std::max<int64_t>(kTaskBytes / static_cast<int64_t>(sizeof(T)), 1),
               [&](int64_t begin, int64_t end, int) { std::fill(out + begin, out + end, filler); });
  });
}

}  // namespace attune::kernels
