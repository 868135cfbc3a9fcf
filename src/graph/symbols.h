// Dimensions that are not known when a model is loaded.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace attune {

/// A dimension is one number: known when >= 0, otherwise a symbol. Equal symbols are equal dimensions, whatever their
/// value turns out to be; kUnknownDim equals nothing, not even itself.
constexpr int64_t kUnknownDim = -1;

constexpr bool is_known(int64_t dim) { return dim >= 0; }
constexpr bool is_symbol(int64_t dim) { return dim < kUnknownDim; }

/// True when both stand for the same number for certain.
constexpr bool same_dim(int64_t a, int64_t b) { return a == b && a != kUnknownDim; }

/// A model's symbolic dimensions. Names are labels alone: exporters write "?" or "N" for dimensions that differ, and
/// onnxruntime accepts feeds that break such equalities, so nothing may be proved from a name. Not thread-safe.
class Symbols {
 public:
  /// A new dimension, equal to no other.
  int64_t fresh(std::string_view name = {}) {
    names_.emplace_back(name);
    return kFirst - static_cast<int64_t>(names_.size() - 1);
  }
  /// floor((dim + add) / divide), divide >= 1: what a sliding window makes of the symbol `dim`. The same arguments give
  /// the same dimension, and so does another chain of windows that comes to the same: a stride of 2 twice is one of 4.
  int64_t derived(int64_t dim, int64_t add, int64_t divide);
  /// The label of a symbol; empty for unnamed ones, for known dimensions and for kUnknownDim.
  std::string_view name(int64_t dim) const {
    return is_symbol(dim) ? std::string_view(names_[static_cast<size_t>(kFirst - dim)]) : std::string_view();
  }

 private:
  static constexpr int64_t kFirst = kUnknownDim - 1;  // symbol number k is the dimension kFirst - k
  /// floor((base + add) / divide), the base not being derived itself.
  struct Derivation {
    int64_t base;
    int64_t add;
    int64_t divide;
    auto operator<=>(const Derivation&) const = default;
  };
  std::vector<std::string> names_;
  std::map<Derivation, int64_t> derived_;
  std::map<int64_t, Derivation> derivations_;  // the inverse
};

}  // namespace attune
