#include "plan/weight_memory.h"

#include <algorithm>
#include <cstdint>

namespace attune {
namespace {

// Addresses, not memory: what is not touched costs nothing.
constexpr size_t kSlabBytes = size_t{32} << 20;

constexpr size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

}  // namespace

WeightMemory::~WeightMemory() { finish_slab(); }

void WeightMemory::finish_slab() {
  if (slab_ != nullptr) slab_->release_tail(used_);
  slab_ = nullptr;
}

std::shared_ptr<std::byte> WeightMemory::take(size_t bytes) {
  // A process that may have little has no use for slabs.
  const uint64_t limit = memory_limit();
  const bool has_plenty = limit > bytes && limit - bytes > kLargePageBytes + kSlabBytes;
  if (bytes < kMappedBlockBytes || !has_plenty) return allocate_block(bytes);
  if (slab_ == nullptr || slab_->size() - used_ < bytes) {
    finish_slab();
    slab_ = std::make_shared<PageMapping>(std::max(bytes + kLargePageBytes, kSlabBytes));
    const auto address = reinterpret_cast<uintptr_t>(slab_->data());
    used_ = round_up(address, kLargePageBytes) - address;
    advised_ = used_;
  }
  std::byte* piece = slab_->data() + used_;
  used_ += round_up(bytes, 64);
  // Only pages that this piece touches first: the rest of its last page is the next piece's.
  if (used_ > advised_) {
    const size_t begin = advised_;
    advised_ += round_up(used_ - advised_, kLargePageBytes);
    slab_->prefer_large_pages(begin, advised_);
  }
  return {slab_, piece};
}

}  // namespace attune
