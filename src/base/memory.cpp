#include "base/memory.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <string>
#include <utility>

#include "attune/error.h"
#include "base/cgroup.h"

namespace attune {
namespace {

[[noreturn]] void throw_no_memory(uint64_t bytes) {
  const uint64_t limit = memory_limit();
  const std::string available =
      limit == std::numeric_limits<uint64_t>::max() ? "an unknown amount" : fmt::format("{} bytes", limit);
  throw Error(ErrorCode::kRuntimeException,
              fmt::format("Failed to allocate memory for requested buffer of size {}: this process can have {}", bytes,
                          available));
}

size_t round_to_pages(size_t bytes) {
  const size_t page = page_size();
  if (bytes > std::numeric_limits<size_t>::max() - page) throw_no_memory(bytes);
  return (bytes + page - 1) / page * page;
}

[[noreturn]] void throw_overflow(int64_t a, int64_t b, const char* sign, std::string_view what) {
  throw Error(ErrorCode::kInvalidArgument, fmt::format("{} is not a valid size: {} {} {}", what, a, sign, b));
}

}  // namespace

size_t page_size() {
  static const size_t size = [] {
    const long answer = ::sysconf(_SC_PAGESIZE);
    return answer > 0 ? static_cast<size_t>(answer) : size_t{4096};
  }();
  return size;
}

PageMapping::PageMapping(size_t bytes) {
  if (bytes == 0) return;
  check_memory_limit(bytes);
  const size_t size = round_to_pages(bytes);
  void* data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) throw_no_memory(bytes);
  data_ = static_cast<std::byte*>(data);
  size_ = size;
}

PageMapping::PageMapping(PageMapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

PageMapping& PageMapping::operator=(PageMapping&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

PageMapping::~PageMapping() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

void PageMapping::grow(size_t bytes) {
  if (bytes <= size_) return;
  if (data_ == nullptr) {
    *this = PageMapping(bytes);
    return;
  }
#ifdef __SANITIZE_THREAD__
  // It does not follow mremap, and takes an address that is used again for a race.
  PageMapping copy(bytes);
  std::memcpy(copy.data_, data_, size_);
  *this = std::move(copy);
#else
  check_memory_limit(bytes);
  const size_t size = round_to_pages(bytes);
  void* data = ::mremap(data_, size_, size, MREMAP_MAYMOVE);
  if (data == MAP_FAILED) throw_no_memory(bytes);
  data_ = static_cast<std::byte*>(data);
  size_ = size;
#endif
}

void PageMapping::prefer_large_pages([[maybe_unused]] size_t begin, [[maybe_unused]] size_t end) noexcept {
#ifdef MADV_HUGEPAGE
  end = std::min(end, size_);
  if (begin < end) ::madvise(data_ + begin, end - begin, MADV_HUGEPAGE);
#endif
}

void PageMapping::release_tail(size_t offset) noexcept {
  const size_t page = page_size();
  if (offset >= size_) return;
  const size_t begin = (offset + page - 1) / page * page;
  if (begin < size_) ::madvise(data_ + begin, size_ - begin, MADV_DONTNEED);
}

std::shared_ptr<std::byte> allocate_block(size_t bytes) {
  constexpr std::align_val_t kAlignment{64};
  if (bytes >= kMappedBlockBytes) {
    auto mapping = std::make_shared<PageMapping>(bytes);
    return {mapping, mapping->data()};
  }
  auto* memory = static_cast<std::byte*>(::operator new(std::max<size_t>(bytes, 1), kAlignment, std::nothrow));
  if (memory == nullptr) {
    throw Error(ErrorCode::kRuntimeException, fmt::format("Failed to allocate {} bytes.", bytes));
  }
  return {memory, [](std::byte* block) { ::operator delete(block, kAlignment); }};
}

uint64_t physical_memory() {
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  return pages > 0 ? static_cast<uint64_t>(pages) * page_size() : 0;
}

uint64_t memory_limit() {
  static const uint64_t limit = [] {
    uint64_t bytes = std::numeric_limits<uint64_t>::max();
    if (const uint64_t machine = physical_memory(); machine > 0) bytes = machine;
    if (const auto group = cgroup_memory_limit()) bytes = std::min(bytes, *group);
    return bytes;
  }();
  return limit;
}

void check_memory_limit(uint64_t bytes) {
  if (bytes > memory_limit()) throw_no_memory(bytes);
}

ProcessMemory process_memory(const std::filesystem::path& root) {
  ProcessMemory memory;
  std::ifstream status(root / "proc/self/status");
  for (std::string line; std::getline(status, line);) {
    const auto read = [&line](std::string_view key, uint64_t& bytes) {
      if (line.starts_with(key)) bytes = std::strtoull(line.c_str() + key.size(), nullptr, 10) * 1024;
    };
    read("VmRSS:", memory.resident);
    read("VmHWM:", memory.peak);
    read("RssAnon:", memory.anonymous);
  }
  return memory;
}

uint64_t resident_bytes(int64_t process) {
  std::ifstream statm(fmt::format("/proc/{}/statm", process));  // pages: all, resident, ...
  uint64_t all = 0;
  uint64_t resident = 0;
  statm >> all >> resident;
  return statm ? resident * page_size() : 0;
}

bool reset_peak_memory() {
  std::ofstream file("/proc/self/clear_refs");
  file << "5" << std::flush;
  return file.good();
}

int64_t checked_mul(int64_t a, int64_t b, std::string_view what) {
  int64_t result = 0;
  if (a < 0 || b < 0 || __builtin_mul_overflow(a, b, &result)) throw_overflow(a, b, "*", what);
  return result;
}

int64_t checked_add(int64_t a, int64_t b, std::string_view what) {
  int64_t result = 0;
  if (a < 0 || b < 0 || __builtin_add_overflow(a, b, &result)) throw_overflow(a, b, "+", what);
  return result;
}

int64_t checked_product(std::initializer_list<int64_t> factors, std::string_view what) {
  int64_t result = 1;
  for (const int64_t factor : factors) result = checked_mul(result, factor, what);
  return result;
}

}  // namespace attune
