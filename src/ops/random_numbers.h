// Random numbers of operators. Number i of a stream is a hash of its index, so that any thread can make any of them.
#pragma once

#include <atomic>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <random>

#include "graph/graph.h"

namespace attune::ops {

/// The finalizer of SplitMix64 (Steele, Lea, Flood 2014): a hash of 64 bits.
inline uint64_t random_mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

constexpr uint64_t kGolden = 0x9e3779b97f4a7c15U;  // 2^64 / golden ratio, SplitMix64's step

/// Number i of stream `key`, in [0, 1).
inline double random_uniform(uint64_t key, uint64_t i) {
  return static_cast<double>(random_mix(key + (i + 1) * kGolden) >> 11) * 0x1p-53;
}

/// Box and Muller's transform of two uniform numbers.
inline double random_normal(uint64_t key, uint64_t i) {
  const double radius = std::sqrt(-2.0 * std::log1p(-random_uniform(key, 2 * i)));  // 1 - u is never 0
  return radius * std::cos(2.0 * std::numbers::pi * random_uniform(key, 2 * i + 1));
}

/// Streams of one node: the same in every session when the node has the attribute `seed`. Thread-safe.
class RandomSeed {
 public:
  explicit RandomSeed(const Node& node) {
    if (node.attributes.has("seed")) {
      const AttributeValue* value = node.attributes.find("seed");
      const double seed = std::holds_alternative<int64_t>(*value) ? static_cast<double>(std::get<int64_t>(*value))
                                                                  : double{node.attributes.get_float("seed", 0)};
      seed_ = random_mix(static_cast<uint64_t>(std::llround(seed * 1e6)));
    } else {
      std::random_device device;
      seed_ = (uint64_t{device()} << 32) | device();
    }
  }

  /// The key of a stream that no run had before.
  uint64_t next() const { return random_mix(seed_ + runs_.fetch_add(1, std::memory_order_relaxed) * kGolden); }

 private:
  uint64_t seed_ = 0;
  mutable std::atomic<uint64_t> runs_{0};
};

}  // namespace attune::ops
