// The memory that activations live in, and the buffers of outputs.
// Thread safety: both pools may be used from any thread; a Region has one owner. Regions and output buffers may outlive
// their pool.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/memory.h"

namespace attune {

inline constexpr size_t kRegionAlignment = 64;

class RegionPool;

/// A block for the intermediate tensors of one run. Its contents are indeterminate.
class Region {
 public:
  Region() = default;
  Region(Region&& other) noexcept;
  Region& operator=(Region&& other) noexcept;
  ~Region();

  /// Aligned to kRegionAlignment; null if the size is 0.
  std::byte* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  friend class RegionPool;
  struct Pool;

  void give_back() noexcept;

  std::byte* data_ = nullptr;
  size_t size_ = 0;
  size_t touched_ = 0;          // bytes of `mapping_` that may be resident
  PageMapping mapping_;         // empty for a small region, which is on the heap
  std::shared_ptr<Pool> pool_;  // null unless the region is mapped
};

/// What a request for a region stands for: the pool counts runs to forget what only old ones needed.
enum class RegionUse {
  kRun,   ///< The first region of a run.
  kPart,  ///< A further one of the run that asked last: a later segment, the body of a Loop.
};

/// Gives runs their regions.
///
/// With `keep` (the option `enable_cpu_mem_arena`) a region goes back to the pool when its run ends. What the pool then
/// holds follows the last kWindow runs: no more regions than were in use at once during them, and no more bytes in each
/// than the largest that they asked for. So shapes that alternate within kWindow runs fault no page twice, and what one
/// exceptional run took is back with the operating system kWindow runs later. Without `keep` a region is unmapped when
/// its run ends. Regions below kSmallBytes always come from the heap, which recycles them cheaply.
class RegionPool {
 public:
  explicit RegionPool(bool keep);
  ~RegionPool();
  RegionPool(const RegionPool&) = delete;
  RegionPool& operator=(const RegionPool&) = delete;

  /// Throws attune::Error kRuntimeException if the machine cannot have so much memory.
  Region acquire(size_t bytes, RegionUse use = RegionUse::kRun);

  /// Gives all that no run uses back to the operating system, and forgets the past:
  /// `memory.enable_memory_arena_shrinkage`.
  void shrink() noexcept;

  /// Bytes that kept regions may have resident; those in use are not counted.
  size_t held_bytes() const;

  static constexpr size_t kSmallBytes = 64 << 10;
  static constexpr int kWindow = 16;
  static constexpr size_t kMostKept = 64;

 private:
  std::shared_ptr<Region::Pool> pool_;
};

/// Buffers of output tensors, which belong to the caller: an output is never shared, and is written by the run alone
/// until it is handed out. With `keep`, a buffer whose owner lets go of it waits for the next run, because fresh pages
/// cost 0.55 ms a MiB; the buffers waiting never exceed, in bytes and in number, what the largest of the last kWindow
/// runs took, times the most runs at once among them. Without `keep` buffers are unmapped at once.
class OutputBuffers {
 public:
  /// One run's requests; counted when it is destroyed. Belongs to one thread at a time.
  class Run {
   public:
    Run(Run&&) noexcept = default;
    Run& operator=(Run&&) = delete;
    ~Run();

    /// A buffer of at least `bytes` bytes, aligned to kRegionAlignment, contents indeterminate; null for 0. The last
    /// owner may let go of it in any thread, after the pool too. Throws attune::Error kRuntimeException if the machine
    /// cannot have so much memory.
    std::shared_ptr<std::byte> acquire(size_t bytes);

   private:
    friend class OutputBuffers;
    struct Pool;
    explicit Run(std::shared_ptr<Pool> pool) : pool_(std::move(pool)) {}

    std::shared_ptr<Pool> pool_;
    size_t bytes_ = 0;
    size_t count_ = 0;
  };

  explicit OutputBuffers(bool keep);
  ~OutputBuffers();
  OutputBuffers(const OutputBuffers&) = delete;
  OutputBuffers& operator=(const OutputBuffers&) = delete;

  [[nodiscard]] Run begin_run();

  /// Frees the buffers that wait, and forgets the past.
  void shrink() noexcept;

  /// Bytes of the buffers that wait.
  size_t held_bytes() const;

  /// Smaller buffers are not worth keeping: the heap recycles them.
  static constexpr size_t kSmallBytes = 64 << 10;
  static constexpr int kWindow = 4;

 private:
  std::shared_ptr<Run::Pool> pool_;
};

}  // namespace attune
