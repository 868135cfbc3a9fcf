#include "attune/error.h"

#include <gtest/gtest.h>

namespace attune {
namespace {

TEST(Error, MessageHasCodeAndName) {
  const Error error(ErrorCode::kInvalidArgument, "Invalid input name: Q");
  EXPECT_STREQ(error.what(), "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Invalid input name: Q");
  EXPECT_EQ(error.text(), "Invalid input name: Q");
}

}  // namespace
}  // namespace attune
