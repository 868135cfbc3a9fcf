#include "tune/space.h"

#include <gtest/gtest.h>

namespace attune {
namespace {

using nlohmann::json;

Space make() {
  Space space;
  space.base = {{"arena", true}};
  space.factors = {{"mode", {{}, {{{"mode", "parallel"}, {"inter", 2}}}}},
                   {"arena", {{}, {{{"arena", false}}}}},
                   {"callers", {{}, Level{json::object(), 4}}}};
  return space;
}

TEST(Space, LevelsAddUpOnTopOfTheBase) {
  const Space space = make();
  EXPECT_EQ(space.points(), 8);
  EXPECT_EQ(space.settings_at(space.default_point()), (json{{"arena", true}}));
  EXPECT_EQ(space.settings_at({1, 1, 1}), (json{{"arena", false}, {"mode", "parallel"}, {"inter", 2}}));
  EXPECT_EQ(space.callers_at({1, 1, 0}), 1);
  EXPECT_EQ(space.callers_at({0, 0, 1}), 4);
}

TEST(Space, PointsAreToldByWhatTheyChange) {
  const Space space = make();
  EXPECT_EQ(describe_point(space, {0, 0, 0}), "default");
  EXPECT_EQ(describe_point(space, {1, 1, 1}), "inter=2, mode=parallel, arena=false, 4 callers");
  EXPECT_EQ(count_changes({1, 0, 1}), 2);
}

}  // namespace
}  // namespace attune
