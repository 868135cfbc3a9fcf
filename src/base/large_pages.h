// Large pages: memory that the processor finds with a five-hundredth of the look-ups.
#pragma once

#include <cstddef>

namespace attune {

/// Bytes of a large page, 2 MiB on x86-64; they lie at multiples of that.
constexpr size_t kLargePageBytes = size_t{2} << 20;

/// Asks the operating system to put the whole large pages within [data, data + bytes) behind memory that nobody has
/// touched yet: its first touch then fills 2 MiB at once. Where it does not know them, or has none, nothing happens.
/// Thread-safe.
void prefer_large_pages(std::byte* data, size_t bytes) noexcept;

}  // namespace attune
