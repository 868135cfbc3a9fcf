#include "optimize/optimize.h"

#include "attune/error.h"
#include "optimize/optimize_testing.h"

namespace attune {
namespace {

using Counts = std::map<std::string, int>;
constexpr OptimizationLevel kBasic = OptimizationLevel::kBasic;
constexpr OptimizationLevel kAll = OptimizationLevel::kAll;

const PassReport& report_of(const OptimizeReport& report, std::string_view pass) {
  for (const PassReport& entry : report.passes) {
    if (entry.pass == pass) return entry;
  }
  throw std::runtime_error("the pass did not run");
}

TEST(Optimize, LevelNoneOnlyInfers) {
  GraphMaker make;
  Value* x = make.input("x", {2, 3});
  Value* y = make.graph.add_value("y");
  make.graph.add_node("Identity", {x}, {y});
  make.graph.add_output(y);
  optimize_checked(make.graph, OptimizationLevel::kNone);
  EXPECT_EQ(make.graph.nodes().size(), 1U);
  ASSERT_TRUE(y->shape);
  EXPECT_EQ(*y->shape, (Shape{2, 3}));
}

TEST(Optimize, ChainsOfIdentitiesVanishAndNamesStay) {
  GraphMaker make;
  Value* x = make.input("x", {2, 3});
  Value* y = make.op("Identity", {make.op("Identity", {x})});
  make.output(y, "result");
  make.output(x, "same");
  const OptimizeReport report = optimize_checked(make.graph, kBasic);
  EXPECT_TRUE(make.graph.nodes().empty());
  EXPECT_EQ(make.graph.outputs()[0].name, "result");
  EXPECT_EQ(make.graph.outputs()[0].value, x);
  EXPECT_EQ(report.nodes_before, 2);
  EXPECT_EQ(report.nodes_after, 0);
  EXPECT_EQ(report_of(report, "remove_no_ops").changes, 2);
}

TEST(Optimize, DisabledPassesDoNotRun) {
  GraphMaker make;
  make.output(make.op("Identity", {make.input("x", {2, 3})}));
  OptimizeContext context;
  context.disabled = {"remove_no_ops"};
  optimize_graph(make.graph, kAll, context);
  EXPECT_EQ(make.graph.nodes().size(), 1U);
}

TEST(Optimize, EveryPassHasANameAndAPurpose) {
  const auto infos = pass_infos();
  EXPECT_GT(infos.size(), 15U);
  EXPECT_EQ(infos.front().name, "spell_out");
  for (const PassInfo& info : infos) {
    EXPECT_FALSE(info.purpose.empty()) << info.name;
    EXPECT_NE(info.level, OptimizationLevel::kNone) << info.name;
  }
}

TEST(Optimize, ChangesAreDescribedOnRequest) {
  for (const bool wanted : {false, true}) {
    GraphMaker make;
    make.output(make.op("Identity", {make.op("Relu", {make.input("x", {2, 3})})}));
    OptimizeReport report;
    OptimizeContext context;
    context.report = &report;
    context.describes_changes = wanted;
    optimize_graph(make.graph, kAll, context);
    std::vector<std::string> described;
    for (const PassReport& pass : report.passes) {
      EXPECT_EQ(pass.described.size(), wanted ? static_cast<size_t>(pass.changes) : 0U);
      described.insert(described.end(), pass.described.begin(), pass.described.end());
    }
    if (wanted) {
      ASSERT_EQ(described.size(), 1U);
      EXPECT_EQ(described[0].find("Identity node. Name:'Identity_of_the_test' gave way to"), 0U) << described[0];
    }
  }
}

TEST(FoldConstants, EvaluatesWhatDependsOnConstants) {
  GraphMaker make;
  Value* c = make.op("Transpose", {make.graph.add_constant(Tensor::from_values<float>({1, 2}, {3.0F, 4.0F}))});
  make.output(make.op("Identity", {c}));
  optimize_checked(make.graph, kBasic);
  EXPECT_TRUE(make.graph.nodes().empty());
  const Value* result = make.graph.outputs()[0].value;
  ASSERT_TRUE(result->is_constant());
  EXPECT_EQ(result->constant.shape(), (Shape{2, 1}));
  EXPECT_EQ(result->constant.values<float>()[1], 4.0F);
}

TEST(FoldConstants, ReadsShapesThatAreKnown) {
  GraphMaker make;
  Value* x = make.input("x", {2, 3});
  make.output(make.op("Shape", {x}));
  optimize_checked(make.graph, kBasic);
  const Value* result = make.graph.outputs()[0].value;
  ASSERT_TRUE(result->is_constant());
  EXPECT_EQ(result->constant.values<int64_t>()[1], 3);
}

TEST(FoldConstants, RefusesWhatWouldGrow) {
  GraphMaker make;
  Value* one = make.graph.add_constant(Tensor::from_values<float>({1}, {1.0F}));
  make.output(make.op("Expand", {one, make.integers({1 << 20, 64})}));
  const OptimizeReport report = optimize_checked(make.graph, kBasic);
  EXPECT_EQ(make.graph.nodes().size(), 1U);
  ASSERT_EQ(report_of(report, "fold_constants").refusals.size(), 1U);
  EXPECT_NE(report_of(report, "fold_constants").refusals[0].reason.find("268435456 bytes"), std::string::npos);
}

TEST(MergeCommon, EqualNodesAreOne) {
  GraphMaker make;
  Value* x = make.input("x", {2, 3});
  const auto transpose = [&](const std::vector<int64_t>& perm) { return make.op("Transpose", {x}, {{"perm", perm}}); };
  Value* a = transpose({1, 0});
  Value* b = transpose({1, 0});
  Value* shape = make.op("Concat", {a, b}, {{"axis", int64_t{0}}});
  make.output(shape);
  make.output(b, "b");
  optimize_checked(make.graph, kBasic);
  EXPECT_EQ(count_ops(make.graph), (Counts{{"Transpose", 1}, {"Concat", 1}}));
  EXPECT_EQ(make.graph.outputs()[1].name, "b");
}

TEST(MergeCommon, EqualConstantsAreOne) {
  GraphMaker make;
  Value* x = make.input("x", {4, 3});
  const auto slice = [&] { return make.op("Slice", {x, make.integers({1}), make.integers({3}), make.integers({0})}); };
  make.output(make.op("Concat", {slice(), slice()}, {{"axis", int64_t{0}}}));
  optimize_checked(make.graph, kBasic);
  EXPECT_EQ(count_ops(make.graph), (Counts{{"Slice", 1}, {"Concat", 1}}));
}

TEST(SimplifyReshapes, TargetsComputedFromShapesBecomeConstants) {
  GraphMaker make(11);
  Value* x = make.input("x", {make.dim("N"), 120, 1, make.dim("W")});
  Value* dims = make.op("Slice", {make.op("Shape", {x}), make.integers({0}), make.integers({2}), make.integers({0})});
  make.output(make.op("Reshape", {x, make.op("Concat", {dims, make.integers({-1})}, {{"axis", int64_t{0}}})}));
  optimize_checked(make.graph, kBasic);
  ASSERT_EQ(count_ops(make.graph), (Counts{{"Reshape", 1}}));
  const Tensor& target = make.graph.nodes()[0]->input(1)->constant;
  ASSERT_TRUE(target);
  EXPECT_EQ(std::vector<int64_t>(target.values<int64_t>().begin(), target.values<int64_t>().end()),
            (std::vector<int64_t>{0, 120, -1}));
}

TEST(SimplifyReshapes, ChainsBecomeOneOrNone) {
  GraphMaker make(13);
  Value* x = make.input("x", {make.dim("N"), 4, 6});
  Value* y = make.op("Unsqueeze", {make.op("Reshape", {x, make.integers({0, 24})}), make.integers({1})});
  make.output(y);
  make.output(make.op("Reshape", {make.op("Reshape", {x, make.integers({-1, 24})}), make.integers({-1, 4, 6})}));
  optimize_checked(make.graph, kBasic);
  EXPECT_EQ(count_ops(make.graph), (Counts{{"Reshape", 1}}));
  EXPECT_EQ(make.graph.outputs()[1].value, x);
}

TEST(SimplifyReshapes, TwoUnknownDimensionsStay) {
  GraphMaker make(13);
  Value* x = make.input("x", {make.dim("N"), make.dim("S"), 6});
  Value* target = make.input("target", {3}, DataType::kInt64);
  make.output(make.op("Reshape", {x, target}));
  const OptimizeReport report = optimize_checked(make.graph, kBasic);
  EXPECT_FALSE(make.graph.nodes()[0]->input(1)->is_constant());
  EXPECT_FALSE(report_of(report, "simplify_reshapes").refusals.empty());
}

TEST(MergeTransposes, CancelMergeOrBecomeReshape) {
  GraphMaker make;
  const auto transpose = [&](Value* x, const std::vector<int64_t>& perm) {
    return make.op("Transpose", {x}, {{"perm", perm}});
  };
  Value* x = make.input("x", {make.dim("N"), 3, 5, 7});
  make.output(transpose(transpose(x, {0, 2, 3, 1}), {0, 3, 1, 2}));
  make.output(transpose(transpose(x, {0, 2, 3, 1}), {0, 2, 1, 3}));
  Value* image = make.input("image", {make.dim("M"), 200, 200, 1});
  make.output(transpose(image, {0, 3, 1, 2}));
  optimize_checked(make.graph, kBasic);
  EXPECT_EQ(count_ops(make.graph), (Counts{{"Transpose", 1}, {"Reshape", 1}}));
  EXPECT_EQ(make.graph.outputs()[0].value, x);
  const auto perm = find_node(make.graph, "Transpose")->attributes.get_ints("perm");
  EXPECT_EQ(std::vector<int64_t>(perm.begin(), perm.end()), (std::vector<int64_t>{0, 3, 2, 1}));
}

TEST(RemoveNoOps, NeutralArithmeticAndEmptySlices) {
  GraphMaker make(11);
  const Shape shape{2, 3};
  Value* x = make.input("x", shape);
  Value* y = make.op("Add", {make.op("Mul", {x, make.scalar(1.0F)}, {}, shape), make.scalar(0.0F)}, {}, shape);
  make.output(make.op("Slice", {y, make.integers({0}), make.integers({99}), make.integers({1})}));
  // The constant's shape widens the result: this addition must stay.
  Value* zeros = make.graph.add_constant(Tensor::from_values<float>({2, 1, 1}, {0.0F, 0.0F}));
  make.output(make.op("Add", {x, zeros}, {}, Shape{2, 2, 3}));
  make.output(
      make.op("Slice", {x, make.integers({-1}), make.integers({-99}), make.integers({1}), make.integers({-1})}));
  optimize_checked(make.graph, kBasic);
  EXPECT_EQ(count_ops(make.graph), (Counts{{"Add", 1}, {"Slice", 1}}));
  EXPECT_EQ(make.graph.outputs()[0].value, x);
}

TEST(Optimize, ErrorsNameThePass) {
  GraphMaker make(2000);  // no operator has this version, so that inference does not find the mistake first
  Value* x = make.input("x", {2, 3, 8, 8});
  make.output(make.op("Clip", {x}, {{"min", std::string("zero")}}, Shape{2, 3, 8, 8}));
  try {
    optimize_graph(make.graph, kAll);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_NE(error.text().find("Optimization pass 'fuse_conv'"), std::string::npos) << error.text();
  }
}

}  // namespace
}  // namespace attune
