#include "ops/recurrent_test.h"

namespace attune {
namespace {

TEST(Rnn, Forward) {
  for (const int version : {1, 7, 14, 22}) {
    recurrent("RNN", 1, false, version)
        .output<float>({2, 1, 2, 2}, {0.04995835F, 0.3539916F, 0.05992806F, 0.148885F, -0.217663F, 0.1973592F,
                                      -0.1960994F, 0.1915747F})
        .output<float>({1, 2, 2}, {-0.217663F, 0.1973592F, -0.1960994F, 0.1915747F})
        .run();
  }
}

TEST(Rnn, BothDirectionsWithLengths) {
  recurrent("RNN", 1, true)
      .output<float>({2, 2, 2, 2},
                     {0.04995835F, 0.3539916F, 0.05992806F, 0.148885F, 0.2493465F, -0.0395419F, -0.2069665F,
                      -0.7487043F, -0.217663F, 0.1973592F, 0, 0, -0.1586486F, -0.6291451F, 0, 0})
      .output<float>({2, 2, 2}, {-0.217663F, 0.1973592F, 0.05992806F, 0.148885F, 0.2493465F, -0.0395419F, -0.2069665F,
                                 -0.7487043F})
      .run();
}

TEST(Rnn, LengthsMustFit) {
  const auto with_length = [](int32_t length) {
    return OpTest("RNN", 14)
        .input(ramp({2, 1, 3}))
        .input(ramp({1, 2, 3}))
        .input(ramp({1, 2, 2}))
        .no_input()
        .input<int32_t>({1}, {length});
  };
  with_length(3).fails("sequence_lens has 3 for sequences of 2");
  with_length(-1).fails("sequence_lens has -1");
}

}  // namespace
}  // namespace attune
