#include "plan/weight_store.h"

#include <fmt/format.h>

#include <new>

#include "attune/error.h"

namespace attune {
namespace {

constexpr std::align_val_t kAlignment{64};

}  // namespace

PackedWeights WeightStore::find_or_pack(const void* key, std::string_view packing, size_t floats,
                                        FunctionRef<void(float*)> fill) {
  PackedWeights& entry = entries_[{key, std::string(packing)}];
  if (entry != nullptr) return entry;
  const size_t bytes = floats * sizeof(float);
  auto* memory = static_cast<float*>(::operator new(bytes, kAlignment, std::nothrow));
  if (memory == nullptr) {
    throw Error(ErrorCode::kRuntimeException, fmt::format("Failed to allocate {} bytes for packed weights.", bytes));
  }
  entry = PackedWeights(memory, [](const float* block) { ::operator delete(const_cast<float*>(block), kAlignment); });
  fill(memory);
  bytes_ += bytes;
  return entry;
}

}  // namespace attune
