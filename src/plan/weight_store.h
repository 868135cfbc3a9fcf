// Packed weights, shared by the nodes of a session.
// Thread safety: none while a program is compiled; readers hold their weights by shared pointers.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "base/function_ref.h"
#include "base/parallel.h"
#include "ops/operator.h"
#include "plan/packed_file.h"
#include "plan/weight_memory.h"

namespace attune {

/// One entry for each (initializer, packing): nodes that share a weight share its packed form.
class WeightStore {
 public:
  /// `files` are those of the model. What `storage` has is not packed again, and what is packed is written to it.
  WeightStore(PackedStorage storage, ModelFiles files) : storage_(std::move(storage)), files_(std::move(files)) {}

  /// The entry for `key` (which initializer) and `packing` (which form), made by `fill` when there is none: `floats`
  /// floats, aligned to 64 bytes. `constant` is the initializer's value as the model has it. Throws
  /// Error(kRuntimeException) when there is not enough memory.
  PackedWeights find_or_pack(const void* key, const Tensor& constant, std::string_view packing, size_t floats,
                             FunctionRef<void(float*)> fill, Parallel& parallel);

  /// Bytes of all entries.
  size_t bytes() const { return bytes_; }
  /// Those of them that lie in the mapped file.
  size_t mapped_bytes() const { return mapped_bytes_; }

 private:
  PackedStorage storage_;
  ModelFiles files_;
  WeightMemory memory_;
  std::map<std::pair<const void*, std::string>, PackedWeights> entries_;
  size_t bytes_ = 0;
  size_t mapped_bytes_ = 0;
};

}  // namespace attune
