#include "base/large_pages.h"

#include <sys/mman.h>

#include <cstdint>

namespace attune {

void prefer_large_pages(std::byte* data, size_t bytes) noexcept {
#ifdef MADV_HUGEPAGE
  const size_t skipped = (kLargePageBytes - reinterpret_cast<uintptr_t>(data) % kLargePageBytes) % kLargePageBytes;
  if (bytes < skipped) return;
  const size_t whole = (bytes - skipped) / kLargePageBytes * kLargePageBytes;
  if (whole > 0) ::madvise(data + skipped, whole, MADV_HUGEPAGE);
#endif
}

}  // namespace attune
