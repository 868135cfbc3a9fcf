#include "runtime/region.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "base/fork.h"

namespace attune {
namespace {

// For blocks below the size at which the heap would map pages of its own.
std::byte* allocate_small(size_t bytes) {
  return static_cast<std::byte*>(::operator new (bytes, std::align_val_t{kRegionAlignment}));
}

void free_small(std::byte* data) noexcept { ::operator delete (data, std::align_val_t{kRegionAlignment}); }

// Small pages take longer to come than to be written, 40 ms for 60 MiB in a virtual machine. A large page that is
// needed in part counts whole, so small regions go without.
constexpr size_t kLargePagesFrom = size_t{16} << 20;

struct KeptRegion {
  PageMapping mapping;
  size_t touched = 0;  // bytes from the start that may be resident
};

// What one run asked of a RegionPool.
struct Request {
  size_t bytes = 0;  // in its largest region
  int in_use = 0;    // regions of all runs in use at once, the largest number
};

}  // namespace

struct Region::Pool {
  const bool keep;
  mutable ForkSafeMutex mutex;                        // protects what follows
  std::vector<KeptRegion> kept;                       // never beyond its reserve: giving back must not allocate
  std::array<Request, RegionPool::kWindow> requests;  // a ring
  size_t latest = 0;
  int in_use = 0;

  explicit Pool(bool keep_regions) : keep(keep_regions) { kept.reserve(RegionPool::kMostKept); }

  Request window() const {
    Request most;
    for (const Request& request : requests) {
      most.bytes = std::max(most.bytes, request.bytes);
      most.in_use = std::max(most.in_use, request.in_use);
    }
    return most;
  }

  // Remembers a request, and gives up what the runs still remembered do not justify.
  void note(size_t bytes, RegionUse use) {
    Request& entry = requests[latest = (latest + (use == RegionUse::kRun ? 1 : 0)) % requests.size()];
    const size_t forgotten = use == RegionUse::kRun ? std::exchange(entry, {}).bytes : 0;
    entry.bytes = std::max(entry.bytes, bytes);
    entry.in_use = std::max(entry.in_use, in_use);
    const size_t largest = window().bytes;
    if (forgotten <= largest) return;
    if (largest < RegionPool::kSmallBytes) kept.clear();
    for (KeptRegion& region : kept) trim(region, largest);
  }

  static void trim(KeptRegion& region, size_t bytes) noexcept {
    if (region.touched <= bytes) return;
    region.mapping.release_tail(bytes);
    region.touched = bytes;
  }

  // The kept region that serves a request best: the smallest that is large enough, or the largest; empty if none.
  KeptRegion take(size_t bytes, RegionUse use) {
    const std::lock_guard lock(mutex);
    ++in_use;
    note(bytes, use);
    if (kept.empty()) return {};
    auto best = kept.begin();
    for (auto it = kept.begin() + 1; it != kept.end(); ++it) {
      const bool fits = it->mapping.size() >= bytes;
      const bool best_fits = best->mapping.size() >= bytes;
      const bool smaller = it->mapping.size() < best->mapping.size();
      if (fits != best_fits ? fits : fits == smaller) best = it;
    }
    KeptRegion region = std::move(*best);
    kept.erase(best);
    return region;
  }

  void give_back(KeptRegion region) noexcept {
    KeptRegion surplus;
    const std::lock_guard lock(mutex);
    --in_use;
    const Request most = window();
    if (!keep || region.mapping.size() == 0 || most.bytes < RegionPool::kSmallBytes ||
        kept.size() == RegionPool::kMostKept) {
      std::swap(surplus, region);
      return;
    }
    trim(region, most.bytes);
    kept.push_back(std::move(region));
    // The ones used longest ago go first.
    const auto most_kept = static_cast<size_t>(std::max(most.in_use - in_use, 0));
    if (kept.size() > most_kept) kept.erase(kept.begin(), kept.end() - static_cast<std::ptrdiff_t>(most_kept));
  }
};

Region::Region(Region&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      touched_(std::exchange(other.touched_, 0)),
      mapping_(std::move(other.mapping_)),
      pool_(std::move(other.pool_)) {}

Region& Region::operator=(Region&& other) noexcept {
  if (this != &other) {
    give_back();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    touched_ = std::exchange(other.touched_, 0);
    mapping_ = std::move(other.mapping_);
    pool_ = std::move(other.pool_);
  }
  return *this;
}

Region::~Region() { give_back(); }

void Region::give_back() noexcept {
  if (pool_ != nullptr) {
    pool_->give_back({std::move(mapping_), touched_});
    pool_.reset();
  } else if (data_ != nullptr) {
    free_small(data_);
  }
  data_ = nullptr;
  size_ = 0;
}

RegionPool::RegionPool(bool keep) : pool_(std::make_shared<Region::Pool>(keep)) {}

RegionPool::~RegionPool() = default;

Region RegionPool::acquire(size_t bytes, RegionUse use) {
  Region region;
  if (bytes < kSmallBytes) {
    if (pool_->keep) {
      const std::lock_guard lock(pool_->mutex);
      pool_->note(bytes, use);
    }
    if (bytes > 0) region.data_ = allocate_small(bytes);
    region.size_ = bytes;
    return region;
  }
  check_memory_limit(bytes);  // before the request is noted
  KeptRegion kept = pool_->take(bytes, use);
  // From here on the destructor of `region` gives back what there is, should the operating system refuse.
  region.pool_ = pool_;
  region.mapping_ = std::move(kept.mapping);
  region.touched_ = kept.touched;
  if (region.mapping_.size() == 0) {
    region.mapping_ = PageMapping(bytes);
  } else if (region.mapping_.size() < bytes) {
    // A little more than needed, so that sizes that creep up do not remap each time; untouched pages cost nothing.
    region.mapping_.grow(std::max<size_t>(bytes, std::min<uint64_t>(bytes + bytes / 8, memory_limit())));
  }
  if (bytes >= kLargePagesFrom) region.mapping_.prefer_large_pages();
  region.touched_ = std::max(region.touched_, bytes);
  region.data_ = region.mapping_.data();
  region.size_ = bytes;
  return region;
}

void RegionPool::shrink() noexcept {
  const std::lock_guard lock(pool_->mutex);
  pool_->requests = {};
  pool_->kept.clear();
}

size_t RegionPool::held_bytes() const {
  const std::lock_guard lock(pool_->mutex);
  size_t bytes = 0;
  for (const KeptRegion& region : pool_->kept) bytes += region.touched;
  return bytes;
}

namespace {

// What one run asked of OutputBuffers.
struct Outputs {
  size_t bytes = 0;
  size_t count = 0;
  int runs = 0;  // at once, this one included
};

size_t round_to_pages(size_t bytes) { return (bytes + page_size() - 1) / page_size() * page_size(); }

}  // namespace

struct OutputBuffers::Run::Pool {
  const bool keep;
  mutable ForkSafeMutex mutex;                       // protects what follows
  std::vector<PageMapping> waiting;                  // the one that has waited longest first
  std::array<Outputs, OutputBuffers::kWindow> past;  // a ring
  size_t next = 0;
  int runs = 0;

  explicit Pool(bool keep_buffers) : keep(keep_buffers) {}

  // What may wait. Before the first run has ended there is no past to go by, and nothing that could wait either.
  Outputs bound() const {
    Outputs most;
    for (const Outputs& run : past) {
      most.bytes = std::max(most.bytes, run.bytes);
      most.count = std::max(most.count, run.count);
      most.runs = std::max(most.runs, run.runs);
    }
    return {most.bytes * static_cast<size_t>(most.runs), most.count * static_cast<size_t>(most.runs), most.runs};
  }

  void trim() {
    size_t bytes = 0;
    for (const PageMapping& buffer : waiting) bytes += buffer.size();
    const Outputs most = bound();
    size_t surplus = 0;
    for (; bytes > most.bytes || waiting.size() - surplus > most.count; ++surplus) bytes -= waiting[surplus].size();
    waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(surplus));
  }

  // The smallest that is large enough, but no giant, which would be missing elsewhere; empty if none.
  PageMapping take(size_t size) {
    const std::lock_guard lock(mutex);
    auto best = waiting.end();
    for (auto it = waiting.begin(); it != waiting.end(); ++it) {
      if (it->size() < size || it->size() / 2 > size) continue;
      if (best == waiting.end() || it->size() < best->size()) best = it;
    }
    if (best == waiting.end()) return {};
    PageMapping buffer = std::move(*best);
    waiting.erase(best);
    return buffer;
  }

  void give_back(PageMapping buffer) noexcept {
    try {
      const std::lock_guard lock(mutex);
      waiting.push_back(std::move(buffer));
      trim();
    } catch (const std::bad_alloc&) {
      // No memory for the list: the buffer is unmapped instead.
    }
  }
};

OutputBuffers::OutputBuffers(bool keep) : pool_(std::make_shared<Run::Pool>(keep)) {}

OutputBuffers::~OutputBuffers() = default;

OutputBuffers::Run OutputBuffers::begin_run() {
  if (pool_->keep) {
    const std::lock_guard lock(pool_->mutex);
    ++pool_->runs;
  }
  return Run(pool_);
}

OutputBuffers::Run::~Run() {
  if (pool_ == nullptr || !pool_->keep) return;
  const std::lock_guard lock(pool_->mutex);
  pool_->past[pool_->next] = {bytes_, count_, pool_->runs--};
  pool_->next = (pool_->next + 1) % pool_->past.size();
  pool_->trim();
}

std::shared_ptr<std::byte> OutputBuffers::Run::acquire(size_t bytes) {
  if (bytes == 0) return nullptr;
  if (bytes < kSmallBytes) return {allocate_small(bytes), free_small};
  check_memory_limit(bytes);
  if (!pool_->keep) {
    auto mapping = std::make_shared<PageMapping>(bytes);
    if (bytes >= kLargePagesFrom) mapping->prefer_large_pages();
    std::byte* data = mapping->data();
    return {std::move(mapping), data};
  }
  const size_t size = round_to_pages(bytes);
  PageMapping buffer = pool_->take(size);
  if (buffer.size() == 0) {
    buffer = PageMapping(size);
    if (size >= kLargePagesFrom) buffer.prefer_large_pages();
  }
  bytes_ += buffer.size();
  ++count_;
  std::byte* data = buffer.data();
  // The mapping travels in the deleter. The pool is held weakly: buffers may outlive it, and then free themselves.
  auto give_back = [mapping = std::make_shared<PageMapping>(std::move(buffer)),
                    pool = std::weak_ptr<Pool>(pool_)](std::byte*) noexcept {
    if (const std::shared_ptr<Pool> alive = pool.lock()) alive->give_back(std::move(*mapping));
  };
  return {data, std::move(give_back)};
}

void OutputBuffers::shrink() noexcept {
  const std::lock_guard lock(pool_->mutex);
  pool_->waiting.clear();
  pool_->past = {};
}

size_t OutputBuffers::held_bytes() const {
  const std::lock_guard lock(pool_->mutex);
  size_t bytes = 0;
  for (const PageMapping& buffer : pool_->waiting) bytes += buffer.size();
  return bytes;
}

}  // namespace attune
