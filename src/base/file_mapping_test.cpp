#include "base/file_mapping.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <utility>

#include "attune/error.h"
#include "base/memory.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

class FileMappingTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "attune_file_mapping_XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return folder_ / name;
  }

  static Error error_of(const fs::path& path, FileKind kind = FileKind::kModel) {
    try {
      const FileMapping mapping(path, kind);
    } catch (const Error& error) {
      return error;
    }
    ADD_FAILURE() << "no error for " << path;
    return Error(ErrorCode::kFail, "");
  }

  static std::string text_of(const FileMapping& mapping) {
    return {reinterpret_cast<const char*>(mapping.bytes().data()), mapping.bytes().size()};
  }

  fs::path folder_;
};

TEST_F(FileMappingTest, ShowsTheFile) {
  const fs::path path = write("model.onnx", "abc");
  FileMapping mapping(path);
  EXPECT_EQ(text_of(mapping), "abc");
  FileMapping moved = std::move(mapping);
  EXPECT_EQ(text_of(moved), "abc");
  EXPECT_TRUE(mapping.bytes().empty());  // NOLINT(bugprone-use-after-move): that is the point
  moved = FileMapping(write("other", "defg"));
  EXPECT_EQ(text_of(moved), "defg");
  EXPECT_TRUE(FileMapping().bytes().empty());
}

TEST_F(FileMappingTest, IdentityChangesWithTheFile) {
  const fs::path path = write("model.onnx", "abc");
  const FileIdentity first = FileMapping(path).identity();
  EXPECT_EQ(first.size, 3U);
  EXPECT_NE(first.inode, 0U);
  EXPECT_GT(first.modified_ns, 1'500'000'000'000'000'000);
  EXPECT_EQ(FileMapping(path).identity(), first);
  const fs::path replacement = write("new", "abd");
  fs::rename(replacement, path);
  EXPECT_NE(FileMapping(path).identity(), first);
}

TEST_F(FileMappingTest, Errors) {
  const fs::path missing = folder_ / "missing.onnx";
  EXPECT_EQ(error_of(missing).code(), ErrorCode::kNoSuchFile);
  EXPECT_EQ(error_of(missing).text(), "Load model from " + missing.string() + " failed:Load model " + missing.string() +
                                          " failed. File doesn't exist");
  EXPECT_EQ(error_of(missing, FileKind::kData).code(), ErrorCode::kNoSuchFile);
  EXPECT_EQ(error_of(folder_).code(), ErrorCode::kInvalidProtobuf);
  EXPECT_EQ(error_of("/dev/zero").code(), ErrorCode::kInvalidProtobuf);
  EXPECT_EQ(error_of(write("empty", "")).code(), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(FileMapping(folder_ / "empty", FileKind::kData).bytes().empty());
  const fs::path pipe = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(error_of(pipe).code(), ErrorCode::kInvalidProtobuf);  // and does not wait for a writer
  if (::geteuid() != 0) {                                         // root reads everything
    const fs::path secret = write("secret", "abc");
    fs::permissions(secret, fs::perms::none);
    EXPECT_EQ(error_of(secret).code(), ErrorCode::kFail);
  }
}

TEST_F(FileMappingTest, DropsPagesAndReadsThemAgain) {
  const size_t page = page_size();
  std::string text(page * 64 + 100, 'x');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i / page % 20);
  const FileMapping mapping(write("model.onnx", text));
  EXPECT_EQ(text_of(mapping), text);
  const uint64_t before = process_memory().resident;
  mapping.drop_pages(1, page * 60);
  if (before != 0) {
    EXPECT_LT(process_memory().resident, before - page * 40);
  }
  mapping.drop_pages(0, SIZE_MAX);
  mapping.drop_pages(5, 10);
  mapping.drop_pages(text.size() + 5, 10);
  FileMapping().drop_pages(0, 10);
  EXPECT_EQ(text_of(mapping), text);
}

}  // namespace
}  // namespace attune
