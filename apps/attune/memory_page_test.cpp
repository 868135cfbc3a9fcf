#include "memory_page.h"

#include <gtest/gtest.h>

namespace attune {
namespace {

TEST(MemoryPage, BlocksReferToTheirNodes) {
  PlanReport plan;
  plan.region_bytes = 192;
  plan.lower_bound_bytes = 128;
  plan.nodes.resize(2);
  plan.nodes[0].op_type = "Conv";
  plan.nodes[0].live_bytes = 128;
  plan.nodes[1].name = "r";
  plan.nodes[1].batch_piece = 4;
  plan.blocks = {{"t", 0, 1, 64, 128}, {"", 0, 0, 0, 64}};
  const Page page = make_memory_page("m.onnx", "text", plan);
  EXPECT_EQ(page.title, "Memory of m.onnx");
  EXPECT_EQ(page.data["region_bytes"], 192);
  EXPECT_EQ(page.data["lower_bound_bytes"], 128);
  EXPECT_EQ(page.data["nodes"][0]["op"], "Conv");
  EXPECT_EQ(page.data["nodes"][0]["live_bytes"], 128);
  EXPECT_EQ(page.data["nodes"][1]["batch_piece"], 4);
  EXPECT_EQ(page.data["blocks"][0],
            nlohmann::json::parse(R"({"name": "t", "first": 0, "last": 1, "offset": 64, "bytes": 128})"));
  EXPECT_EQ(page.data["blocks"][1]["name"], "");
  EXPECT_FALSE(page.body.empty());
  EXPECT_NE(render_page(page).find("const nodes = data.nodes, blocks = data.blocks;"), std::string::npos);
}

}  // namespace
}  // namespace attune
