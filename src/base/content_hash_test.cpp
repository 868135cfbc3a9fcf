#include "base/content_hash.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace attune {
namespace {

std::string hash_of(const std::string& text) { return content_hash(std::as_bytes(std::span(text))); }

TEST(ContentHash, IsWhatXxh128sumPrints) {
  EXPECT_EQ(hash_of(""), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(hash_of("abc"), "06b05ab6733a618578af5f94892f3950");
}

TEST(ContentHash, OfAFileIsThatOfItsBytes) {
  std::string text(size_t{9} << 20, 'a');
  for (size_t k = 0; k < text.size(); k += 4093) text[k] = static_cast<char>('b' + k % 23);
  const std::filesystem::path path = std::filesystem::path(::testing::TempDir()) / "content_hash_test";
  std::ofstream(path, std::ios::binary) << text;
  EXPECT_EQ(content_hash(FileMapping(path)), hash_of(text));
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace attune
