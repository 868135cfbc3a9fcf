// Text tables for the terminal, and the numbers in them. Thread safety: values and pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "attune/tensor.h"

namespace attune {

enum class Align { kLeft, kRight };

struct Column {
  std::string title;
  Align align = Align::kLeft;
  bool can_shrink = false;  ///< Its texts lose their middle when the table would be too wide.
};

/// Rows of text in aligned columns, two spaces apart, under their titles and a rule.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// One text a column; missing ones are empty.
  void add_row(std::vector<std::string> cells);

  /// The lines, each with its newline. Columns that can shrink do so, the widest first, until a line has at most
  /// `width` columns or none is wider than kLeastWidth.
  std::string text(size_t width = 100) const;

  static constexpr size_t kLeastWidth = 12;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// "0 B", "812 B", "1.5 KiB", "1,441.2 MiB": MiB is the largest unit, so that numbers of one table compare.
std::string format_bytes(double bytes);

/// Three significant digits and a unit of a thousand: "950", "25.6 M", "4.09 G".
std::string format_count(double count);

/// Milliseconds with digits that suit: "0.0123", "1.234", "123.4", "12345".
std::string format_ms(double ms);

/// "1x3x224x224"; "scalar" for rank 0.
std::string format_shape(const Shape& shape);

}  // namespace attune
