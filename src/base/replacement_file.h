// A file that appears whole or not at all.
// Thread safety: one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace attune {

/// Written under a name of its own beside its target, whose place it takes in one step, by rename: who has the target
/// mapped or open keeps what was there. Its owner alone may read and write it (0600).
class ReplacementFile {
 public:
  /// Throws Error(kRuntimeException) saying why the file cannot be made.
  explicit ReplacementFile(std::filesystem::path target);
  ReplacementFile(const ReplacementFile&) = delete;
  ReplacementFile& operator=(const ReplacementFile&) = delete;
  /// Takes the file away again unless it was kept.
  ~ReplacementFile();

  const std::filesystem::path& target() const { return target_; }
  uint64_t size() const { return size_; }

  /// Throws Error(kRuntimeException) when the system refuses, a full disk for instance.
  void append(std::span<const std::byte> bytes);
  /// Overwrites bytes that were appended.
  void write_at(uint64_t offset, std::span<const std::byte> bytes);
  /// Puts the file in the target's place.
  void keep();

 private:
  [[noreturn]] void fail(int error) const;

  std::filesystem::path target_;
  std::filesystem::path path_;
  int descriptor_ = -1;
  uint64_t size_ = 0;
};

}  // namespace attune
