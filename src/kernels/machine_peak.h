// What the machine can do at best: the yardstick for what kernels reach.
#pragma once

#include "base/parallel.h"

namespace attune::kernels {

/// Floating-point operations a second of fused multiply-adds that wait for nothing, on the active target and all
/// threads, in units of 1e9; a multiply-add counts as two. Takes about 50 ms.
double measure_peak_gflops(Parallel& parallel);

/// Bytes a second read from memory that no cache holds, by all threads together, in units of 1e9. Takes about 100 ms
/// and 128 MiB.
double measure_bandwidth_gbs(Parallel& parallel);

}  // namespace attune::kernels
