#include "kernels/transpose.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "kernels/simd.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/transpose.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#undef ATTUNE_INLINED
#define ATTUNE_INLINED HWY_ATTR __attribute__((always_inline))

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// The elements of T in 128 bits, the unit in which x86 shuffles within a vector.
template <class T>
constexpr int64_t kBlock = 16 / sizeof(T);

/// 128-bit pieces from p, p + step, p + 2 * step and so on side by side. A load that inserts goes to any vector port,
/// while a shuffle across 128-bit pieces has only port 5 and 3 cycles of latency.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> load_blocks(D d, const T* p, int64_t step) {
  if constexpr (hn::MaxLanes(D()) == kBlock<T>) {
    return hn::LoadU(d, p);
  } else {
    const hn::Half<D> half;
    const auto low = load_blocks(half, p, step);
    return hn::Combine(d, load_blocks(half, p + step * static_cast<int64_t>(hn::Lanes(half)) / kBlock<T>, step), low);
  }
}

template <class Body, int... kI>
HWY_INLINE void call_unrolled(Body&& body, std::integer_sequence<int, kI...>) {
  (body(std::integral_constant<int, kI>()), ...);
}

/// body(0), ..., body(kCount - 1) as straight code with constant indices: gcc keeps an array of vectors in registers
/// only then, which here is a factor of two.
template <int kCount, class Body>
HWY_INLINE void unrolled(Body&& body) {
  call_unrolled(body, std::make_integer_sequence<int, kCount>());
}

/// log2(n) perfect shuffles of n vectors transpose each n x n piece of 128 bits' width.
template <int kStage, class D, class V, int kRows>
HWY_INLINE void shuffle_rows(D d, V (&v)[kRows]) {
  if constexpr (kStage < kRows) {
    V w[kRows];
    unrolled<kRows / 2>([&](auto i) ATTUNE_INLINED {
      w[2 * i] = hn::InterleaveLower(d, v[i], v[i + kRows / 2]);
      w[2 * i + 1] = hn::InterleaveUpper(d, v[i], v[i + kRows / 2]);
    });
    unrolled<kRows>([&](auto i) ATTUNE_INLINED { v[i] = w[i]; });
    shuffle_rows<kStage * 2>(d, v);
  }
}

/// Lanes(d) rows of kBlock<T> columns.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE void transpose_panel(D d, const T* source, int64_t source_stride, T* target, int64_t target_stride) {
  constexpr int kRows = kBlock<T>;
  hn::Vec<D> v[kRows];
  unrolled<kRows>([&](auto i)
                      ATTUNE_INLINED { v[i] = load_blocks(d, source + i * source_stride, kRows * source_stride); });
  shuffle_rows<1>(d, v);
  unrolled<kRows>([&](auto i) ATTUNE_INLINED { hn::StoreU(v[i], d, target + i * target_stride); });
}

template <class T>
HWY_INLINE void transpose_scalar(const T* source, int64_t source_stride, int64_t rows, int64_t columns, T* target,
                                 int64_t target_stride) {
  for (int64_t c = 0; c < columns; ++c) {
    // memcpy: wide elements may stand for several narrow ones and have the narrow ones' alignment
    for (int64_t r = 0; r < rows; ++r) {
      std::memcpy(target + c * target_stride + r, source + r * source_stride + c, sizeof(T));
    }
  }
}

/// rows >= Lanes(d), columns >= kBlock<T>. The last panel of each direction moves back over elements already written.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE void transpose_panels(D d, const T* source, int64_t source_stride, int64_t rows, int64_t columns, T* target,
                                 int64_t target_stride) {
  // Each target line is filled by successive panels of rows. Columns by one or two lines of the source keep those
  // target lines in L1 even where a stride of a power of two lets them share a few of its sets.
  constexpr int64_t kColumns = sizeof(T) == 4 ? 32 : 64 / static_cast<int64_t>(sizeof(T));
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t first = 0; first < columns; first += kColumns) {
    const int64_t last = std::min(first + kColumns, columns);
    for (int64_t row = 0; row < rows; row += lanes) {
      const int64_t r = std::min(row, rows - lanes);
      for (int64_t column = first; column < last; column += kBlock<T>) {
        const int64_t c = std::min(column, columns - kBlock<T>);
        transpose_panel(d, source + r * source_stride + c, source_stride, target + c * target_stride + r,
                        target_stride);
      }
    }
  }
}

/// Dense [rows][columns] of 2 to 4 columns: pixels of interleaved channels to planes. Returns the rows done.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE int64_t deinterleave(D d, const T* source, int64_t rows, int64_t columns, T* target, int64_t stride) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t r = 0;
  for (; r + lanes <= rows; r += lanes) {
    hn::Vec<D> a;
    hn::Vec<D> b;
    hn::Vec<D> c;
    hn::Vec<D> e;
    T* out = target + r;
    if (columns == 2) {
      hn::LoadInterleaved2(d, source + r * 2, a, b);
    } else if (columns == 3) {
      hn::LoadInterleaved3(d, source + r * 3, a, b, c);
      hn::StoreU(c, d, out + 2 * stride);
    } else {
      hn::LoadInterleaved4(d, source + r * 4, a, b, c, e);
      hn::StoreU(c, d, out + 2 * stride);
      hn::StoreU(e, d, out + 3 * stride);
    }
    hn::StoreU(a, d, out);
    hn::StoreU(b, d, out + stride);
  }
  return r;
}

/// 2 to 4 rows to dense [columns][rows]: planes to pixels. Returns the columns done.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE int64_t interleave(D d, const T* source, int64_t stride, int64_t rows, int64_t columns, T* target) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t c = 0;
  for (; c + lanes <= columns; c += lanes) {
    const T* in = source + c;
    const auto v0 = hn::LoadU(d, in);
    const auto v1 = hn::LoadU(d, in + stride);
    if (rows == 2) {
      hn::StoreInterleaved2(v0, v1, d, target + c * 2);
    } else if (rows == 3) {
      hn::StoreInterleaved3(v0, v1, hn::LoadU(d, in + 2 * stride), d, target + c * 3);
    } else {
      hn::StoreInterleaved4(v0, v1, hn::LoadU(d, in + 2 * stride), hn::LoadU(d, in + 3 * stride), d, target + c * 4);
    }
  }
  return c;
}

template <class T>
void transpose_typed(const T* source, int64_t source_stride, int64_t rows, int64_t columns, T* target,
                     int64_t target_stride) {
  const hn::ScalableTag<T> d;
  const hn::FixedTag<T, kBlock<T>> block;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  if (columns >= 2 && columns <= 4 && source_stride == columns && rows >= lanes) {
    const int64_t done = deinterleave(d, source, rows, columns, target, target_stride);
    transpose_scalar(source + done * columns, source_stride, rows - done, columns, target + done, target_stride);
  } else if (rows >= 2 && rows <= 4 && target_stride == rows && columns >= lanes) {
    const int64_t done = interleave(d, source, source_stride, rows, columns, target);
    transpose_scalar(source + done, source_stride, rows, columns - done, target + done * rows, target_stride);
  } else if (rows >= lanes && columns >= kBlock<T>) {
    transpose_panels(d, source, source_stride, rows, columns, target, target_stride);
  } else if (rows >= kBlock<T> && columns >= kBlock<T>) {
    transpose_panels(block, source, source_stride, rows, columns, target, target_stride);
  } else {
    transpose_scalar(source, source_stride, rows, columns, target, target_stride);
  }
}

void run_transpose(Element element, const void* source, int64_t source_stride, int64_t rows, int64_t columns,
                   void* target, int64_t target_stride) {
  switch (element) {
    case Element::k1Byte:
      return transpose_typed(static_cast<const uint8_t*>(source), source_stride, rows, columns,
                             static_cast<uint8_t*>(target), target_stride);
    case Element::k2Bytes:
      return transpose_typed(static_cast<const uint16_t*>(source), source_stride, rows, columns,
                             static_cast<uint16_t*>(target), target_stride);
    case Element::k4Bytes:
      return transpose_typed(static_cast<const uint32_t*>(source), source_stride, rows, columns,
                             static_cast<uint32_t*>(target), target_stride);
    case Element::k8Bytes:
      return transpose_typed(static_cast<const uint64_t*>(source), source_stride, rows, columns,
                             static_cast<uint64_t*>(target), target_stride);
    case Element::k16Bytes:
      return transpose_scalar(static_cast<const Bytes16*>(source), source_stride, rows, columns,
                              static_cast<Bytes16*>(target), target_stride);
    case Element::kString:
      break;
  }
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::kernels {

HWY_EXPORT(run_transpose);

void transpose_matrix(Element element, const void* source, int64_t source_stride, int64_t rows, int64_t columns,
                      void* target, int64_t target_stride) {
  HWY_DYNAMIC_DISPATCH(run_transpose)(element, source, source_stride, rows, columns, target, target_stride);
}

}  // namespace attune::kernels
#endif
