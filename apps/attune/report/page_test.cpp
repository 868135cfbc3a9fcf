#include "report/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "attune/error.h"

namespace attune {
namespace {

using testing::HasSubstr;
using testing::Not;

Page small_page() {
  return {.title = "a <b> & c",
          .body = "<p id=\"x\"></p>\n",
          .script = "draw();\n",
          .data = {{"name", "</script><script>alert(1)"}, {"bytes", "\xff"}}};
}

TEST(Page, HoldsAllItNeeds) {
  const std::string html = render_page(small_page());
  EXPECT_TRUE(html.starts_with("<!doctype html>\n"));
  EXPECT_THAT(html, HasSubstr("<title>a &lt;b&gt; &amp; c</title>"));
  EXPECT_THAT(html, HasSubstr("<p id=\"x\"></p>"));
  EXPECT_THAT(html, HasSubstr("Chart.js v"));
  EXPECT_THAT(html, HasSubstr("prefers-color-scheme: dark"));
  EXPECT_THAT(html, Not(HasSubstr("<script src")));
  EXPECT_THAT(html, Not(HasSubstr("<link")));
}

TEST(Page, TextsOfAModelAreNoMarkup) {
  const std::string html = render_page(small_page());
  EXPECT_THAT(html, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(html, HasSubstr("\\u003c/script>\\u003cscript>alert(1)"));
}

TEST(Page, AFolderThatIsMissingIsNamed) {
  try {
    write_page(small_page(), "/nonexistent/p.html");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.text(), HasSubstr("/nonexistent/p.html"));
  }
}

}  // namespace
}  // namespace attune
