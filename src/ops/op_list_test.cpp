#include "ops/op_list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "ops/op_def.h"

namespace attune {
namespace {

TEST(OpList, SaysWhatTheDefinitionsSay) {
#define ATTUNE_EXPECT_OP(function, of_domain, of_name) \
  EXPECT_EQ(ops::function().domain, of_domain);        \
  EXPECT_EQ(ops::function().name, of_name);            \
  EXPECT_EQ(find_op(of_domain, of_name, ops::function().since), &ops::function());
  ATTUNE_OPS(ATTUNE_EXPECT_OP)
#undef ATTUNE_EXPECT_OP
}

TEST(OpList, HasEveryOperatorOnce) {
  std::set<const OpDef*> seen;
  for (const OpDef* op : all_ops()) EXPECT_TRUE(seen.insert(op).second) << op->name;
  EXPECT_TRUE(std::is_sorted(all_ops().begin(), all_ops().end(), [](const OpDef* a, const OpDef* b) {
    return std::tie(a->domain, a->name) < std::tie(b->domain, b->name);
  }));
}

TEST(OpList, HasNothingElse) {
  EXPECT_EQ(find_op("", "Frobnicate", 17), nullptr);
  EXPECT_EQ(find_op("attune", "Abs", 17), nullptr);
  EXPECT_EQ(find_op("", "Abs", 100'000), nullptr);
}

}  // namespace
}  // namespace attune
