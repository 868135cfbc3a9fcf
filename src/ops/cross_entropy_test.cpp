#include "ops/op_test.h"

namespace attune {
namespace {

TEST(NegativeLogLikelihoodLoss, Reductions) {
  const auto loss = [](std::string reduction) {
    OpTest test("NegativeLogLikelihoodLoss", 13);
    test.attribute("reduction", std::move(reduction));
    test.input<float>({2, 2, 1}, {1, 2, 3, 4}).input<int64_t>({2, 1}, {1, 0});
    return test;
  };
  loss("none").output<float>({2, 1}, {-2, -3}).run();
  loss("sum").output<float>({}, {-5}).run();
  loss("mean").output<float>({}, {-2.5F}).run();
  loss("mean").input<float>({2}, {3, 1}).output<float>({}, {-11.0F / 4}).run();
  loss("mean").input<float>({2}, {3, 1}).attribute("ignore_index", int64_t{1}).output<float>({}, {-3}).run();
  loss("max").fails("must be none, sum or mean");
}

TEST(NegativeLogLikelihoodLoss, Errors) {
  OpTest("NegativeLogLikelihoodLoss").input<float>({1, 2}, {1, 2}).input<int32_t>({1}, {2}).fails("Label 2");
  OpTest("NegativeLogLikelihoodLoss").input<float>({1, 2}, {1, 2}).input<int32_t>({1}, {-1}).fails("Label -1");
  OpTest("NegativeLogLikelihoodLoss").input<float>({2}, {1, 2}).input<int32_t>({}, {1}).fails("no classes");
  OpTest("NegativeLogLikelihoodLoss").input<float>({2, 1}, {1, 2}).input<int32_t>({1}, {0}).fails("labels and scores");
}

TEST(SoftmaxCrossEntropyLoss, LogProbabilities) {
  const float half = std::log(2.0F);
  OpTest("SoftmaxCrossEntropyLoss", 13)
      .input<float>({2, 2}, {1000, 1000, 5, 5})
      .input<int64_t>({2}, {0, 1})
      .output<float>({}, {half})
      .output<float>({2, 2}, {-half, -half, -half, -half})
      .run();
  OpTest("SoftmaxCrossEntropyLoss", 13)
      .attribute("reduction", std::string("none"))
      .input<double>({1, 3, 2}, {0, 1, 0, 1, 0, 1})
      .input<int32_t>({1, 2}, {2, 0})
      .output<double>({1, 2}, {std::log(3.0), std::log(3.0)})
      .run();
  OpTest("SoftmaxCrossEntropyLoss", 13).input<float>({2, 0}, {}).input<int64_t>({2}, {0, 1}).fails("of 0 classes");
}

}  // namespace
}  // namespace attune
