#include "table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "terminal_text.h"

namespace attune {
namespace {

std::string with_thousands(double value, int digits) {
  std::string text = fmt::format("{:.{}f}", value, digits);
  const size_t first = text.starts_with('-') ? 1 : 0;
  size_t position = std::min(text.find('.'), text.size());
  while (position > first + 3) {
    position -= 3;
    text.insert(position, 1, ',');
  }
  return text;
}

}  // namespace

void Table::add_row(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::text(size_t width) const {
  std::vector<size_t> widths;
  for (size_t column = 0; column < columns_.size(); ++column) {
    size_t most = width_of(columns_[column].title);
    for (const auto& row : rows_) most = std::max(most, width_of(row[column]));
    widths.push_back(most);
  }
  const auto total = [&] { return std::accumulate(widths.begin(), widths.end(), size_t{0}) + 2 * (widths.size() - 1); };
  while (!widths.empty() && total() > width) {
    size_t* widest = nullptr;
    for (size_t column = 0; column < columns_.size(); ++column) {
      if (columns_[column].can_shrink && (widest == nullptr || widths[column] > *widest)) widest = &widths[column];
    }
    if (widest == nullptr || *widest <= kLeastWidth) break;
    --*widest;
  }

  std::string lines;
  const auto add_line = [&](const auto& cell_of) {
    std::string line;
    for (size_t column = 0; column < columns_.size(); ++column) {
      const std::string cell = shorten(cell_of(column), widths[column]);
      const std::string padding(widths[column] - width_of(cell), ' ');
      if (column > 0) line += "  ";
      line += columns_[column].align == Align::kLeft ? cell + padding : padding + cell;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    lines += line + "\n";
  };
  add_line([&](size_t column) { return columns_[column].title; });
  add_line([&](size_t column) { return std::string(widths[column], '-'); });
  for (const auto& row : rows_) {
    add_line([&](size_t column) { return row[column]; });
  }
  return lines;
}

std::string format_bytes(double bytes) {
  const double size = std::abs(bytes);
  if (size < 1024) return fmt::format("{:.0f} B", bytes);
  if (size < 1024 * 1024) return fmt::format("{:.1f} KiB", bytes / 1024);
  return with_thousands(bytes / (1024 * 1024), 1) + " MiB";
}

std::string format_count(double count) {
  constexpr std::array kUnits = {"", " k", " M", " G", " T", " P"};
  size_t unit = 0;
  while (std::abs(count) >= 999.5 && unit + 1 < kUnits.size()) {
    count /= 1000;
    ++unit;
  }
  if (unit == 0) return fmt::format("{:.0f}", count);
  const int digits = std::abs(count) < 9.995 ? 2 : std::abs(count) < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f}{}", count, digits, kUnits[unit]);
}

std::string format_ms(double ms) {
  const double size = std::abs(ms);
  const int digits = size < 0.1 ? 4 : size < 100 ? 3 : size < 1000 ? 1 : 0;
  return fmt::format("{:.{}f}", ms, digits);
}

std::string format_shape(const Shape& shape) {
  if (shape.rank() == 0) return "scalar";
  std::string text;
  for (const int64_t dim : shape) text += fmt::format("{}{}", text.empty() ? "" : "x", dim);
  return text;
}

}  // namespace attune
