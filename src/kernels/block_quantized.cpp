#include "kernels/block_quantized.h"

#include <algorithm>

#include "kernels/gemm.h"
#include "kernels/simd.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/block_quantized.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {

/// 16 bytes of `bytes` each: the least block, and a multiple of the floats of any vector.
constexpr int64_t kPiece = 16;

/// The next 16 integers as bytes.
HWY_INLINE void unpack_piece(int bits, const uint8_t* from, uint8_t* to) {
  if (bits == 8) {
    const hn::FixedTag<uint8_t, 16> d;
    return hn::Store(hn::LoadU(d, from), d, to);
  }
  const hn::FixedTag<uint8_t, 8> d;
  const hn::RebindToUnsigned<hn::FixedTag<int16_t, 4>> words;
  const auto pairs = hn::LoadU(d, from);
  const auto low = hn::And(pairs, hn::Set(d, 15));
  // There are no shifts of bytes: what a word moves across their border is cut off.
  const auto high = hn::And(hn::BitCast(d, hn::ShiftRight<4>(hn::BitCast(words, pairs))), hn::Set(d, 15));
  hn::Store(hn::InterleaveLower(d, low, high), d, to);
  hn::Store(hn::InterleaveUpper(d, low, high), d, to + 8);
}

void dequantize_column(const BlockQuantizedMatrix& b, int64_t column, float* out) {
  const FloatTag d;
  const hn::Rebind<int32_t, FloatTag> integers;
  const hn::Rebind<uint8_t, FloatTag> bytes;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const uint8_t* from = b.data + column * b.column_bytes();
  const BlockScale* scales = b.scales + column * b.blocks();
  const int64_t piece_bytes = kPiece * b.bits / 8;
  HWY_ALIGN uint8_t piece[kPiece];
  for (int64_t block = 0; block < b.blocks(); ++block) {
    const auto scale = hn::Set(d, scales[block].scale);
    const auto shift = hn::Set(d, scales[block].shift);
    for (int64_t i = 0; i < b.block; i += kPiece, from += piece_bytes, out += kPiece) {
      unpack_piece(b.bits, from, piece);
      for (int64_t k = 0; k < kPiece; k += lanes) {
        const auto q = hn::ConvertTo(d, hn::PromoteTo(integers, hn::LoadU(bytes, piece + k)));
        hn::StoreU(hn::MulAdd(q, scale, shift), d, out + k);
      }
    }
  }
}

}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::kernels {
namespace {

HWY_EXPORT(dequantize_column);

/// Columns that are floats at a time: 128 KiB of them at k = 2048, which the second cache holds.
constexpr int64_t kColumns = 16;

}  // namespace

void dequantize_columns(const BlockQuantizedMatrix& b, int64_t first, int64_t count, float* out) {
  for (int64_t c = 0; c < count; ++c) {
    HWY_DYNAMIC_DISPATCH(dequantize_column)(b, first + c, out + c * b.blocks() * b.block);
  }
}

size_t block_quantized_workspace_size(const BlockQuantizedMatrix& b, int threads) {
  return static_cast<size_t>(threads) * static_cast<size_t>(kColumns * b.blocks() * b.block);
}

void multiply_block_quantized(int64_t m, const float* a, const BlockQuantizedMatrix& b, const float* bias, float* c,
                              float* workspace, Parallel& parallel) {
  if (m <= 0 || b.n <= 0) return;
  const int64_t stride = b.blocks() * b.block;
  const int64_t groups = (b.n + kColumns - 1) / kColumns;
  // A float of B costs about as much to make as to multiply.
  const int64_t cost = kColumns * std::max<int64_t>(b.k, 1) * (m + 1);
  for_ranges(parallel, groups, 65536 / cost, [&](int64_t begin, int64_t end, int thread) {
    float* columns = workspace + thread * kColumns * stride;
    SerialParallel serial;
    for (int64_t group = begin; group < end; ++group) {
      const int64_t first = group * kColumns;
      const int64_t count = std::min(kColumns, b.n - first);
      dequantize_columns(b, first, count, columns);
      GemmEpilogue epilogue;
      if (bias != nullptr) epilogue.bias = bias + first;
      gemm_nt_unpacked({m, count, b.k}, a, b.k, columns, stride, c + first, b.n, epilogue, serial);
    }
  });
}

}  // namespace attune::kernels
#endif
