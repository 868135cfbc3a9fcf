#include "feeds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attune/error.h"
#include "npy.h"

namespace attune {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

ValueDescription describe(const std::string& name, DataType type, std::vector<Dimension> shape) {
  return {
      .name = name, .type = tensor_type_name(type), .element_type = type, .has_shape = true, .shape = std::move(shape)};
}

std::vector<ValueDescription> bert_inputs() {
  const std::vector<Dimension> shape = {std::string("batch"), std::string("sequence")};
  return {describe("input_ids", DataType::kInt64, shape), describe("attention_mask", DataType::kInt64, shape),
          describe("token_type_ids", DataType::kInt64, shape)};
}

template <class Call>
std::string error_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.text();
  }
  return "no error";
}

TEST(ParseShape, ReadsBothForms) {
  EXPECT_EQ(parse_shape("1x3x224x224"), (Shape{1, 3, 224, 224}));
  EXPECT_EQ(parse_shape("1,3"), (Shape{1, 3}));
  EXPECT_EQ(parse_shape("0"), (Shape{0}));
  EXPECT_EQ(parse_shape("scalar").rank(), 0);
}

TEST(ParseShape, RefusesOthers) {
  for (const char* text : {"x", "1x", "x1", "1xx2", "-1x2", "a", "1.5", "99999999999999999999", "1 x 2",
                           "1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1x1"}) {
    EXPECT_THAT(error_of([&] { parse_shape(text); }), HasSubstr("is not a shape")) << text;
  }
}

TEST(MakeLoad, AMixOfShapesHasWeights) {
  const std::vector<ValueDescription> inputs = bert_inputs();
  FeedFlags flags;
  flags.shapes = {"input_ids=1x128@3", "input_ids=1x512", "attention_mask=1x512@2"};
  const std::vector<FeedSet> load = make_load(flags, inputs);
  ASSERT_EQ(load.size(), 2U);
  EXPECT_EQ(load[0].weight, 3);
  EXPECT_EQ(load[1].weight, 2);
  EXPECT_EQ(load[0].source, "random");
  EXPECT_EQ(shapes_of(load[0].feeds).at("attention_mask"), (Shape{1, 128}));  // by the name of the dimension
  EXPECT_EQ(shapes_of(load[1].feeds).at("token_type_ids"), (Shape{1, 512}));
}

TEST(MakeLoad, WithoutAMixIsWhatMakeFeedSetsGives) {
  FeedFlags flags;
  flags.shapes = {"input_ids=2x3", "attention_mask=2x3"};
  const std::vector<FeedSet> load = make_load(flags, bert_inputs());
  ASSERT_EQ(load.size(), 1U);
  EXPECT_EQ(load[0].weight, 1);
  EXPECT_EQ(load[0].feeds.size(), 3U);
}

TEST(MakeLoad, RefusesWeightsThatAreNone) {
  for (const char* text : {"input_ids=1x2@0", "input_ids=1x2@1001", "input_ids=1x2@x", "input_ids=1x2@"}) {
    FeedFlags flags;
    flags.shapes = {text};
    EXPECT_THAT(error_of([&] { make_load(flags, bert_inputs()); }), HasSubstr("from 1 to 1000")) << text;
  }
}

TEST(ParseIntRange, NeedsTwoNumbersInOrder) {
  EXPECT_EQ(parse_int_range("-5:7"), (std::pair<int64_t, int64_t>(-5, 7)));
  for (const char* text : {"", "5", "5:5", "7:5", "a:b", "1:2:3"}) {
    EXPECT_THAT(error_of([&] { parse_int_range(text); }), HasSubstr("is not a range")) << text;
  }
}

TEST(SplitAssignment, CutsAtTheLastSign) {
  EXPECT_EQ(split_assignment("a=b=c", "--x"), (std::pair<std::string, std::string>("a=b", "c")));
  for (const char* text : {"a", "=a", "a="}) {
    EXPECT_THAT(error_of([&] { split_assignment(text, "--x"); }), HasSubstr("--x: '")) << text;
  }
}

TEST(ResolveShapes, SymbolsHaveAUsualSizeUnlessGiven) {
  EXPECT_EQ(resolve_shapes({}, bert_inputs()).at("input_ids"), (Shape{1, 128}));
  FeedFlags flags;
  flags.dims = {"sequence=64"};
  EXPECT_EQ(resolve_shapes(flags, bert_inputs()).at("attention_mask"), (Shape{1, 64}));
}

TEST(ResolveShapes, UsualSizesFollowTheKindOfInput) {
  const auto shape = [](std::vector<Dimension> dims) {
    const ValueDescription x = describe("x", DataType::kFloat, std::move(dims));
    return resolve_shapes({}, std::vector{x}).at("x");
  };
  EXPECT_EQ(shape({"N", int64_t{3}, "H", "W"}), (Shape{1, 3, 224, 224}));
  EXPECT_EQ(shape({"", int64_t{1}, "", ""}), (Shape{1, 1, 224, 224}));
  EXPECT_EQ(shape({"N", "H", "W", int64_t{3}}), (Shape{1, 224, 224, 3}));
  EXPECT_EQ(shape({"N", int64_t{3}, int64_t{48}, "W"}), (Shape{1, 3, 48, 224}));
  EXPECT_EQ(shape({"N", int64_t{80}, "frames"}), (Shape{1, 80, 128}));
  EXPECT_EQ(shape({int64_t{2}, "batch_size", int64_t{64}}), (Shape{2, 1, 64}));
  EXPECT_EQ(shape({int64_t{2}, "", int64_t{64}}), (Shape{2, 1, 64}));
}

TEST(ResolveShapes, InputsAgreeOnASymbol) {
  const std::vector inputs = {describe("image", DataType::kFloat, {"N", int64_t{3}, "H", "W"}),
                              describe("mask", DataType::kFloat, {"N", "H", "W"})};
  EXPECT_EQ(resolve_shapes({}, inputs).at("mask"), (Shape{1, 224, 224}));
}

TEST(ResolveShapes, AShapeGivesItsSymbolsToOtherInputs) {
  FeedFlags flags;
  flags.shapes = {"input_ids=2x64"};
  EXPECT_EQ(resolve_shapes(flags, bert_inputs()).at("token_type_ids"), (Shape{2, 64}));
  const Feeds fed = {{"input_ids", Tensor::allocate(DataType::kInt64, {3, 9})}};
  EXPECT_EQ(resolve_shapes({}, bert_inputs(), fed).at("attention_mask"), (Shape{3, 9}));
}

TEST(ResolveShapes, TellsWhatIsWrong) {
  FeedFlags flags;
  flags.shapes = {"images=1x3"};
  EXPECT_THAT(error_of([&] { resolve_shapes(flags, bert_inputs()); }),
              HasSubstr("no input 'images'; it has: input_ids, attention_mask"));
  flags.shapes = {"input_ids=1x3x4"};
  EXPECT_THAT(error_of([&] { resolve_shapes(flags, bert_inputs()); }), HasSubstr("Invalid rank for input: input_ids"));
  ValueDescription unknown = describe("x", DataType::kFloat, {});
  unknown.has_shape = false;
  EXPECT_THAT(error_of([&] { resolve_shapes({}, std::vector{unknown}); }), HasSubstr("--shape x="));
}

TEST(RandomTensor, IsTheSameEachTimeAndInItsRange) {
  const Tensor a = random_tensor("x", DataType::kFloat, {1000}, {0, 10}, 1);
  const Tensor b = random_tensor("x", DataType::kFloat, {1000}, {0, 10}, 1);
  EXPECT_TRUE(std::equal(a.values<float>().begin(), a.values<float>().end(), b.values<float>().begin()));
  EXPECT_THAT(a.values<float>(), Each(::testing::AllOf(::testing::Ge(-1.0F), ::testing::Lt(1.0F))));
  const Tensor ids = random_tensor("ids", DataType::kInt64, {1000}, {-3, 10}, 1);
  EXPECT_THAT(ids.values<int64_t>(), Each(::testing::AllOf(::testing::Ge(-3), ::testing::Lt(10))));
  EXPECT_THAT(ids.values<int64_t>(), ::testing::Contains(-3));
  EXPECT_THAT(ids.values<int64_t>(), ::testing::Contains(9));
}

TEST(RandomTensor, KnowsMasksAndSegments) {
  EXPECT_THAT(random_tensor("attention_mask", DataType::kInt64, {9}, {5, 10}, 1).values<int64_t>(), Each(1));
  EXPECT_THAT(random_tensor("token_type_ids", DataType::kInt32, {9}, {5, 10}, 1).values<int32_t>(), Each(0));
  EXPECT_THAT(random_tensor("mask", DataType::kBool, {9}, {5, 10}, 1).values<bool>(), Each(true));
}

TEST(MakeFeeds, ArchivesAreSetsAndTheRestIsRandom) {
  const std::filesystem::path folder = std::filesystem::path(::testing::TempDir()) / "make_feeds";
  std::filesystem::create_directories(folder);
  const auto ids = [](int64_t length) {
    return std::vector<NamedTensor>{{"input_ids", Tensor::from_values<int64_t>({1, 1}, {length})}};
  };
  save_npz(folder / "a.npz", ids(1));
  save_npz(folder / "b.npz", ids(2));
  save_npy(folder / "mask.npy", Tensor::from_values<int64_t>({1, 1}, {7}));
  FeedFlags flags;
  flags.inputs = {folder.string(), "attention_mask=" + (folder / "mask.npy").string()};
  const std::vector<Feeds> sets = make_feed_sets(flags, bert_inputs());
  ASSERT_EQ(sets.size(), 2U);
  for (size_t k = 0; k < 2; ++k) {
    ASSERT_EQ(sets[k].size(), 3U);
    EXPECT_EQ(sets[k][0].tensor.values<int64_t>()[0], static_cast<int64_t>(k + 1));
    EXPECT_EQ(sets[k][1].tensor.values<int64_t>()[0], 7);
    EXPECT_EQ(sets[k][2].name, "token_type_ids");
  }
  const Feeds merged = make_feeds(flags, bert_inputs());
  ASSERT_EQ(merged.size(), 3U);
  EXPECT_EQ(merged[0].tensor.values<int64_t>()[0], 2);
  flags.inputs = {"images=" + (folder / "mask.npy").string()};
  EXPECT_THAT(error_of([&] { make_feeds(flags, bert_inputs()); }), HasSubstr("no input 'images'"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace attune
