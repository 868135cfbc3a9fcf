#include "terminal_text.h"

#include <gtest/gtest.h>

namespace attune {
namespace {

TEST(TerminalText, ChineseCharactersTakeTwoColumns) {
  EXPECT_EQ(width_of("abc"), 3U);
  EXPECT_EQ(width_of("äöü"), 3U);
  EXPECT_EQ(width_of("内存 MiB"), 8U);
  EXPECT_EQ(width_of("\xff\xfe"), 2U);  // no UTF-8
}

TEST(TerminalText, ShortenKeepsBothEnds) {
  EXPECT_EQ(shorten("abcdefghij", 10), "abcdefghij");
  EXPECT_EQ(shorten("abcdefghij", 7), "abc..ij");
  EXPECT_EQ(shorten("äöüäöüäöü", 6), "äö..öü");
  EXPECT_EQ(shorten("abc", 2), "ab");
  EXPECT_EQ(shorten("一二三四五六", 10), "一二..五六");
  EXPECT_EQ(shorten("一二三四五六", 9), "一二..六");
}

TEST(TerminalText, WrapBreaksBetweenWords) {
  EXPECT_EQ(wrap("aa bb  cc", 5), "aa bb\ncc");
  EXPECT_EQ(wrap("longer than", 4), "longer\nthan");
  EXPECT_EQ(wrap("", 4), "");
}

TEST(TerminalText, WrapBreaksBetweenChineseCharacters) {
  EXPECT_EQ(wrap("保留默认设置", 8), "保留默认\n设置");
  EXPECT_EQ(wrap("保留默认，设置", 8), "保留默\n认，设置");  // no line begins with a comma
  EXPECT_EQ(wrap("设置（a=1）好", 6), "设置\n（a=1）\n好");
  EXPECT_EQ(wrap("设 12.5 ms", 4), "设\n12.5\nms");
}

}  // namespace
}  // namespace attune
