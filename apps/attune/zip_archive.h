// Zip files, as far as .npz needs them. Thread safety: none.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace attune {

/// The members of a zip file, stored or deflated, one after another. Throws Error(kInvalidArgument), naming the file,
/// for what is no zip file or is damaged, and kRuntimeException for a member beyond the machine's memory.
class ZipReader {
 public:
  explicit ZipReader(const std::filesystem::path& path);
  ~ZipReader();
  ZipReader(const ZipReader&) = delete;
  ZipReader& operator=(const ZipReader&) = delete;

  /// Moves to the next member, the first one at first; false behind the last.
  bool next();
  const std::string& name() const { return name_; }
  /// The contents, checked against their checksum.
  std::vector<std::byte> read();

 private:
  [[noreturn]] void refuse(std::string_view what) const;

  std::string path_;
  void* file_;
  bool is_open_ = false;
  std::string name_;
  size_t size_ = 0;
};

/// A new zip file of stored members. It is written beside its place and takes that by finish(), so that a reader never
/// sees half a file; without finish() it is removed. Throws Error(kRuntimeException) when that cannot be done.
class ZipWriter {
 public:
  explicit ZipWriter(const std::filesystem::path& path);
  ~ZipWriter();
  ZipWriter(const ZipWriter&) = delete;
  ZipWriter& operator=(const ZipWriter&) = delete;

  /// A member of both parts, one behind the other.
  void add(const std::string& name, std::span<const std::byte> head, std::span<const std::byte> rest);
  void finish();

 private:
  void write(std::span<const std::byte> bytes);
  [[noreturn]] void fail() const;

  std::filesystem::path path_;
  std::filesystem::path partial_;
  void* file_;
};

}  // namespace attune
