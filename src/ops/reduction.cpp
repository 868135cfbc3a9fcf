#include "ops/reduction.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "kernels/vector_math.h"
#include "ops/broadcast.h"
#include "ops/convert.h"
#include "ops/element_types.h"

namespace attune::ops {
namespace {

using kernels::Reduction;

/// Adjacent dimensions that are reduced, or kept, together. Neighbours differ in kind; none has size 1.
struct Group {
  int64_t size;
  bool reduced;
};

struct Groups {
  std::array<Group, Shape::kMaxRank> group;
  int count = 0;

  Group& operator[](int i) { return group[static_cast<size_t>(i)]; }
  const Group& operator[](int i) const { return group[static_cast<size_t>(i)]; }
  int64_t product(int from, int to) const {
    int64_t size = 1;
    for (int i = from; i < to; ++i) size *= (*this)[i].size;
    return size;
  }
  int64_t product(bool reduced) const {
    int64_t size = 1;
    for (int i = 0; i < count; ++i) size *= (*this)[i].reduced == reduced ? (*this)[i].size : 1;
    return size;
  }
  int innermost_reduced() const {
    int i = count - 1;
    while (i >= 0 && !(*this)[i].reduced) --i;
    return i;
  }
  void append(int64_t size, bool reduced) {
    if (count > 0 && (*this)[count - 1].reduced == reduced) {
      (*this)[count - 1].size *= size;
    } else {
      (*this)[count++] = {size, reduced};
    }
  }
};

Groups make_groups(const Shape& shape, uint32_t axes) {
  Groups groups;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] != 1) groups.append(shape[axis], (axes >> axis & 1U) != 0);
  }
  return groups;
}

// ---- float: kernels, one group at a time ----

/// A row or column longer than this is cut into pieces that threads share; their results are reduced in turn. Lengths
/// alone decide, so that bits do not depend on the number of threads or rows.
constexpr int64_t kLongRow = 131072;
constexpr int64_t kRowPiece = 65536;
constexpr int64_t kLongColumn = 16384;
constexpr int64_t kColumnPiece = 8192;
/// The narrowest range of columns for a thread: four cache lines of each row.
constexpr int64_t kLeastColumns = 64;

/// What the innermost group is reduced with, and what the results of pieces and further groups are.
struct Steps {
  Reduction first;
  Reduction next;
};

Steps steps_of(ReduceKind kind) {
  switch (kind) {
    case ReduceKind::kMax:
      return {Reduction::kMax, Reduction::kMax};
    case ReduceKind::kMin:
      return {Reduction::kMin, Reduction::kMin};
    case ReduceKind::kProd:
      return {Reduction::kProd, Reduction::kProd};
    case ReduceKind::kL1:
      return {Reduction::kSumAbs, Reduction::kSum};
    case ReduceKind::kL2:
    case ReduceKind::kSumSquare:
      return {Reduction::kSumSquare, Reduction::kSum};
    case ReduceKind::kSum:
    case ReduceKind::kMean:
    case ReduceKind::kLogSum:
    case ReduceKind::kLogSumExp:
      break;
  }
  return {Reduction::kSum, Reduction::kSum};
}

void reduce_rows(Steps steps, const float* x, int64_t rows, int64_t columns, float* y, Parallel& parallel) {
  if (columns > kLongRow) {
    const int64_t pieces = (columns + kRowPiece - 1) / kRowPiece;
    std::vector<float> partial(static_cast<size_t>(rows * pieces));
    for_ranges(parallel, rows * pieces, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t task = begin; task < end; ++task) {
        const int64_t start = task % pieces * kRowPiece;
        const int64_t length = std::min(kRowPiece, columns - start);
        kernels::reduce_rows(steps.first, x + task / pieces * columns + start, 1, length, length,
                             &partial[static_cast<size_t>(task)]);
      }
    });
    return reduce_rows({steps.next, steps.next}, partial.data(), rows, pieces, y, parallel);
  }
  for_ranges(parallel, rows, kCheapGrain / columns, [&](int64_t begin, int64_t end, int) {
    kernels::reduce_rows(steps.first, x + begin * columns, end - begin, columns, columns, y + begin);
  });
}

/// The middle axis of [outer, rows, columns].
void reduce_columns(Steps steps, const float* x, int64_t outer, int64_t rows, int64_t columns, float* y,
                    Parallel& parallel) {
  if (rows > kLongColumn) {
    const int64_t pieces = (rows + kColumnPiece - 1) / kColumnPiece;
    std::vector<float> partial(static_cast<size_t>(outer * pieces * columns));
    for_ranges(parallel, outer * pieces, 1, [&](int64_t begin, int64_t end, int) {
      for (int64_t task = begin; task < end; ++task) {
        const int64_t start = task % pieces * kColumnPiece;
        kernels::reduce_columns(steps.first, x + (task / pieces * rows + start) * columns,
                                std::min(kColumnPiece, rows - start), columns, columns,
                                partial.data() + task * columns);
      }
    });
    return reduce_columns({steps.next, steps.next}, partial.data(), outer, pieces, columns, y, parallel);
  }
  int64_t width = columns;
  if (parallel.threads() > 1) width = std::min(columns, std::max(kLeastColumns, kCheapGrain / rows));
  const int64_t ranges = (columns + width - 1) / width;
  for_ranges(parallel, outer * ranges, kCheapGrain / (rows * width), [&](int64_t begin, int64_t end, int) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t start = task % ranges * width;
      const int64_t image = task / ranges;
      kernels::reduce_columns(steps.first, x + image * rows * columns + start, rows, std::min(width, columns - start),
                              columns, y + image * columns + start);
    }
  });
}

/// Reduces group after group, the innermost first; there is at least one.
void reduce_groups(Steps steps, const float* x, Groups groups, float* y, Parallel& parallel) {
  std::vector<float> held;  // what x points to from the second group on
  for (;;) {
    const int i = groups.innermost_reduced();
    const int64_t outer = groups.product(0, i);
    const int64_t size = groups[i].size;
    const int64_t inner = groups.product(i + 1, groups.count);
    Groups rest;
    for (int k = 0; k < groups.count; ++k) {
      if (k != i) rest.append(groups[k].size, groups[k].reduced);
    }
    const bool last = rest.innermost_reduced() < 0;
    std::vector<float> partial(last ? 0 : static_cast<size_t>(outer * inner));
    float* target = last ? y : partial.data();
    if (inner == 1) {
      reduce_rows(steps, x, outer, size, target, parallel);
    } else {
      reduce_columns(steps, x, outer, size, inner, target, parallel);
    }
    if (last) return;
    held = std::move(partial);
    x = held.data();
    groups = rest;
    steps.first = steps.next;
  }
}

void map(kernels::UnaryFunction function, const float* x, float* y, int64_t n, Parallel& parallel) {
  for_ranges(parallel, n, kCostlyGrain, [&](int64_t begin, int64_t end, int) {
    kernels::map_unary(function, 0.0F, 0.0F, x + begin, y + begin, end - begin);
  });
}

/// Every element is a sum of its own.
void reduce_nothing(ReduceKind kind, const float* x, float* y, int64_t n, Parallel& parallel) {
  switch (kind) {
    case ReduceKind::kL1:
    case ReduceKind::kL2:
      return map(kernels::UnaryFunction::kAbs, x, y, n, parallel);
    case ReduceKind::kLogSum:
      return map(kernels::UnaryFunction::kLog, x, y, n, parallel);
    case ReduceKind::kSumSquare:
      return map(kernels::UnaryFunction::kSquare, x, y, n, parallel);
    default:
      std::copy_n(x, n, y);
  }
}

/// m + ln(sum e^(x - m)), m the maximum where it is finite.
void reduce_log_sum_exp(const float* x, const Groups& groups, float* y, Parallel& parallel) {
  const int64_t kept = groups.product(false);
  std::vector<float> maximum(static_cast<size_t>(kept));
  reduce_groups(steps_of(ReduceKind::kMax), x, groups, maximum.data(), parallel);
  for (float& m : maximum) m = std::isfinite(m) ? m : 0.0F;

  Shape whole;
  Shape reduced;
  for (int i = 0; i < groups.count; ++i) {
    whole.push_back(groups[i].size);
    reduced.push_back(groups[i].reduced ? 1 : groups[i].size);
  }
  const Tensor powers = Tensor::allocate(DataType::kFloat, whole);
  const std::array operands{TensorView{const_cast<float*>(x), &whole, DataType::kFloat},
                            TensorView{maximum.data(), &reduced, DataType::kFloat}};
  for_each_broadcast(operands, TensorView::of(powers), kCostlyGrain, parallel, [](const BroadcastRun& run) {
    kernels::map_binary(kernels::BinaryFunction::kSub, run.input<float>(0), run.stride[0], run.input<float>(1),
                        run.stride[1], run.output<float>(), run.n);
    kernels::map_unary(kernels::UnaryFunction::kExp, 0.0F, 0.0F, run.output<float>(), run.output<float>(), run.n);
  });
  reduce_groups(steps_of(ReduceKind::kSum), TensorView::of(powers).as<float>(), groups, y, parallel);
  map(kernels::UnaryFunction::kLog, y, y, kept, parallel);
  kernels::map_binary(kernels::BinaryFunction::kAdd, y, 1, maximum.data(), 1, y, kept);
}

void reduce_floats(ReduceKind kind, const float* x, const Groups& groups, float* y, Parallel& parallel) {
  const int64_t kept = groups.product(false);
  if (groups.innermost_reduced() < 0) return reduce_nothing(kind, x, y, kept, parallel);
  if (kind == ReduceKind::kLogSumExp) return reduce_log_sum_exp(x, groups, y, parallel);
  reduce_groups(steps_of(kind), x, groups, y, parallel);
  if (kind == ReduceKind::kMean) {
    const auto count = static_cast<float>(groups.product(true));
    kernels::map_binary(kernels::BinaryFunction::kDiv, y, 1, &count, 0, y, kept);
  } else if (kind == ReduceKind::kL2) {
    map(kernels::UnaryFunction::kSqrt, y, y, kept, parallel);
  } else if (kind == ReduceKind::kLogSum) {
    map(kernels::UnaryFunction::kLog, y, y, kept, parallel);
  }
}

// ---- every type: one output element at a time ----

/// Adds up one output element. Roots and logarithms of integers are taken of a sum in double.
template <ReduceKind kKind, class T>
struct Accumulator {
  static constexpr bool kInDouble =
      kKind == ReduceKind::kL2 || kKind == ReduceKind::kLogSum || kKind == ReduceKind::kLogSumExp;
  using Sum = std::conditional_t<kInDouble, double, T>;

  static constexpr Sum start() {
    if constexpr (kKind == ReduceKind::kProd) return Sum{1};
    if constexpr (kKind == ReduceKind::kMax || kKind == ReduceKind::kMin) {
      using Limits = std::numeric_limits<Sum>;
      if constexpr (Limits::has_infinity) return kKind == ReduceKind::kMax ? -Limits::infinity() : Limits::infinity();
      return kKind == ReduceKind::kMax ? Limits::lowest() : Limits::max();
    }
    return Sum{0};
  }

  void add(T value) {
    const auto x = static_cast<Sum>(value);
    if constexpr (kKind == ReduceKind::kMax) {
      if (x > sum || x != x) sum = x;  // once NaN it stays: no comparison with it holds
    } else if constexpr (kKind == ReduceKind::kMin) {
      if (x < sum || x != x) sum = x;
    } else if constexpr (std::is_same_v<T, bool>) {
      sum = sum || x;  // only kMax and kMin are made of bool
    } else if constexpr (kKind == ReduceKind::kProd) {
      sum = wrapping_mul(sum, x);
    } else if constexpr (kKind == ReduceKind::kL1) {
      sum = x < Sum{0} ? wrapping_sub(sum, x) : wrapping_add(sum, x);
    } else if constexpr (kKind == ReduceKind::kL2 || kKind == ReduceKind::kSumSquare) {
      sum = wrapping_add(sum, wrapping_mul(x, x));
    } else if constexpr (kKind == ReduceKind::kLogSumExp) {
      sum += std::exp(x - shift);
    } else {
      sum = wrapping_add(sum, x);
    }
  }

  T finish(int64_t count) const {
    if constexpr (kKind == ReduceKind::kMean && std::is_integral_v<T>) {
      using Wide = std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>;
      return static_cast<T>(static_cast<Wide>(sum) / static_cast<Wide>(count));
    } else if constexpr (kKind == ReduceKind::kMean) {
      return sum / static_cast<T>(count);
    } else if constexpr (kKind == ReduceKind::kL2) {
      return convert<T>(std::sqrt(sum));
    } else if constexpr (kKind == ReduceKind::kLogSum) {
      return convert<T>(std::log(sum));
    } else if constexpr (kKind == ReduceKind::kLogSumExp) {
      return convert<T>(std::log(sum) + shift);
    } else {
      return sum;
    }
  }

  double shift = 0;
  Sum sum = start();
};

/// The groups of one kind with their strides.
struct Walk {
  std::array<int64_t, Shape::kMaxRank> size;
  std::array<int64_t, Shape::kMaxRank> stride;
  int count = 0;

  Walk(const Groups& groups, bool reduced) {
    for (int i = 0; i < groups.count; ++i) {
      if (groups[i].reduced != reduced) continue;
      size[static_cast<size_t>(count)] = groups[i].size;
      stride[static_cast<size_t>(count++)] = groups.product(i + 1, groups.count);
    }
  }

  int64_t offset(int64_t index) const {
    int64_t result = 0;
    for (int i = count - 1; i >= 0; --i) {
      result += index % size[static_cast<size_t>(i)] * stride[static_cast<size_t>(i)];
      index /= size[static_cast<size_t>(i)];
    }
    return result;
  }

  /// Calls body(element) for each element of the walk from `x` on.
  template <class T, class Body>
  void for_each(const T* x, Body&& body) const {
    const auto last = static_cast<size_t>(count - 1);
    const int64_t inner = count == 0 ? 1 : size[last];
    const int64_t step = count == 0 ? 0 : stride[last];
    int64_t outer = 1;
    for (size_t i = 0; i + 1 < static_cast<size_t>(count); ++i) outer *= size[i];
    for (int64_t o = 0; o < outer; ++o) {
      const T* start = x + offset(o * inner);
      for (int64_t i = 0; i < inner; ++i) body(start[i * step]);
    }
  }
};

template <ReduceKind kKind, class T>
void reduce_elements(const T* x, const Groups& groups, T* y, Parallel& parallel) {
  const Walk kept(groups, false);
  const Walk reduced(groups, true);
  const int64_t count = groups.product(true);
  for_ranges(parallel, groups.product(false), kCostlyGrain / count, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const T* start = x + kept.offset(i);
      Accumulator<kKind, T> accumulator;
      if constexpr (kKind == ReduceKind::kLogSumExp) {
        Accumulator<ReduceKind::kMax, double> maximum;
        reduced.for_each(start, [&](T value) { maximum.add(static_cast<double>(value)); });
        if (std::isfinite(maximum.sum)) accumulator.shift = maximum.sum;
      }
      reduced.for_each(start, [&](T value) { accumulator.add(value); });
      y[i] = accumulator.finish(count);
    }
  });
}

/// What is left of no elements at all.
template <ReduceKind kKind, class T>
void reduce_emptiness(T* y, int64_t n) {
  const Accumulator<kKind, T> nothing;
  std::fill_n(y, n, kKind == ReduceKind::kMean ? T{0} : nothing.finish(1));
}

template <ReduceKind kKind>
void reduce_kind(DataType type, const void* x, const Shape& shape, uint32_t axes, void* y, Parallel& parallel) {
  const Groups groups = make_groups(shape, axes);
  const int64_t kept = groups.product(false);
  if (kept == 0) return;
  const bool empty = groups.product(true) == 0;
  if (type == DataType::kFloat && !empty) {
    return reduce_floats(kKind, static_cast<const float*>(x), groups, static_cast<float*>(y), parallel);
  }
  const auto of_type = [&](auto tag) {
    using T = typename decltype(tag)::type;
    if (empty) {
      reduce_emptiness<kKind>(static_cast<T*>(y), kept);
    } else {
      reduce_elements<kKind>(static_cast<const T*>(x), groups, static_cast<T*>(y), parallel);
    }
  };
  if constexpr (kKind == ReduceKind::kMax || kKind == ReduceKind::kMin) {
    if (type == DataType::kBool) return of_type(TypeTag<bool>());
  }
  visit_number_type(type, of_type);
}

}  // namespace

void reduce(ReduceKind kind, DataType type, const void* x, const Shape& shape, uint32_t axes, void* y,
            Parallel& parallel) {
  switch (kind) {
    case ReduceKind::kSum:
      return reduce_kind<ReduceKind::kSum>(type, x, shape, axes, y, parallel);
    case ReduceKind::kMean:
      return reduce_kind<ReduceKind::kMean>(type, x, shape, axes, y, parallel);
    case ReduceKind::kMax:
      return reduce_kind<ReduceKind::kMax>(type, x, shape, axes, y, parallel);
    case ReduceKind::kMin:
      return reduce_kind<ReduceKind::kMin>(type, x, shape, axes, y, parallel);
    case ReduceKind::kProd:
      return reduce_kind<ReduceKind::kProd>(type, x, shape, axes, y, parallel);
    case ReduceKind::kL1:
      return reduce_kind<ReduceKind::kL1>(type, x, shape, axes, y, parallel);
    case ReduceKind::kL2:
      return reduce_kind<ReduceKind::kL2>(type, x, shape, axes, y, parallel);
    case ReduceKind::kLogSum:
      return reduce_kind<ReduceKind::kLogSum>(type, x, shape, axes, y, parallel);
    case ReduceKind::kLogSumExp:
      return reduce_kind<ReduceKind::kLogSumExp>(type, x, shape, axes, y, parallel);
    case ReduceKind::kSumSquare:
      return reduce_kind<ReduceKind::kSumSquare>(type, x, shape, axes, y, parallel);
  }
}

}  // namespace attune::ops
