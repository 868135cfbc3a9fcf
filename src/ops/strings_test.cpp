#include "ops/op_test.h"

namespace attune {
namespace {

using Strings = std::vector<std::string>;

TEST(StringConcat, Broadcasts) {
  OpTest("StringConcat", 20)
      .input<std::string>({2}, Strings{"a", "b"})
      .input<std::string>({1}, Strings{".c"})
      .output<std::string>({2}, Strings{"a.c", "b.c"})
      .run();
}

TEST(StringSplit, DelimitersAndSpaces) {
  OpTest("StringSplit", 20)
      .attribute("delimiter", std::string("."))
      .input<std::string>({2}, Strings{"a.b.c", "d"})
      .output<std::string>({2, 3}, Strings{"a", "b", "c", "d", "", ""})
      .output<int64_t>({2}, {3, 1})
      .run();
  OpTest("StringSplit", 20)
      .attribute("maxsplit", int64_t{1})
      .input<std::string>({2}, Strings{" a  b c ", ""})
      .output<std::string>({2, 2}, Strings{"a", "b c ", "", ""})
      .output<int64_t>({2}, {2, 0})
      .run();
  OpTest("StringSplit", 20)
      .input<std::string>({0}, Strings{})
      .output<std::string>({0, 0}, Strings{})
      .output<int64_t>({0}, {})
      .run();
}

TEST(RegexFullMatch, WholeStrings) {
  OpTest("RegexFullMatch", 20)
      .attribute("pattern", std::string("a+b?"))
      .input<std::string>({3}, Strings{"aab", "aabc", ""})
      .output<bool>({3}, {true, false, false})
      .run();
  OpTest("RegexFullMatch", 20)
      .attribute("pattern", std::string("("))
      .input<std::string>({1}, Strings{""})
      .fails("pattern '('");
}

TEST(StringNormalizer, StopwordsAndCase) {
  OpTest("StringNormalizer", 10)
      .attribute("case_change_action", std::string("UPPER"))
      .attribute("stopwords", Strings{"Monday"})
      .input<std::string>({3}, Strings{"monday", "tuesday", "\xC3\xA9t\xC3\xA9"})
      .output<std::string>({2}, Strings{"TUESDAY", "\xC3\x89T\xC3\x89"})
      .run();
  OpTest("StringNormalizer", 10)
      .attribute("is_case_sensitive", int64_t{1})
      .attribute("stopwords", Strings{"monday"})
      .input<std::string>({1, 1}, Strings{"monday"})
      .output<std::string>({1, 1}, Strings{""})
      .run();
  OpTest("StringNormalizer", 10).input<std::string>({2, 1}, Strings{"a", "b"}).fails("[1, C]");
}

}  // namespace
}  // namespace attune
