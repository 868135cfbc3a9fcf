#include "base/replacement_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>

#include "attune/error.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

class ReplacementFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "attune_replacement_file_XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    target_ = folder_ / "target";
  }
  void TearDown() override { fs::remove_all(folder_); }

  static std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

  static std::string read(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  int64_t files() const { return std::distance(fs::directory_iterator(folder_), fs::directory_iterator()); }

  fs::path folder_;
  fs::path target_;
};

TEST_F(ReplacementFileTest, TakesThePlaceOfItsTarget) {
  std::ofstream(target_) << "before";
  ReplacementFile file(target_);
  file.append(bytes_of("abcd"));
  file.append(bytes_of("ef"));
  file.write_at(1, bytes_of("XY"));
  EXPECT_EQ(file.size(), 6U);
  EXPECT_EQ(read(target_), "before");
  file.keep();
  EXPECT_EQ(read(target_), "aXYdef");
  EXPECT_EQ(files(), 1);
}

TEST_F(ReplacementFileTest, IsForItsOwnerAlone) {
  ReplacementFile file(target_);
  file.keep();
  struct stat status {};
  ASSERT_EQ(::stat(target_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(ReplacementFileTest, LeavesNothingBehindUnlessKept) {
  { ReplacementFile(target_).append(bytes_of("abc")); }
  EXPECT_EQ(files(), 0);
}

TEST_F(ReplacementFileTest, SaysWhatCannotBeWritten) {
  try {
    const ReplacementFile file(folder_ / "missing" / "target");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kRuntimeException);
    EXPECT_NE(error.text().find("missing/target' cannot be written: No such file"), std::string::npos) << error.text();
  }
  fs::create_directory(target_);
  ReplacementFile file(target_);
  EXPECT_THROW(file.keep(), Error);
  EXPECT_TRUE(fs::is_directory(target_));
}

}  // namespace
}  // namespace attune
