// A file mapped for reading: model files and their external data.
// Thread safety: immutable after opening; `bytes` and `drop_pages` may be called from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace attune {

/// Tells two files, or two states of one file, apart without reading them.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size = 0;
  int64_t modified_ns = 0;  ///< Last modification, nanoseconds since 1970.

  bool operator==(const FileIdentity&) const = default;
};

/// Chooses the words of errors and whether an empty file is one.
enum class FileKind {
  kModel,  ///< onnxruntime's words for a model that cannot be loaded; an empty file is an error.
  kData,   ///< External data and anything else; an empty file gives empty bytes.
};

/// A read-only, private mapping of a whole regular file. Pages are read on first touch, shared with the page cache, and
/// cost this process no memory of its own.
///
/// A file that another process truncates while it is mapped makes the next touch of the lost pages raise SIGBUS: no
/// mapping can be protected from that. Replace model files by rename, which leaves the mapped inode whole.
class FileMapping {
 public:
  /// No file: empty bytes.
  FileMapping() = default;

  /// Throws attune::Error: kNoSuchFile when there is no such file, kInvalidProtobuf for a directory or a special file,
  /// kInvalidArgument for an empty model, kFail when the file cannot be opened or mapped.
  explicit FileMapping(const std::filesystem::path& path, FileKind kind = FileKind::kModel);

  FileMapping(FileMapping&& other) noexcept;
  FileMapping& operator=(FileMapping&& other) noexcept;
  ~FileMapping();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const FileIdentity& identity() const { return identity_; }
  /// Belongs to the process's user or to root, and nobody else may write it.
  bool is_trusted() const { return trusted_; }

  /// Lets go of the pages that lie wholly inside [offset, offset + size), which may reach past the end; the next touch
  /// reads them from the page cache or the disk again. Called when weights have been packed out of the file.
  void drop_pages(size_t offset, size_t size) const noexcept;

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  FileIdentity identity_;
  bool trusted_ = true;
};

}  // namespace attune
