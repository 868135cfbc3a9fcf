#include "ops/recurrent_test.h"

namespace attune {
namespace {

TEST(Gru, Forward) {
  for (const int version : {1, 3, 7, 14, 22}) {
    recurrent("GRU", 3, false, version)
        .output<float>({2, 1, 2, 2}, {-0.4614533F, -0.02980819F, -0.06498586F, -0.1102738F, -0.3301012F, 0.04717848F,
                                      -0.07961817F, 0.06907995F})
        .output<float>({1, 2, 2}, {-0.3301012F, 0.04717848F, -0.07961817F, 0.06907995F})
        .run();
  }
}

TEST(Gru, BothDirectionsWithLengths) {
  recurrent("GRU", 3, true)
      .output<float>({2, 2, 2, 2},
                     {-0.4614533F, -0.02980819F, -0.06498586F, -0.1102738F, -0.1257746F, 0.1708726F, 0.09812893F,
                      0.1200645F, -0.3301012F, 0.04717848F, 0, 0, -0.03771118F, -0.04879675F, 0, 0})
      .output<float>({2, 2, 2}, {-0.3301012F, 0.04717848F, -0.06498586F, -0.1102738F, -0.1257746F, 0.1708726F,
                                 0.09812893F, 0.1200645F})
      .run();
}

TEST(Gru, TheResetAfterTheProduct) {
  recurrent("GRU", 3, false)
      .attribute("linear_before_reset", int64_t{1})
      .output<float>({2, 1, 2, 2}, {-0.4362949F, -0.09325086F, -0.01578339F, -0.2031528F, -0.2586241F, -0.08364638F,
                                    0.01368563F, -0.05811017F})
      .output<float>({1, 2, 2}, {-0.2586241F, -0.08364638F, 0.01368563F, -0.05811017F})
      .run();
  recurrent("GRU", 3, true)
      .attribute("linear_before_reset", int64_t{1})
      .output<float>({2, 2, 2, 2},
                     {-0.4362949F, -0.09325086F, -0.01578339F, -0.2031528F, -0.2536607F, 0.168687F, 0.03564255F,
                      0.1129165F, -0.2586241F, -0.08364638F, 0, 0, -0.1210033F, -0.05117651F, 0, 0})
      .output<float>({2, 2, 2}, {-0.2586241F, -0.08364638F, -0.01578339F, -0.2031528F, -0.2536607F, 0.168687F,
                                 0.03564255F, 0.1129165F})
      .run();
}

TEST(Gru, WrongShapes) {
  OpTest("GRU", 14).input(ramp({2, 2, 3})).input(ramp({1, 6, 3})).input(ramp({1, 5, 2})).fails("R has the shape");
  OpTest("GRU", 14)
      .input(ramp({2, 2, 3}))
      .input(ramp({1, 6, 3}))
      .input(ramp({1, 6, 2}))
      .input(ramp({1, 6}))
      .fails("B has the shape");
}

}  // namespace
}  // namespace attune
