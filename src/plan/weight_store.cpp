#include "plan/weight_store.h"

namespace attune {

PackedWeights WeightStore::find_or_pack(const void* key, const Tensor& constant, std::string_view packing,
                                        size_t floats, FunctionRef<void(float*)> fill, Parallel& parallel) {
  PackedWeights& entry = entries_[{key, std::string(packing)}];
  if (entry != nullptr) return entry;
  const size_t bytes = floats * sizeof(float);
  const bool is_stored = storage_.file != nullptr || storage_.writer != nullptr;
  const ContentDigest name = is_stored ? packed_key(constant, files_, packing, floats) : ContentDigest{};
  if (storage_.file != nullptr) entry = storage_.file->find(name, floats, parallel);
  if (entry != nullptr) {
    mapped_bytes_ += bytes;
  } else {
    const std::shared_ptr<std::byte> memory = memory_.take(bytes);
    auto* packed = reinterpret_cast<float*>(memory.get());
    fill(packed);
    entry = PackedWeights(memory, packed);
    if (storage_.writer != nullptr) storage_.writer->add(name, {packed, floats}, parallel);
  }
  bytes_ += bytes;
  return entry;
}

}  // namespace attune
