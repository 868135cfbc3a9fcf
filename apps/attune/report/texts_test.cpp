#include "report/texts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "attune/error.h"

namespace attune {
namespace {

std::multiset<std::string> names_in(const std::string& text) {
  static const std::regex kName(R"(\{\w+\})");
  std::multiset<std::string> names;
  for (auto match = std::sregex_iterator(text.begin(), text.end(), kName); match != std::sregex_iterator(); ++match) {
    names.insert(match->str());
  }
  return names;
}

TEST(Texts, AllLanguagesSayTheSameThings) {
  const Texts english("en");
  for (const std::string& language : Texts::languages()) {
    const Texts other(language);
    EXPECT_EQ(other.table().size(), english.table().size()) << language;
    for (const auto& [key, text] : english.table().items()) {
      ASSERT_TRUE(other.table().contains(key)) << language << " lacks " << key;
      EXPECT_EQ(names_in(other.table()[key]), names_in(text)) << language << ": " << key;
    }
  }
}

TEST(Texts, ChineseHasNoEnglishSentences) {
  const Texts chinese("zh");
  static const std::regex kEnglish(R"(\b(the|is|of|and|than|was)\b)");
  for (const auto& [key, text] : chinese.table().items()) {
    EXPECT_FALSE(std::regex_search(text.get<std::string>(), kEnglish)) << key << ": " << text;
  }
}

TEST(Texts, NamesAreFilledIn) {
  EXPECT_EQ(Texts("en").say("measured", {{"trials", "3"}, {"used", "{5}"}}), "3 processes in {5} s");
  EXPECT_EQ(Texts("zh").say("measured", {{"trials", "3"}, {"used", "5"}}), "3 个进程，用时 5 秒");
}

TEST(Texts, AnUnknownLanguageIsAnErrorThatListsThem) {
  try {
    Texts("xx");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.text(), testing::HasSubstr("'xx'; these languages there are: en, zh."));
  }
}

}  // namespace
}  // namespace attune
