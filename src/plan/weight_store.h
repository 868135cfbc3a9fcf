// Packed weights, shared by the nodes of a session.
// Thread safety: none while a program is compiled; readers hold their weights by shared pointers.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "base/function_ref.h"
#include "ops/operator.h"
#include "plan/weight_memory.h"

namespace attune {

/// One entry for each (initializer, packing): nodes that share a weight share its packed form.
class WeightStore {
 public:
  /// The entry for `key` (which initializer) and `packing` (which form), made by `fill` when there is none: `floats`
  /// floats, aligned to 64 bytes. Throws Error(kRuntimeException) when there is not enough memory.
  PackedWeights find_or_pack(const void* key, std::string_view packing, size_t floats, FunctionRef<void(float*)> fill);

  /// Bytes of all entries.
  size_t bytes() const { return bytes_; }

 private:
  WeightMemory memory_;
  std::map<std::pair<const void*, std::string>, PackedWeights> entries_;
  size_t bytes_ = 0;
};

}  // namespace attune
