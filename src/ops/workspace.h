// Cutting a run's scratch memory into pieces: the same calls in workspace_bytes() and in run(), so that they agree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace attune::ops {

/// Hands out 64-byte aligned pieces one after the other. Made without memory it only counts: every piece is null.
class WorkspaceCursor {
 public:
  WorkspaceCursor() = default;
  explicit WorkspaceCursor(std::span<std::byte> memory) : memory_(memory.data()) {}

  template <class T = float>
  T* take(int64_t count) {
    std::byte* piece = memory_ == nullptr ? nullptr : memory_ + bytes_;
    bytes_ += (static_cast<size_t>(count) * sizeof(T) + 63) / 64 * 64;
    return reinterpret_cast<T*>(piece);
  }
  /// What has been handed out.
  size_t bytes() const { return bytes_; }

 private:
  std::byte* memory_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace attune::ops
