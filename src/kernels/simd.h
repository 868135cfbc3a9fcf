// Highway as the kernels use it: which instruction sets are compiled, which one runs, how a test forces one.
//
// A kernel with vector code is one .cpp file of this form, compiled once for each target by Highway:
//
//     #include "kernels/thing.h"
//     #include "kernels/simd.h"                       // before anything of Highway
//     #undef HWY_TARGET_INCLUDE
//     #define HWY_TARGET_INCLUDE "kernels/thing.cpp"
//     #include "hwy/foreach_target.h"                 // re-includes this file for each target
//     #include "hwy/highway.h"
//     #include "kernels/simd_math-inl.h"              // if needed; every -inl.h comes after highway.h
//     HWY_BEFORE_NAMESPACE();
//     namespace attune::kernels::HWY_NAMESPACE {
//     namespace hn = hwy::HWY_NAMESPACE;
//     void run_thing(...) { ... }
//     }  // namespace attune::kernels::HWY_NAMESPACE
//     HWY_AFTER_NAMESPACE();
//     #if HWY_ONCE
//     namespace attune::kernels {
//     HWY_EXPORT(run_thing);
//     void thing(...) { HWY_DYNAMIC_DISPATCH(run_thing)(...); }
//     }  // namespace attune::kernels
//     #endif
//
// Lambdas inside HWY_NAMESPACE that use vectors must carry HWY_ATTR: `[&](int i) HWY_ATTR { ... }`; gcc compiles them
// for the baseline otherwise. Rounding differs between targets (the baseline has no fused multiply-add), never between
// two runs on one target.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#ifdef HIGHWAY_HWY_DETECT_TARGETS_H_
#error "include kernels/simd.h before any header of Highway: it sets which targets are compiled"
#endif
// x86-64-v2 has no AES or CLMUL, which Highway asks of its SSE4 target by default. No kernel needs them.
#define HWY_DISABLE_PCLMUL_AES 1
// Three targets on x86: SSE4, AVX2, AVX3. A lower bit is a better target, so this switches off all that is newer than
// AVX3 (AVX3_DL and later releases' AVX3_ZEN4, AVX3_SPR, AVX10): more code and compile time for nothing float needs.
#define HWY_DISABLED_TARGETS (HWY_AVX3 - 1)

#include "hwy/targets.h"

/// Before a loop whose count is a constant of at most 16: unrolls it whole, for arrays that must live in registers.
#define ATTUNE_UNROLL _Pragma("GCC unroll 16")

namespace attune::kernels {

/// An instruction set that kernels are compiled for, the least one first.
enum class Target : uint8_t {
  kBaseline,  ///< "sse4": x86-64-v2. On other architectures whatever is best at compile time, "baseline".
  kAvx2,      ///< "avx2": with FMA and F16C (x86-64-v3)
  kAvx512,    ///< "avx512": F, VL, DQ, BW (x86-64-v4)
};

/// The target that kernels run on in this process: the best that the machine has, unless the environment variable
/// ATTUNE_TARGET (sse4, avx2 or avx512) names a lesser one when the library is loaded. A name that is unknown or more
/// than the machine has is ignored. Thread-safe.
Target active_target();
std::string_view target_name();
std::string_view target_name(Target target);

/// The targets that this machine can run, best first; not affected by ATTUNE_TARGET or force_target().
std::span<const Target> supported_targets();

/// Makes all kernels run on `target` from now on. For tests: weights packed and plans made before belong to the target
/// before, and no kernel may be running. A target that the machine lacks is ignored; returns whether it is now active.
bool force_target(Target target);

/// Back to what the process started with.
void unforce_target();

/// The number of channels c in one block of the NCHWc layout on the active target: a whole vector of AVX-512 (16),
/// else 8, which is one AVX2 vector or two of SSE4.
inline int block_channels() { return active_target() == Target::kAvx512 ? 16 : 8; }

/// The floats in one vector register of the active target: 16, 8 or 4.
int vector_floats();

namespace internal {
/// Reads ATTUNE_TARGET. Here and not in simd.cpp alone, so that any kernel's object file pulls it out of the static
/// library and the variable counts however the kernels are linked.
bool initialize_target();
inline const bool kTargetInitialized = initialize_target();
}  // namespace internal

}  // namespace attune::kernels
