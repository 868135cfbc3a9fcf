#include "base/replacement_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "attune/error.h"

namespace attune {

ReplacementFile::ReplacementFile(std::filesystem::path target) : target_(std::move(target)) {
  std::string name = target_.native() + ".new-XXXXXX";
  descriptor_ = ::mkostemp(name.data(), O_CLOEXEC);  // mode 0600
  if (descriptor_ < 0) fail(errno);
  path_ = name;
}

ReplacementFile::~ReplacementFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!path_.empty()) ::unlink(path_.c_str());
}

void ReplacementFile::fail(int error) const {
  throw Error(ErrorCode::kRuntimeException,
              fmt::format("'{}' cannot be written: {}.", target_.string(), std::generic_category().message(error)));
}

void ReplacementFile::append(std::span<const std::byte> bytes) {
  const uint64_t offset = size_;
  size_ += bytes.size();
  write_at(offset, bytes);
}

void ReplacementFile::write_at(uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(errno);
    offset += static_cast<uint64_t>(written);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

void ReplacementFile::keep() {
  const int closed = ::close(std::exchange(descriptor_, -1));
  if (closed != 0) fail(errno);
  if (::rename(path_.c_str(), target_.c_str()) != 0) fail(errno);
  path_.clear();
}

}  // namespace attune
