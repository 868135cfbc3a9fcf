// The block of channels as vectors, loops unrolled at compile time, and the last step of a fused convolution; compiled
// once for each target. Shared by the kernels on blocked images.
#if defined(ATTUNE_KERNELS_CONV_UNROLL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTUNE_KERNELS_CONV_UNROLL_INL_H_
#undef ATTUNE_KERNELS_CONV_UNROLL_INL_H_
#else
#define ATTUNE_KERNELS_CONV_UNROLL_INL_H_
#endif

#include <cstdint>
#include <type_traits>
#include <utility>

#include "kernels/activation-inl.h"
#include "kernels/conv.h"

// For lambdas handed to unroll(): arrays of vectors become registers only if their indices are constants before gcc's
// first scalar replacement, hence inlining is not left to its judgement.
#undef ATTUNE_UNROLLED
#define ATTUNE_UNROLLED HWY_ATTR __attribute__((always_inline))

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {

/// block_channels() of this target, and the vectors that hold a block.
constexpr int kBlock = HWY_TARGET == HWY_AVX3 ? 16 : 8;
using BlockTag = hn::CappedTag<float, kBlock>;
using BlockVector = hn::Vec<BlockTag>;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(BlockTag()));
constexpr int kBlockVectors = kBlock / kLanes;

template <class Body, int... kI>
HWY_INLINE void unroll_sequence(Body&& body, std::integer_sequence<int, kI...>) {
  (body(std::integral_constant<int, kI>()), ...);
}

/// body(integral_constant 0), ..., body(integral_constant kCount - 1), as straight code.
template <int kCount, class Body>
HWY_INLINE void unroll(Body&& body) {
  unroll_sequence(body, std::make_integer_sequence<int, kCount>());
}

/// What a convolution does to its sums before storing them, prepared: activations that are max and min are applied in
/// registers, all others by finish_pixels() on the stored tile, which is in the first-level cache.
struct Finish {
  bool clamp = false;
  bool after_store = false;
  float low = 0.0F;
  float high = 0.0F;
};

HWY_INLINE Finish make_finish(const ConvEpilogue& epilogue) {
  using Kind = Activation::Kind;
  Finish finish;
  const Activation& activation = epilogue.activation;
  const bool residual_last = epilogue.act_before_add && epilogue.residual.data != nullptr;
  if (residual_last) {
    finish.after_store = true;
  } else if (activation.kind == Kind::kRelu) {
    finish.clamp = true;
    finish.high = __builtin_inff();
  } else if (activation.kind == Kind::kClip) {
    finish.clamp = true;
    finish.low = activation.alpha;
    finish.high = activation.beta;
  } else {
    finish.after_store = activation.kind != Kind::kNone;
  }
  return finish;
}

/// out = activation(out) [+ residual] for `blocks` blocks of `pixels` pixels; residual null for none.
HWY_NOINLINE inline void finish_pixels(const Activation& activation, float* const* out, int64_t pixels, int64_t blocks,
                                       int64_t out_channel_stride, const float* const* residual,
                                       int64_t residual_channel_stride) {
  with_activation(activation.kind, [&](auto kind) HWY_ATTR {
    const BlockTag d;
    const BlockVector alpha = hn::Set(d, activation.alpha);
    const BlockVector beta = hn::Set(d, activation.beta);
    for (int64_t m = 0; m < blocks; ++m) {
      for (int64_t n = 0; n < pixels; ++n) {
        float* p = out[n] + m * out_channel_stride;
        for (int i = 0; i < kBlock; i += kLanes) {
          BlockVector y = activate<decltype(kind)::value>(d, hn::LoadU(d, p + i), alpha, beta);
          if (residual != nullptr) y = hn::Add(y, hn::LoadU(d, residual[n] + m * residual_channel_stride + i));
          hn::StoreU(y, d, p + i);
        }
      }
    }
  });
}

/// out = activation(from) [+ residual] for `size` neighbouring floats, whole blocks; residual null for none. `out` may
/// be `from` or `residual`.
HWY_NOINLINE inline void finish_row(const Activation& activation, const float* from, float* out, int64_t size,
                                    const float* residual) {
  with_activation(activation.kind, [&](auto kind) HWY_ATTR {
    const BlockTag d;
    const BlockVector alpha = hn::Set(d, activation.alpha);
    const BlockVector beta = hn::Set(d, activation.beta);
    for (int64_t i = 0; i < size; i += kLanes) {
      BlockVector y = activate<decltype(kind)::value>(d, hn::LoadU(d, from + i), alpha, beta);
      if (residual != nullptr) y = hn::Add(y, hn::LoadU(d, residual + i));
      hn::StoreU(y, d, out + i);
    }
  });
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
