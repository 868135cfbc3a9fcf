#include "kernels/machine_peak.h"

#include <gtest/gtest.h>

#include "kernels/simd.h"

namespace attune::kernels {
namespace {

TEST(MachinePeak, IsPlausible) {
  SerialParallel parallel;
  const double gflops = measure_peak_gflops(parallel);
  EXPECT_GT(gflops, 0.5);     // a loaded machine of the lowest kind
  EXPECT_LT(gflops, 1000.0);  // no core does more
  const double bandwidth = measure_bandwidth_gbs(parallel);
  EXPECT_GT(bandwidth, 0.1);
  EXPECT_LT(bandwidth, 1000.0);
}

}  // namespace
}  // namespace attune::kernels
