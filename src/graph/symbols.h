// Dimensions that are not known when a model is loaded.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace attune {

/// A dimension is one number: known when >= 0, otherwise a symbol. Equal symbols are equal dimensions, whatever their
/// value turns out to be; kUnknownDim equals nothing, not even itself.
constexpr int64_t kUnknownDim = -1;

constexpr bool is_known(int64_t dim) { return dim >= 0; }
constexpr bool is_symbol(int64_t dim) { return dim < kUnknownDim; }

/// True when both stand for the same number for certain.
constexpr bool same_dim(int64_t a, int64_t b) { return a == b && a != kUnknownDim; }

/// The names of a model's symbolic dimensions: "batch" is the same dimension wherever it appears. Not thread-safe.
class Symbols {
 public:
  /// The dimension that stands for `name`; the same for the same name.
  int64_t named(std::string_view name);
  /// A new dimension without a name: what inference invents for a size that depends on data.
  int64_t fresh();
  /// The name of a symbol; empty for unnamed ones, for known dimensions and for kUnknownDim.
  std::string_view name(int64_t dim) const;

 private:
  std::vector<std::string> names_;
  std::unordered_map<std::string, int64_t> by_name_;
};

}  // namespace attune
