#include "plan/weight_store.h"

namespace attune {
PackedWeights WeightStore::find_or_pack(const void* key, std::string_view packing, size_t floats,
                                        FunctionRef<void(float*)> fill) {
  PackedWeights& entry = entries_[{key, std::string(packing)}];
  if (entry != nullptr) return entry;
  const size_t bytes = floats * sizeof(float);
  const std::shared_ptr<std::byte> memory = memory_.take(bytes);
  auto* packed = reinterpret_cast<float*>(memory.get());
  fill(packed);
  entry = PackedWeights(memory, packed);
  bytes_ += bytes;
  return entry;
}

}  // namespace attune
