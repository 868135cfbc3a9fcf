// A test suite that runs once for each instruction set the machine has:
//
//     class GemmTest : public EachTargetTest {};
//     ATTUNE_INSTANTIATE_FOR_EACH_TARGET(GemmTest);
//     TEST_P(GemmTest, MatchesReference) { ... }      // named Targets/GemmTest.MatchesReference/avx2
//
// For a suite with a parameter of its own, loop over the values inside the test with SCOPED_TRACE.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "kernels/simd.h"

namespace attune::kernels {

class EachTargetTest : public testing::TestWithParam<Target> {
 protected:
  void SetUp() override { ASSERT_TRUE(force_target(GetParam())); }
  void TearDown() override { unforce_target(); }
};

inline std::string target_parameter_name(const testing::TestParamInfo<Target>& info) {
  return std::string(target_name(info.param));
}

}  // namespace attune::kernels

#define ATTUNE_INSTANTIATE_FOR_EACH_TARGET(suite)                                                                  \
  INSTANTIATE_TEST_SUITE_P(                                                                                        \
      Targets, suite,                                                                                              \
      testing::ValuesIn(attune::kernels::supported_targets().begin(), attune::kernels::supported_targets().end()), \
      attune::kernels::target_parameter_name)
