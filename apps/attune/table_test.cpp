#include "table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace attune {
namespace {

TEST(Table, AlignsColumnsUnderTheirTitles) {
  Table table({{"name"}, {"ms", Align::kRight}});
  table.add_row({"a", "1.5"});
  table.add_row({"longer", "12.25"});
  EXPECT_EQ(table.text(),
            "name       ms\n"
            "------  -----\n"
            "a         1.5\n"
            "longer  12.25\n");
}

TEST(Table, MissingCellsAreEmptyAndLinesHaveNoTrailingSpace) {
  Table table({{"a"}, {"b"}});
  table.add_row({"x"});
  EXPECT_EQ(table.text(), "a  b\n-  -\nx\n");
}

TEST(Table, ShrinksOnlyColumnsThatCan) {
  Table table({{"name", Align::kLeft, true}, {"value", Align::kRight}});
  table.add_row({std::string(60, 'n') + "end", std::string(20, '7')});
  std::istringstream lines(table.text(50));
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 50U) << line;
  EXPECT_THAT(table.text(50), ::testing::HasSubstr(std::string(20, '7')));
  EXPECT_THAT(table.text(50), ::testing::HasSubstr("..nnnnnnnnnnend"));
}

TEST(Table, CountsColumnsNotBytes) {
  Table table({{"名"}, {"x"}});
  table.add_row({"名名", "1"});
  EXPECT_EQ(table.text(), "名    x\n----  -\n名名  1\n");
}

TEST(Numbers, HaveUnits) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(1536), "1.5 KiB");
  EXPECT_EQ(format_bytes(-2.0 * 1024 * 1024), "-2.0 MiB");
  EXPECT_EQ(format_bytes(1441.25 * 1024 * 1024), "1,441.2 MiB");
  EXPECT_EQ(format_count(950), "950");
  EXPECT_EQ(format_count(999.9), "1.00 k");
  EXPECT_EQ(format_count(25.6e6), "25.6 M");
  EXPECT_EQ(format_count(4.09e9), "4.09 G");
  EXPECT_EQ(format_ms(0.01234), "0.0123");
  EXPECT_EQ(format_ms(1.23456), "1.235");
  EXPECT_EQ(format_ms(123.456), "123.5");
  EXPECT_EQ(format_ms(12345.6), "12346");
  EXPECT_EQ(format_shape(Shape{1, 3, 224, 224}), "1x3x224x224");
  EXPECT_EQ(format_shape(Shape{}), "scalar");
}

}  // namespace
}  // namespace attune
