// Where packed weights lie: one behind the other in large pages.
//
// A product reads each weight once a run, and the weights of a model are more than the caches of addresses hold: with
// pages of 4 KiB a small batch waited for them a tenth of its time.
#pragma once

#include <cstddef>
#include <memory>

#include "base/memory.h"

namespace attune {

/// Hands out memory that lives as long as anybody holds a piece of the same slab. Thread safety: none.
class WeightMemory {
 public:
  WeightMemory() = default;
  WeightMemory(const WeightMemory&) = delete;
  WeightMemory& operator=(const WeightMemory&) = delete;
  /// Gives back what the last large page holds beyond the last piece: nothing is kept that is not handed out.
  ~WeightMemory();

  /// `bytes` of memory that is not initialised, aligned to 64 bytes, never null. Pieces below kMappedBlockBytes come
  /// from the heap. Throws Error(kRuntimeException) when there is not enough memory.
  std::shared_ptr<std::byte> take(size_t bytes);

 private:
  void finish_slab();

  std::shared_ptr<PageMapping> slab_;
  size_t used_ = 0;     // bytes of the slab
  size_t advised_ = 0;  // up to where large pages have been asked for
};

}  // namespace attune
