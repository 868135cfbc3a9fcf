#include "base/file_mapping.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "attune/error.h"
#include "base/memory.h"

namespace attune {
namespace {

// Closes the descriptor however the constructor ends: the mapping does not need it.
struct Descriptor {
  int value;
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
};

[[noreturn]] void throw_system_error(const std::string& name, int error) {
  throw Error(ErrorCode::kFail,
              fmt::format("Load model from {} failed:system error number {} ({})", name, error, std::strerror(error)));
}

}  // namespace

FileMapping::FileMapping(const std::filesystem::path& path, FileKind kind) {
  const std::string& name = path.native();
  // Without O_NONBLOCK, opening a named pipe would wait for its writer.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.value < 0) {
    const int error = errno;
    if (error == ENOENT || error == ENOTDIR) {
      throw Error(ErrorCode::kNoSuchFile,
                  kind == FileKind::kModel
                      ? fmt::format("Load model from {0} failed:Load model {0} failed. File doesn't exist", name)
                      : fmt::format("File doesn't exist: {}", name));
    }
    throw_system_error(name, error);
  }
  struct stat status {};
  if (::fstat(file.value, &status) != 0) throw_system_error(name, errno);
  if (!S_ISREG(status.st_mode)) {
    throw Error(ErrorCode::kInvalidProtobuf,
                fmt::format("Load model from {} failed:{}", name,
                            S_ISDIR(status.st_mode) ? "It is a directory, not a file." : "It is not a regular file."));
  }
  identity_ = {static_cast<uint64_t>(status.st_dev), static_cast<uint64_t>(status.st_ino),
               static_cast<uint64_t>(status.st_size),
               int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec};
  trusted_ = (status.st_uid == ::geteuid() || status.st_uid == 0) && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
  if (status.st_size == 0) {
    if (kind == FileKind::kData) return;
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("Load model from {} failed:No graph was found in the protobuf.", name));
  }
  const auto size = static_cast<size_t>(status.st_size);
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.value, 0);
  if (data == MAP_FAILED) throw_system_error(name, errno);
  data_ = static_cast<const std::byte*>(data);
  size_ = size;
}

FileMapping::FileMapping(FileMapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      identity_(std::exchange(other.identity_, {})),
      trusted_(other.trusted_) {}

FileMapping& FileMapping::operator=(FileMapping&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(identity_, other.identity_);
  std::swap(trusted_, other.trusted_);
  return *this;
}

FileMapping::~FileMapping() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

void FileMapping::drop_pages(size_t offset, size_t size) const noexcept {
  if (offset >= size_) return;
  const size_t page = page_size();
  const bool to_the_end = size >= size_ - offset;
  const size_t begin = (offset + page - 1) / page * page;
  // The page that holds the file's last byte is whole: nothing of the file follows it.
  const size_t end = to_the_end ? size_ : (offset + size) / page * page;
  if (begin >= end) return;
  ::madvise(const_cast<std::byte*>(data_) + begin, end - begin, MADV_DONTNEED);
}

}  // namespace attune
