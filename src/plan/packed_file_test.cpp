#include "plan/packed_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <numeric>
#include <string>
#include <vector>

#include "attune/error.h"
#include "kernels/simd.h"

namespace attune {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class PackedFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "attune_packed_file_XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    path_ = folder_ / "model.packed";
    write(folder_ / "model.onnx", std::string(10000, 'm'));
    files_ = open_model();
  }
  void TearDown() override { fs::remove_all(folder_); }

  static void write(const fs::path& path, const std::string& text) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
  }
  static std::string read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  ModelFiles open_model() const { return {std::make_shared<FileMapping>(folder_ / "model.onnx")}; }

  static std::vector<float> numbers(size_t count, float first) {
    std::vector<float> floats(count);
    std::iota(floats.begin(), floats.end(), first);
    return floats;
  }

  /// Two sections, one of them larger than what is checked at once.
  void write_packed() {
    PackedFileWriter writer(path_);
    writer.add({2, 0}, small_, parallel_);
    writer.add({1, 7}, large_, parallel_);
    writer.add({2, 0}, large_, parallel_);  // is there already
    EXPECT_EQ(writer.weights(), 2U);
    writer.finish(files_);
  }

  /// Why the file is not taken; "" when it is.
  std::string refusal() const { return refusal(files_); }
  std::string refusal(const ModelFiles& files) const {
    try {
      PackedFile::open(path_, files);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kFail);
      return error.text();
    }
    return "";
  }

  void expect_section(const PackedFile& file, const ContentDigest& key, const std::vector<float>& expected) {
    const PackedWeights found = file.find(key, expected.size(), parallel_);
    ASSERT_NE(found, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(found.get()) % 64, 0U);
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), found.get()));
  }

  fs::path folder_;
  fs::path path_;
  ModelFiles files_;
  std::vector<float> small_ = numbers(5, 1.0F);
  std::vector<float> large_ = numbers(700'000, -3.0F);
  SerialParallel parallel_;
};

TEST_F(PackedFileTest, GivesBackWhatWasWritten) {
  write_packed();
  const auto file = PackedFile::open(path_, files_);
  EXPECT_EQ(file->weights(), 2U);
  expect_section(*file, {2, 0}, small_);
  expect_section(*file, {1, 7}, large_);
  EXPECT_EQ(file->find({3, 0}, 5, parallel_), nullptr);
  EXPECT_EQ(file->find({2, 0}, 6, parallel_), nullptr) << "another size is another form";
}

TEST_F(PackedFileTest, StaysMappedAsLongAsItsWeightsAreUsed) {
  write_packed();
  PackedWeights weights = PackedFile::open(path_, files_)->find({2, 0}, 5, parallel_);
  fs::remove(path_);
  EXPECT_EQ(weights.get()[4], 5.0F);
}

TEST_F(PackedFileTest, MayBeEmpty) {
  PackedFileWriter(path_).finish(files_);
  EXPECT_EQ(PackedFile::open(path_, files_)->find({1, 1}, 1, parallel_), nullptr);
}

TEST_F(PackedFileTest, RefusesDamageAnywhereInHeaderAndTail) {
  PackedFileWriter writer(path_);
  writer.add({2, 0}, small_, parallel_);
  writer.finish(files_);
  const std::string good = read(path_);
  const size_t tail = good.size() - 48 - 48 - (packing_engine().size() + 7) / 8 * 8;
  ASSERT_EQ(tail % 64, 0U);
  for (size_t i = 0; i < good.size(); ++i) {
    if (i == 64) i = tail;
    for (const int flip : {1, 128, 255}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ flip);
      write(path_, bad);
      ASSERT_NE(refusal(), "") << "byte " << i << " of " << good.size();
    }
  }
  write(path_, good);
  EXPECT_EQ(refusal(), "");
}

TEST_F(PackedFileTest, RefusesEveryTruncation) {
  PackedFileWriter writer(path_);
  writer.add({2, 0}, small_, parallel_);
  writer.finish(files_);
  const std::string good = read(path_);
  for (size_t size = 0; size < good.size(); ++size) {
    write(path_, good.substr(0, size));
    ASSERT_NE(refusal(), "") << size;
  }
  write(path_, good + std::string(48, '\0'));
  EXPECT_THAT(refusal(), HasSubstr("size"));
}

TEST_F(PackedFileTest, KnowsWeightsThatAreDamaged) {
  write_packed();
  const std::string good = read(path_);
  for (const size_t place : {size_t{64}, size_t{64 + 19}, size_t{128}, size_t{128 + 4 * 700'000 - 1}}) {
    std::string bad = good;
    bad[place] = static_cast<char>(bad[place] ^ 1);
    write(path_, bad);
    const auto file = PackedFile::open(path_, files_);
    const bool in_small = place < 128;
    EXPECT_EQ(file->find({2, 0}, small_.size(), parallel_) == nullptr, in_small) << place;
    EXPECT_EQ(file->find({1, 7}, large_.size(), parallel_) == nullptr, !in_small) << place;
  }
}

/// A table that points outside, with a digest that is right: what a hostile writer makes.
TEST_F(PackedFileTest, RefusesSectionsOutsideOfItself) {
  write_packed();
  const std::string good = read(path_);
  const size_t table = good.size() - 2 * 48;
  const auto with = [&](size_t offset, uint64_t value) {
    std::string bad = good;
    std::copy_n(reinterpret_cast<const char*>(&value), 8, bad.begin() + static_cast<ptrdiff_t>(offset));
    std::fill_n(bad.begin() + 40, 16, '\0');
    const size_t tail = table - 48 - (packing_engine().size() + 7) / 8 * 8;
    const std::string signed_part = bad.substr(0, 64) + bad.substr(tail);
    const ContentDigest digest = content_digest(std::as_bytes(std::span(signed_part)));
    std::copy_n(reinterpret_cast<const char*>(&digest), 16, bad.begin() + 40);
    write(path_, bad);
    return refusal();
  };
  EXPECT_EQ(with(table + 16, 128), "") << "the value that stands there: the test knows the form";
  for (const uint64_t offset :
       {0UL, 32UL, 129UL, uint64_t{good.size()}, uint64_t{1} << 63, ~uint64_t{0}, ~uint64_t{63}}) {
    EXPECT_THAT(with(table + 16, offset), HasSubstr("table")) << offset;
  }
  for (const uint64_t floats : {uint64_t{good.size() / 4}, uint64_t{1} << 62, (uint64_t{1} << 62) + 5, ~uint64_t{0}}) {
    EXPECT_THAT(with(table + 24, floats), HasSubstr("table")) << floats;
  }
  EXPECT_THAT(with(table, 9), HasSubstr("table")) << "not in order";
  EXPECT_NE(with(24, ~uint64_t{0} - 63), "") << "the tail's offset";
  EXPECT_NE(with(24, 64), "");
  EXPECT_NE(with(16, ~uint64_t{0}), "") << "the counts of sources and sections";
  EXPECT_NE(with(8, 1 | uint64_t{0xFFFFFFFF} << 32), "") << "the length of the engine's text";
}

TEST_F(PackedFileTest, RefusesWhatIsNoSuchFile) {
  EXPECT_EQ(refusal(), "does not exist");
  write(path_, "");
  EXPECT_THAT(refusal(), HasSubstr("no file of packed weights"));
  write(path_, read(folder_ / "model.onnx"));
  EXPECT_THAT(refusal(), HasSubstr("no file of packed weights"));
  fs::remove(path_);
  fs::create_directory(path_);
  EXPECT_THAT(refusal(), HasSubstr("cannot be opened"));
}

TEST_F(PackedFileTest, RefusesWhatOthersMayWrite) {
  write_packed();
  for (const mode_t mode : {0620U, 0602U, 0666U}) {
    ASSERT_EQ(::chmod(path_.c_str(), mode), 0);
    EXPECT_THAT(refusal(), HasSubstr("others may write")) << mode;
  }
  ASSERT_EQ(::chmod(path_.c_str(), 0644), 0);
  EXPECT_EQ(refusal(), "");
}

TEST_F(PackedFileTest, RefusesAnotherModel) {
  write_packed();
  const fs::path model = folder_ / "model.onnx";
  const auto time = fs::last_write_time(model);
  write(model, std::string(10001, 'm'));
  fs::last_write_time(model, time);
  EXPECT_THAT(refusal(open_model()), HasSubstr("another model"));
  std::string other(10000, 'm');
  other[5000] = 'n';
  write(model, other);
  fs::last_write_time(model, time);
  EXPECT_THAT(refusal(open_model()), HasSubstr("another model"));
  EXPECT_THAT(refusal({}), HasSubstr("another model"));
  EXPECT_THAT(refusal({files_[0], files_[0]}), HasSubstr("another model"));
}

TEST_F(PackedFileTest, ComparesContentsWhereTheTimeDiffers) {
  const fs::path model = folder_ / "model.onnx";
  std::string contents(5 << 20, 'm');
  write(model, contents);
  files_ = open_model();
  write_packed();
  fs::last_write_time(model, fs::last_write_time(model) + std::chrono::seconds(5));
  EXPECT_EQ(refusal(open_model()), "") << "the same bytes at another time: a copy";
  contents[100'000] = 'n';  // between two samples
  write(model, contents);
  EXPECT_THAT(refusal(open_model()), HasSubstr("another state of the model"));
}

TEST_F(PackedFileTest, RefusesAnotherInstructionSet) {
  write_packed();
  const auto targets = kernels::supported_targets();
  for (const kernels::Target target : targets) {
    kernels::force_target(target);
    EXPECT_EQ(refusal() == "", target == targets.front()) << kernels::target_name();
  }
  kernels::unforce_target();
}

TEST_F(PackedFileTest, KeysSayWhatAWeightIsMadeOf) {
  const std::byte* data = files_[0]->bytes().data();
  const auto view = [&](size_t offset, const Shape& shape, DataType type = DataType::kFloat) {
    return Tensor::view(type, shape, const_cast<std::byte*>(data) + offset);
  };
  const ContentDigest key = packed_key(view(0, {4, 2}), files_, "product", 8);
  EXPECT_EQ(key, packed_key(view(0, {4, 2}), files_, "product", 8));
  EXPECT_NE(key, packed_key(view(0, {2, 4}), files_, "product", 8));
  EXPECT_NE(key, packed_key(view(4, {4, 2}), files_, "product", 8)) << "another place, though the same bytes";
  EXPECT_NE(key, packed_key(view(0, {4, 2}, DataType::kInt32), files_, "product", 8));
  EXPECT_NE(key, packed_key(view(0, {4, 2}), files_, "product/transposed", 8));
  EXPECT_NE(key, packed_key(view(0, {4, 2}), files_, "product", 16));
  const auto computed = [](float last) { return Tensor::from_values<float>({2}, {1.0F, last}); };
  EXPECT_EQ(packed_key(computed(2), files_, "f", 2), packed_key(computed(2), files_, "f", 2));
  EXPECT_NE(packed_key(computed(2), files_, "f", 2), packed_key(computed(3), files_, "f", 2));
}

}  // namespace
}  // namespace attune
