// The innermost loop of element-wise operators that have no kernel.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "ops/broadcast.h"

namespace attune::ops {

/// y[i] = element(i) for i < n. Blocks of a constant size that are collected beside the output, which may be an input's
/// memory: in that form compilers vectorise without being asked to.
template <class Y, class Element>
void fill_elements(Y* y, int64_t n, Element&& element) {
  int64_t i = 0;
  if constexpr (std::is_trivially_copyable_v<Y>) {
    constexpr int64_t kBlock = 32;
    for (; i + kBlock <= n; i += kBlock) {
      std::array<Y, kBlock> block;
      for (int64_t k = 0; k < kBlock; ++k) block[static_cast<size_t>(k)] = element(i + k);
      std::memcpy(y + i, block.data(), sizeof(block));
    }
  }
  for (; i < n; ++i) y[i] = element(i);
}

/// out = function(a, b) over a run of two operands.
template <class X, class Y, class Function>
void fill_binary(const BroadcastRun& run, Function&& function) {
  const X* a = run.input<X>(0);
  const X* b = run.input<X>(1);
  if (run.stride[0] == 1 && run.stride[1] == 1) {
    fill_elements(run.output<Y>(), run.n, [&](int64_t i) { return static_cast<Y>(function(a[i], b[i])); });
  } else if (run.stride[0] == 1) {
    const X second = *b;
    fill_elements(run.output<Y>(), run.n, [&](int64_t i) { return static_cast<Y>(function(a[i], second)); });
  } else if (run.stride[1] == 1) {
    const X first = *a;
    fill_elements(run.output<Y>(), run.n, [&](int64_t i) { return static_cast<Y>(function(first, b[i])); });
  } else {
    const Y value = static_cast<Y>(function(*a, *b));
    fill_elements(run.output<Y>(), run.n, [&](int64_t) { return value; });
  }
}

}  // namespace attune::ops
