#include "ops/op_test.h"

namespace attune {
namespace {

OpTest einsum(std::string equation) {
  OpTest test("Einsum", 12);
  test.attribute("equation", std::move(equation));
  return test;
}

TEST(Einsum, OneOperand) {
  einsum("ij->ji").input<float>({2, 3}, {1, 2, 3, 4, 5, 6}).output<float>({3, 2}, {1, 4, 2, 5, 3, 6}).run();
  einsum("ij->i").input<float>({2, 3}, {1, 2, 3, 4, 5, 6}).output<float>({2}, {6, 15}).run();
  einsum("ii->i").input<int32_t>({2, 2}, {1, 2, 3, 4}).output<int32_t>({2}, {1, 4}).run();
  einsum("ii").input<double>({2, 2}, {1, 2, 3, 4}).output<double>({}, {5}).run();
  einsum("...ii->...i").input<float>({1, 2, 2}, {1, 2, 3, 4}).output<float>({1, 2}, {1, 4}).run();
}

TEST(Einsum, Products) {
  einsum("ij,jk").input<float>({1, 2}, {1, 2}).input<float>({2, 2}, {1, 2, 3, 4}).output<float>({1, 2}, {7, 10}).run();
  einsum("i,i").input<float>({3}, {1, 2, 3}).input<float>({3}, {4, 5, 6}).output<float>({}, {32}).run();
  einsum("i,j->ji").input<int64_t>({2}, {1, 2}).input<int64_t>({2}, {3, 4}).output<int64_t>({2, 2}, {3, 6, 4, 8}).run();
  einsum("bij, bjk -> bik")
      .input<float>({2, 1, 2}, {1, 2, 3, 4})
      .input<float>({2, 2, 1}, {1, 1, 2, 2})
      .output<float>({2, 1, 1}, {3, 14})
      .run();
  einsum("...ij,...jk->...ik")
      .input<float>({2, 1, 1}, {2, 3})
      .input<float>({1, 2}, {5, 7})
      .output<float>({2, 1, 2}, {10, 14, 15, 21})
      .run();
  einsum("a,ab,abc->")
      .input<float>({2}, {1, 2})
      .input<float>({2, 1}, {3, 4})
      .input<float>({2, 1, 2}, {1, 1, 1, 1})
      .output<float>({}, {22})
      .run();
  einsum("ij,jk->ik").input<float>({2, 0}, {}).input<float>({0, 1}, {}).output<float>({2, 1}, {0, 0}).run();
}

TEST(Einsum, SmallIntegersWrapAround) {
  einsum("ij,jk->ik")
      .input<uint8_t>({1, 2}, {200, 3})
      .input<uint8_t>({2, 1}, {2, 5})
      .output<uint8_t>({1, 1}, {159})
      .run();
  einsum("i,i->").input<uint16_t>({2}, {65535, 2}).input<uint16_t>({2}, {65535, 7}).output<uint16_t>({}, {15}).run();
}

TEST(Einsum, Errors) {
  einsum("ij->k").input<float>({1, 1}, {1}).fails("no input has 'k'");
  einsum("i,j").input<float>({1}, {1}).fails("2 terms for 1 inputs");
  einsum("i1->i").input<float>({1, 1}, {1}).fails("not a letter");
  einsum("ij->i").input<float>({1}, {1}).fails("input 0 has 1 axes");
  einsum("i,i").input<float>({2}, {1, 1}).input<float>({3}, {1, 1, 1}).fails("'i' is 2 and 3");
}

}  // namespace
}  // namespace attune
