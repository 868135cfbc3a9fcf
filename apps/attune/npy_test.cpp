#include "npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <minizip/zip.h>

#include <fstream>

#include "attune/error.h"
#include "tensor/float16.h"

namespace attune {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class NpyTest : public ::testing::Test {
 protected:
  NpyTest() {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::path(::testing::TempDir()) / ("npy_" + std::string(test->name()));
    std::filesystem::create_directories(folder_);
  }
  ~NpyTest() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
};

// Version 1.0 of the format with the given dictionary and elements.
std::string make_bytes(const std::string& dictionary, const std::string& data) {
  std::string bytes = "\x93NUMPY";
  bytes += '\x01';
  bytes += '\0';
  bytes += static_cast<char>(dictionary.size());
  bytes += '\0';
  return bytes + dictionary + data;
}

Tensor parse(const std::string& bytes) { return parse_npy(std::as_bytes(std::span(bytes)), "x.npy"); }

std::string error_of(const std::string& bytes) {
  try {
    parse(bytes);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.text();
  }
  return "no error";
}

TEST_F(NpyTest, GivesBackWhatWasSaved) {
  const auto path = folder_ / "x.npy";
  save_npy(path, Tensor::from_values<float>({2, 3}, {1, 2, 3, 4, 5, 6.5F}));
  EXPECT_EQ(std::filesystem::file_size(path), 128U + 24U);
  const Tensor loaded = load_npy(path);
  EXPECT_EQ(loaded.shape(), (Shape{2, 3}));
  EXPECT_THAT(loaded.values<float>(), ElementsAre(1, 2, 3, 4, 5, 6.5F));

  save_npy(path, Tensor::scalar<int64_t>(-7));
  EXPECT_EQ(load_npy(path).shape().rank(), 0);
  EXPECT_EQ(load_npy(path).values<int64_t>()[0], -7);
  save_npy(path, Tensor::from_values<bool>({3}, {true, false, true}));
  EXPECT_THAT(load_npy(path).values<bool>(), ElementsAre(true, false, true));
  save_npy(path, Tensor::allocate(DataType::kFloat16, {0, 4}));
  EXPECT_EQ(load_npy(path).type(), DataType::kFloat16);
  EXPECT_EQ(load_npy(path).shape(), (Shape{0, 4}));
  save_npy(path, Tensor::from_values<std::string>({3}, {"a", "", "häß語𝄞"}));
  EXPECT_THAT(load_npy(path).values<std::string>(), ElementsAre("a", "", "häß語𝄞"));
}

TEST_F(NpyTest, ReadsOtherOrders) {
  const Tensor big =
      parse(make_bytes("{'descr': '>i2', 'fortran_order': False, 'shape': (2,), }\n", {"\x01\x02\x00\x03", 4}));
  EXPECT_THAT(big.values<int16_t>(), ElementsAre(0x0102, 3));
  const Tensor columns = parse(
      make_bytes("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }\n", {"\x01\x04\x02\x05\x03\x06", 6}));
  EXPECT_THAT(columns.values<uint8_t>(), ElementsAre(1, 2, 3, 4, 5, 6));
  const Tensor bytes = parse(make_bytes("{'descr': '|S3', 'fortran_order': False, 'shape': (2,), }\n", {"ab\0xyz", 6}));
  EXPECT_THAT(bytes.values<std::string>(), ElementsAre("ab", "xyz"));
}

TEST_F(NpyTest, RefusesWhatIsNoArray) {
  EXPECT_THAT(error_of("hello, this is text"), HasSubstr("not a NumPy array"));
  EXPECT_THAT(error_of(make_bytes("{'descr': '<f4', 'shape': (2,), }\n", "12345678")), HasSubstr("incomplete"));
  EXPECT_THAT(error_of(make_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }\n", "12345678")),
              HasSubstr("cut off"));
  EXPECT_THAT(error_of(make_bytes("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n", "12345678")),
              HasSubstr("'|O' are not supported"));
  EXPECT_THAT(error_of(make_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }\n", "12345678")),
              HasSubstr("shape is damaged"));
  EXPECT_THAT(error_of(make_bytes("{'descr': '<f4', 'fortran_order': False, "
                                  "'shape': (4611686018427387904, 4611686018427387904), }\n",
                                  "12345678")),
              HasSubstr("x.npy"));
  EXPECT_THAT(error_of(make_bytes("{'descr': '<f4", "")), HasSubstr("damaged"));
}

TEST_F(NpyTest, EveryCutIsAnErrorNotACrash) {
  const std::string whole = make_bytes("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", "12345678");
  ASSERT_EQ(parse(whole).elements(), 2);
  for (size_t size = 0; size < whole.size(); ++size) EXPECT_NE(error_of(whole.substr(0, size)), "no error") << size;
}

TEST_F(NpyTest, ArchivesGiveBackWhatWasSaved) {
  const auto path = folder_ / "x.npz";
  const std::vector<NamedTensor> saved = {{"a/b", Tensor::from_values<float>({2}, {1, 2})},
                                          {"ids", Tensor::from_values<int64_t>({1, 1}, {5})},
                                          {"empty", Tensor::allocate(DataType::kFloat, {0})}};
  save_npz(path, saved);
  const std::vector<NamedTensor> loaded = load_npz(path);
  ASSERT_EQ(loaded.size(), 3U);
  EXPECT_EQ(loaded[0].name, "a/b");
  EXPECT_THAT(loaded[0].tensor.values<float>(), ElementsAre(1, 2));
  EXPECT_EQ(loaded[1].name, "ids");
  EXPECT_EQ(loaded[1].tensor.shape(), (Shape{1, 1}));
  EXPECT_EQ(loaded[2].tensor.shape(), (Shape{0}));
}

TEST_F(NpyTest, ReadsDeflatedArchives) {
  const auto path = folder_ / "x.npz";
  const std::string zeros =
      make_bytes("{'descr': '|u1', 'fortran_order': False, 'shape': (1000,), }\n", std::string(1000, '\0'));
  void* archive = zipOpen64(path.c_str(), APPEND_STATUS_CREATE);
  ASSERT_NE(archive, nullptr);
  ASSERT_EQ(zipOpenNewFileInZip(archive, "x.npy", nullptr, nullptr, 0, nullptr, 0, nullptr, Z_DEFLATED, 9), ZIP_OK);
  ASSERT_EQ(zipWriteInFileInZip(archive, zeros.data(), static_cast<unsigned>(zeros.size())), ZIP_OK);
  ASSERT_EQ(zipCloseFileInZip(archive), ZIP_OK);
  ASSERT_EQ(zipClose(archive, nullptr), ZIP_OK);
  ASSERT_LT(std::filesystem::file_size(path), 500U);
  EXPECT_EQ(load_npz(path).at(0).tensor.elements(), 1000);
}

TEST_F(NpyTest, AnArchiveMayBeEmptyOrCutOff) {
  const auto path = folder_ / "x.npz";
  save_npz(path, {});
  EXPECT_TRUE(load_npz(path).empty());
  save_npz(path, std::vector<NamedTensor>{{"x", Tensor::from_values<float>({100}, std::vector<float>(100, 1))}});
  EXPECT_EQ(load_npz(path).size(), 1U);
  std::filesystem::resize_file(path, 200);
  EXPECT_THROW(load_npz(path), Error);
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    EXPECT_EQ(entry.path().filename().string().find("x.npz."), std::string::npos);  // nothing half-written is left
  }
}

TEST_F(NpyTest, FilesThatAreMissingOrBrokenAreNamed) {
  const auto code_of = [](auto&& call) {
    try {
      call();
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode{};
  };
  EXPECT_EQ(code_of([&] { load_npy(folder_ / "none.npy"); }), ErrorCode::kNoSuchFile);
  EXPECT_EQ(code_of([&] { load_npz(folder_ / "none.npz"); }), ErrorCode::kNoSuchFile);
  std::ofstream(folder_ / "text.npz") << "this is no archive";
  EXPECT_EQ(code_of([&] { load_npz(folder_ / "text.npz"); }), ErrorCode::kInvalidArgument);
  const std::vector<NamedTensor> one = {{"a", Tensor::scalar(1.0F)}};
  EXPECT_EQ(code_of([&] { save_npz(folder_ / "no" / "such" / "x.npz", one); }), ErrorCode::kRuntimeException);
  EXPECT_EQ(code_of([&] { save_npy(folder_ / "no" / "x.npy", one[0].tensor); }), ErrorCode::kRuntimeException);
}

}  // namespace
}  // namespace attune
