#include "zip_archive.h"

#include <fmt/format.h>
#include <minizip/unzip.h>
#include <minizip/zip.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <random>
#include <system_error>

#include "attune/error.h"
#include "base/memory.h"

namespace attune {
namespace {

constexpr size_t kLongestName = 65535;      // its length has 16 bits
constexpr size_t kPiece = size_t{1} << 30;  // minizip counts in unsigned
constexpr uint64_t kLargest = 0xFFFFFFFF;   // beyond, sizes need the 64-bit form
constexpr uLong kUtf8Names = 1U << 11U;     // general purpose flag of the zip format
constexpr uLong kVersion20 = 20;            // of the format; what stored members need

// minizip does not open these: an end of the directory, 22 bytes, and nothing before it.
bool is_empty_archive(const std::filesystem::path& path) {
  std::array<char, 23> bytes = {};
  std::ifstream file(path, std::ios::binary);
  file.read(bytes.data(), bytes.size());
  return file.gcount() == 22 && std::string_view(bytes.data(), 4) == "PK\x05\x06";
}

}  // namespace

ZipReader::ZipReader(const std::filesystem::path& path) : path_(path.string()), file_(unzOpen64(path.c_str())) {
  if (file_ == nullptr && !is_empty_archive(path))
    throw Error(ErrorCode::kInvalidArgument, fmt::format("'{}': not a .npz file.", path_));
}

ZipReader::~ZipReader() {
  if (file_ != nullptr) unzClose(file_);
}

bool ZipReader::next() {
  if (file_ == nullptr) return false;
  const int moved = is_open_ ? unzGoToNextFile(file_) : unzGoToFirstFile(file_);
  is_open_ = true;
  if (moved == UNZ_END_OF_LIST_OF_FILE) return false;
  unz_file_info64 info;
  std::vector<char> name(kLongestName + 1);
  if (moved != UNZ_OK ||
      unzGetCurrentFileInfo64(file_, &info, name.data(), name.size(), nullptr, 0, nullptr, 0) != UNZ_OK) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("'{}': the .npz file is damaged.", path_));
  }
  name_ = name.data();
  size_ = info.uncompressed_size;
  return true;
}

std::vector<std::byte> ZipReader::read() {
  check_memory_limit(size_);
  if (unzOpenCurrentFile(file_) != UNZ_OK) refuse("it is damaged, encrypted or compressed in an unknown way.");
  std::vector<std::byte> bytes(size_);
  size_t filled = 0;
  int got = 1;
  while (filled < bytes.size() && got > 0) {
    got = unzReadCurrentFile(file_, bytes.data() + filled, static_cast<unsigned>(std::min(kPiece, size_ - filled)));
    if (got > 0) filled += static_cast<size_t>(got);
  }
  if (unzCloseCurrentFile(file_) != UNZ_OK || filled < bytes.size()) refuse("the array is damaged.");
  return bytes;
}

void ZipReader::refuse(std::string_view what) const {
  throw Error(ErrorCode::kInvalidArgument, fmt::format("'{}' in '{}': {}", name_, path_, what));
}

ZipWriter::ZipWriter(const std::filesystem::path& path) : path_(path), partial_(path) {
  partial_ += fmt::format(".{:08x}", std::random_device()());
  file_ = zipOpen64(partial_.c_str(), APPEND_STATUS_CREATE);
  if (file_ == nullptr) fail();
}

ZipWriter::~ZipWriter() {
  if (file_ == nullptr) return;
  zipClose(file_, nullptr);
  std::error_code ignored;
  std::filesystem::remove(partial_, ignored);
}

void ZipWriter::add(const std::string& name, std::span<const std::byte> head, std::span<const std::byte> rest) {
  zip_fileinfo info = {};
  info.tmz_date.tm_year = 1980;  // the format's first day, so that equal arrays give equal files
  info.tmz_date.tm_mday = 1;
  const bool is_large = head.size() + rest.size() >= kLargest;
  if (zipOpenNewFileInZip4_64(file_, name.c_str(), &info, nullptr, 0, nullptr, 0, nullptr, 0, 0, 0, -MAX_WBITS, 8,
                              Z_DEFAULT_STRATEGY, nullptr, 0, kVersion20, kUtf8Names, is_large ? 1 : 0) != ZIP_OK) {
    fail();
  }
  write(head);
  write(rest);
  if (zipCloseFileInZip(file_) != ZIP_OK) fail();
}

void ZipWriter::write(std::span<const std::byte> bytes) {
  for (; !bytes.empty(); bytes = bytes.subspan(std::min(kPiece, bytes.size()))) {
    if (zipWriteInFileInZip(file_, bytes.data(), static_cast<unsigned>(std::min(kPiece, bytes.size()))) != ZIP_OK) {
      fail();
    }
  }
}

void ZipWriter::finish() {
  const int closed = zipClose(file_, nullptr);
  file_ = nullptr;
  std::error_code failed;
  if (closed == ZIP_OK) std::filesystem::rename(partial_, path_, failed);
  if (closed == ZIP_OK && !failed) return;
  std::error_code ignored;
  std::filesystem::remove(partial_, ignored);
  fail();
}

void ZipWriter::fail() const {
  throw Error(ErrorCode::kRuntimeException,
              fmt::format("'{}' cannot be written: the disk is full, or the folder does not exist or is not ours.",
                          path_.string()));
}

}  // namespace attune
