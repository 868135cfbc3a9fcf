#include "ops/op_test.h"

namespace attune {
namespace {

using Strings = std::vector<std::string>;

OpTest tokenizer(int64_t mark, int64_t least) {
  OpTest test("Tokenizer", 1, "com.microsoft");
  test.attribute("mark", mark).attribute("mincharnum", least).attribute("pad_value", std::string("#"));
  return test;
}

TEST(MicrosoftTokenizer, Expressions) {
  tokenizer(0, 1)
      .attribute("tokenexp", std::string("[a-z]+"))
      .input<std::string>({2}, {"the cat, sat", "no"})
      .output<std::string>({2, 3}, {"the", "cat", "sat", "no", "#", "#"})
      .run();
  tokenizer(1, 3)
      .attribute("tokenexp", std::string("[a-z]*"))
      .input<std::string>({1, 2}, {"a cat", ""})
      .output<std::string>({1, 2, 3}, {"\x02", "cat", "\x03", "\x02", "\x03", "#"})
      .run();
}

TEST(MicrosoftTokenizer, Separators) {
  tokenizer(0, 1)
      .attribute("separators", Strings{", *", "-"})
      .input<std::string>({1}, {"a-b,  c,d-"})
      .output<std::string>({1, 4}, {"a", "b", "c", "d"})
      .run();
  tokenizer(0, 1)
      .attribute("separators", Strings{""})
      .input<std::string>({1}, {"aé€"})
      .output<std::string>({1, 3}, {"a", "é", "€"})
      .run();
  tokenizer(1, 1)
      .attribute("separators", Strings{""})
      .input<std::string>({0}, {})
      .output<std::string>({0, 0}, {})
      .run();
}

TEST(MicrosoftTokenizer, Rejects) {
  tokenizer(0, 1).input<std::string>({1}, {"a"}).fails("either separators or tokenexp");
  tokenizer(0, 1).attribute("tokenexp", std::string("(")).input<std::string>({1}, {"a"}).fails("pattern '('");
  tokenizer(0, 0).attribute("tokenexp", std::string("a")).input<std::string>({1}, {"a"}).fails("mincharnum is 0");
  tokenizer(0, 1).attribute("tokenexp", std::string("a")).input<std::string>({}, {"a"}).fails("1 or 2 axes");
}

}  // namespace
}  // namespace attune
