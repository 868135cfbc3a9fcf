#include "graph/symbols.h"

namespace attune {
namespace {

constexpr int64_t kFirstSymbol = -2;  // symbol number k is the dimension kFirstSymbol - k

}  // namespace

int64_t Symbols::named(std::string_view name) {
  const auto [entry, inserted] = by_name_.try_emplace(std::string(name), 0);
  if (inserted) {
    entry->second = kFirstSymbol - static_cast<int64_t>(names_.size());
    names_.emplace_back(name);
  }
  return entry->second;
}

int64_t Symbols::fresh() {
  names_.emplace_back();
  return kFirstSymbol - static_cast<int64_t>(names_.size() - 1);
}

std::string_view Symbols::name(int64_t dim) const {
  return is_symbol(dim) ? std::string_view(names_[static_cast<size_t>(kFirstSymbol - dim)]) : std::string_view();
}

}  // namespace attune
