// Memory from the operating system: large blocks, what the machine has, what this process uses, sizes that do not
// overflow. Thread safety: free functions are safe anywhere; a PageMapping is a value with one owner.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string_view>

namespace attune {

/// Bytes in a page, usually 4096.
size_t page_size();

/// Bytes of a large page, 2 MiB on x86-64; they lie at multiples of that, and the processor finds memory in them with a
/// five-hundredth of the look-ups.
constexpr size_t kLargePageBytes = size_t{2} << 20;

/// A block of zeroed, page-aligned memory straight from the operating system. A page costs memory (and about 2 us) when
/// it is first touched, and can be given back before the block is destroyed.
class PageMapping {
 public:
  /// No block.
  PageMapping() = default;

  /// Rounds `bytes` up to whole pages; 0 gives no block. Throws attune::Error kRuntimeException, naming the size and
  /// what the machine has, when the size is beyond `memory_limit` or the operating system refuses.
  explicit PageMapping(size_t bytes);

  PageMapping(PageMapping&& other) noexcept;
  PageMapping& operator=(PageMapping&& other) noexcept;
  ~PageMapping();

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }

  /// Makes the block at least `bytes` long, which may move it. Contents stay and pages that were touched remain so.
  void grow(size_t bytes);

  /// Asks the operating system for large pages wherever bytes [begin, end) have whole ones that nobody has touched yet:
  /// their first touch then fills kLargePageBytes at once. `begin` is a multiple of page_size(). Where the system does
  /// not know them, or has none, nothing happens. A mapping that is to grow() must be of one kind, so ask for all of
  /// it.
  void prefer_large_pages(size_t begin = 0, size_t end = SIZE_MAX) noexcept;

  /// Gives back the whole pages from `offset` to the end; they read as zero and cost a fault when touched again.
  void release_tail(size_t offset) noexcept;

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

/// Memory for one tensor or one packed weight: uninitialised, aligned to 64 bytes, never null. From kMappedBlockBytes
/// on it is a mapping of its own, so that letting go of it gives its pages back at once: a heap keeps them, and the
/// heap's own threshold for mappings grows with each block that is freed. Throws attune::Error kRuntimeException when
/// there is not enough memory.
std::shared_ptr<std::byte> allocate_block(size_t bytes);

constexpr size_t kMappedBlockBytes = 256 << 10;

/// Bytes of memory in the machine; 0 if unknown.
uint64_t physical_memory();

/// What this process can ever have: the smaller of the machine's memory and the limit of its cgroup (see
/// base/cgroup.h). Read once. The largest integer if nothing is known.
uint64_t memory_limit();

/// Throws the kRuntimeException of a PageMapping if `bytes` is more than `memory_limit`: an absurd size must not reach
/// an operating system that promises memory it does not have.
void check_memory_limit(uint64_t bytes);

/// Memory of this process in bytes, by the kernel's count; 0 where it does not tell.
struct ProcessMemory {
  uint64_t resident = 0;   ///< VmRSS: pages in memory now, those of mapped files included.
  uint64_t peak = 0;       ///< VmHWM: the largest `resident` since the start or `reset_peak_memory`.
  uint64_t anonymous = 0;  ///< RssAnon: `resident` without files.
};

/// `root` stands for "/" in tests.
ProcessMemory process_memory(const std::filesystem::path& root = "/");

/// Of any process, by its number; 0 when it is gone. Cheap enough to ask a thousand times a second.
uint64_t resident_bytes(int64_t process);

/// Starts `ProcessMemory::peak` again from the present. False where the kernel does not permit it: some containers.
bool reset_peak_memory();

/// a * b and a + b; throw attune::Error kInvalidArgument, naming `what` ("the size of tensor 'x'") and the operands,
/// when the result does not fit int64 or an operand is negative: sizes and offsets are never negative.
int64_t checked_mul(int64_t a, int64_t b, std::string_view what);
int64_t checked_add(int64_t a, int64_t b, std::string_view what);

/// The product of all, 1 for none.
int64_t checked_product(std::initializer_list<int64_t> factors, std::string_view what);

}  // namespace attune
