#include "ops/broadcast.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "attune/error.h"

namespace attune::ops {
namespace {

/// Runs shorter than this are not worth a call each.
constexpr int64_t kShortRun = 128;
/// Elements of a buffer that a short operand is repeated into, and the widest element it is made for.
constexpr int64_t kTile = 1024;
constexpr size_t kTileElementBytes = 8;

/// Merges one dimension into the result's.
int64_t broadcast_dim(InferContext& context, int64_t a, int64_t b) {
  if (a == 1) return b;
  if (b == 1 || same_dim(a, b)) return a;
  if (is_known(a) && is_known(b)) {
    throw Error(ErrorCode::kInvalidGraph, fmt::format("Incompatible dimensions: {} and {} cannot be broadcast.", a, b));
  }
  if (is_known(a)) return a;  // the other is 1 or the same
  if (is_known(b)) return b;
  return context.fresh_dim();
}

/// Adjacent dimensions of the output along which the same operands advance.
struct Level {
  int64_t size;
  uint32_t advancing;  ///< bit k: operand k has this dimension, else it has 1 there
  std::array<int64_t, kMaxBroadcastInputs> stride;
};

struct Levels {
  std::array<Level, Shape::kMaxRank> level;
  int count = 0;
};

struct Operand {
  const std::byte* data;
  Shape shape;
  int64_t element_bytes;
};

Levels merge_levels(std::span<const Operand> operands, const Shape& out) {
  Levels levels;
  for (int axis = 0; axis < out.rank(); ++axis) {
    uint32_t advancing = 0;
    for (size_t k = 0; k < operands.size(); ++k) {
      const Shape& shape = operands[k].shape;
      const int own = axis - (out.rank() - shape.rank());
      if (own >= 0 && shape[own] != 1) {
        if (shape[own] != out[axis]) {
          throw Error(ErrorCode::kInvalidArgument,
                      fmt::format("Shape {} cannot be broadcast to {}.", shape.to_string(), out.to_string()));
        }
        advancing |= 1U << k;
      }
    }
    if (out[axis] == 1) continue;
    if (levels.count > 0 && levels.level[static_cast<size_t>(levels.count - 1)].advancing == advancing) {
      levels.level[static_cast<size_t>(levels.count - 1)].size *= out[axis];
    } else {
      levels.level[static_cast<size_t>(levels.count++)] = {out[axis], advancing, {}};
    }
  }
  for (size_t k = 0; k < operands.size(); ++k) {
    int64_t stride = 1;
    for (int l = levels.count - 1; l >= 0; --l) {
      Level& level = levels.level[static_cast<size_t>(l)];
      const bool advances = (level.advancing >> k & 1U) != 0;
      level.stride[k] = advances ? stride : 0;
      if (advances) stride *= level.size;
    }
  }
  return levels;
}

/// Position in the outer levels, and where the operands stand there.
class Odometer {
 public:
  Odometer(std::span<const Level> levels, int64_t index) : levels_(levels) {
    for (int l = static_cast<int>(levels.size()) - 1; l >= 0; --l) {
      const Level& level = levels[static_cast<size_t>(l)];
      digits_[static_cast<size_t>(l)] = index % level.size;
      index /= level.size;
      for (size_t k = 0; k < offsets_.size(); ++k) offsets_[k] += digits_[static_cast<size_t>(l)] * level.stride[k];
    }
  }

  int64_t offset(size_t operand) const { return offsets_[operand]; }

  void advance() {
    for (int l = static_cast<int>(levels_.size()) - 1; l >= 0; --l) {
      const Level& level = levels_[static_cast<size_t>(l)];
      int64_t& digit = digits_[static_cast<size_t>(l)];
      if (++digit < level.size) {
        for (size_t k = 0; k < offsets_.size(); ++k) offsets_[k] += level.stride[k];
        return;
      }
      for (size_t k = 0; k < offsets_.size(); ++k) offsets_[k] -= (digit - 1) * level.stride[k];
      digit = 0;
    }
  }

 private:
  std::span<const Level> levels_;
  std::array<int64_t, Shape::kMaxRank> digits_{};
  std::array<int64_t, kMaxBroadcastInputs> offsets_{};
};

/// Writes `pattern` (of `bytes` bytes) `times` times.
void repeat(const std::byte* pattern, size_t bytes, int64_t times, std::byte* out) {
  const size_t total = bytes * static_cast<size_t>(times);
  std::memcpy(out, pattern, bytes);
  for (size_t done = bytes; done < total; done *= 2) std::memcpy(out + done, out, std::min(done, total - done));
}

template <class T>
void spread_elements(const std::byte* from, int64_t rows, int64_t columns, std::byte* out) {
  auto* target = reinterpret_cast<T*>(out);
  for (int64_t row = 0; row < rows; ++row, target += columns) {
    T element;
    std::memcpy(&element, from + static_cast<size_t>(row) * sizeof(T), sizeof(T));
    std::fill_n(target, columns, element);
  }
}

/// Writes each of `rows` elements of `bytes` bytes `columns` times.
void spread(const std::byte* from, size_t bytes, int64_t rows, int64_t columns, std::byte* out) {
  switch (bytes) {
    case 1:
      return spread_elements<uint8_t>(from, rows, columns, out);
    case 2:
      return spread_elements<uint16_t>(from, rows, columns, out);
    case 4:
      return spread_elements<uint32_t>(from, rows, columns, out);
    default:
      return spread_elements<uint64_t>(from, rows, columns, out);
  }
}

class Loop {
 public:
  Loop(std::span<const Operand> operands, std::byte* out, int64_t out_bytes, const Levels& levels,
       FunctionRef<void(const BroadcastRun&)> body)
      : operands_(operands), out_(out), out_bytes_(out_bytes), levels_(levels), body_(body) {}

  /// One stretch of the innermost level at a time.
  void run_rows(int64_t grain, Parallel& parallel) const {
    const Level& inner = levels_.level[static_cast<size_t>(levels_.count - 1)];
    const std::span<const Level> outer(levels_.level.data(), static_cast<size_t>(levels_.count - 1));
    const int64_t piece = std::min(inner.size, grain);
    const int64_t pieces = (inner.size + piece - 1) / piece;
    for_ranges(parallel, outer_size(outer) * pieces, grain / piece, [&](int64_t begin, int64_t end, int) {
      Odometer place(outer, begin / pieces);
      int64_t p = begin % pieces;
      for (int64_t unit = begin; unit < end; ++unit) {
        BroadcastRun run;
        for (size_t k = 0; k < operands_.size(); ++k) {
          run.stride[k] = static_cast<int>(inner.stride[k]);
          run.in[k] = operands_[k].data + (place.offset(k) + p * piece * inner.stride[k]) * operands_[k].element_bytes;
        }
        run.out = out_ + (unit / pieces * inner.size + p * piece) * out_bytes_;
        run.n = std::min(piece, inner.size - p * piece);
        body_(run);
        if (++p == pieces) {
          p = 0;
          place.advance();
        }
      }
    });
  }

  /// The two innermost levels together, `columns` short: several rows at once, an operand that repeats along either
  /// level written out into a tile.
  void run_tiles(int64_t grain, Parallel& parallel) const {
    const Level& middle = levels_.level[static_cast<size_t>(levels_.count - 2)];
    const Level& inner = levels_.level[static_cast<size_t>(levels_.count - 1)];
    const std::span<const Level> outer(levels_.level.data(), static_cast<size_t>(levels_.count - 2));
    const int64_t columns = inner.size;
    const int64_t rows = std::min(middle.size, std::max<int64_t>(1, kTile / columns));
    const int64_t pieces = (middle.size + rows - 1) / rows;
    for_ranges(parallel, outer_size(outer) * pieces, grain / (rows * columns), [&](int64_t begin, int64_t end, int) {
      alignas(64) std::byte tiles[kMaxBroadcastInputs][kTile * kTileElementBytes];
      Odometer place(outer, begin / pieces);
      int64_t p = begin % pieces;
      bool moved = true;
      for (int64_t unit = begin; unit < end; ++unit) {
        const int64_t first = p * rows;
        const int64_t count = std::min(rows, middle.size - first);
        BroadcastRun run;
        for (size_t k = 0; k < operands_.size(); ++k) {
          const auto bytes = static_cast<size_t>(operands_[k].element_bytes);
          const std::byte* from =
              operands_[k].data + (place.offset(k) + first * middle.stride[k]) * operands_[k].element_bytes;
          const bool by_row = middle.stride[k] != 0;
          const bool by_column = inner.stride[k] != 0;
          run.stride[k] = by_row || by_column ? 1 : 0;
          run.in[k] = by_row == by_column ? from : tiles[k];
          if (by_column && !by_row && moved) {
            repeat(from, bytes * static_cast<size_t>(columns), std::min(rows, middle.size), tiles[k]);
          } else if (by_row && !by_column) {
            spread(from, bytes, count, columns, tiles[k]);
          }
        }
        run.out = out_ + (unit / pieces * middle.size + first) * columns * out_bytes_;
        run.n = count * columns;
        body_(run);
        moved = false;
        if (++p == pieces) {
          p = 0;
          place.advance();
          moved = true;
        }
      }
    });
  }

 private:
  static int64_t outer_size(std::span<const Level> outer) {
    int64_t size = 1;
    for (const Level& level : outer) size *= level.size;
    return size;
  }

  std::span<const Operand> operands_;
  std::byte* out_;
  int64_t out_bytes_;
  const Levels& levels_;
  FunctionRef<void(const BroadcastRun&)> body_;
};

/// Every operand has the output's shape or one element.
bool is_flat(std::span<const TensorView> inputs, const TensorView& output, int64_t elements) {
  return std::all_of(inputs.begin(), inputs.end(), [&](const TensorView& input) {
    const int64_t own = input.elements();
    return own == 1 || (input.layout == output.layout && input.physical_elements() == elements);
  });
}

}  // namespace

std::optional<Shape> infer_broadcast(InferContext& context, int count) {
  int rank = 0;
  for (int i = 0; i < count; ++i) {
    if (!context.has_shape(i)) return std::nullopt;
    rank = std::max(rank, context.shape(i).rank());
  }
  Shape result = Shape::filled(rank, 1);
  for (int i = 0; i < count; ++i) {
    const Shape& shape = context.shape(i);
    const int shift = rank - shape.rank();
    for (int axis = 0; axis < shape.rank(); ++axis) {
      result[axis + shift] = broadcast_dim(context, result[axis + shift], shape[axis]);
    }
  }
  return result;
}

void for_each_broadcast(std::span<const TensorView> inputs, const TensorView& output, int64_t grain, Parallel& parallel,
                        FunctionRef<void(const BroadcastRun&)> loop) {
  const int64_t elements = output.physical_elements();
  if (elements == 0) return;
  auto* out = static_cast<std::byte*>(output.data);
  const auto out_bytes = static_cast<int64_t>(element_size(output.type));

  // As many elements as the output has means the same dimensions, but for ones: each of them is at most the output's.
  if (is_flat(inputs, output, elements)) {
    BroadcastRun whole;
    for (size_t k = 0; k < inputs.size(); ++k) {
      whole.in[k] = static_cast<const std::byte*>(inputs[k].data);
      whole.stride[k] = inputs[k].elements() == 1 ? 0 : 1;
    }
    for_ranges(parallel, elements, grain, [&](int64_t begin, int64_t end, int) {
      BroadcastRun run = whole;
      for (size_t k = 0; k < inputs.size(); ++k) {
        run.in[k] += begin * run.stride[k] * static_cast<int64_t>(element_size(inputs[k].type));
      }
      run.out = out + begin * out_bytes;
      run.n = end - begin;
      loop(run);
    });
    return;
  }

  std::array<Operand, kMaxBroadcastInputs> operands;
  bool fits_tile = true;
  for (size_t k = 0; k < inputs.size(); ++k) {
    const size_t bytes = element_size(inputs[k].type);
    operands[k] = {static_cast<const std::byte*>(inputs[k].data),
                   inputs[k].elements() == 1 && inputs[k].layout == Layout::kPlain ? Shape{} : inputs[k].physical(),
                   static_cast<int64_t>(bytes)};
    fits_tile = fits_tile && bytes <= kTileElementBytes && inputs[k].type != DataType::kString;
  }
  const std::span<const Operand> used(operands.data(), inputs.size());
  const Levels levels = merge_levels(used, output.physical());
  const Loop walk(used, out, out_bytes, levels, loop);
  const bool is_short = levels.level[static_cast<size_t>(levels.count - 1)].size < kShortRun;
  if (is_short && levels.count > 1 && fits_tile) {
    walk.run_tiles(grain, parallel);
  } else {
    walk.run_rows(grain, parallel);
  }
}

namespace {

bool is_single_element(const ValueInfo& input) {
  return input.shape.is_concrete() && input.shape.rank() <= 4 && input.shape.elements() == 1;
}

}  // namespace

void choose_blocked_broadcast(LayoutContext& context) {
  int64_t channels = kUnknownDim;
  bool some_blocked = false;
  for (int i = 0; i < context.input_count(); ++i) {
    if (!context.has_input(i)) return;
    const ValueInfo& input = context.input(i);
    if (!input.has_shape) return;
    if (is_single_element(input)) continue;
    if (input.type != DataType::kFloat || input.shape.rank() != 4 || !is_known(input.shape[1])) return;
    if (channels != kUnknownDim && input.shape[1] != channels) return;
    channels = input.shape[1];
    some_blocked = some_blocked || context.current(i) == Layout::kBlocked;
  }
  if (!some_blocked) return;
  for (int i = 0; i < context.input_count(); ++i) {
    context.want_input(i, is_single_element(context.input(i)) ? Layout::kPlain : Layout::kBlocked);
  }
  context.set_output(0, Layout::kBlocked);
}

void choose_layout_of_input(LayoutContext& context) {
  if (context.current(0) != Layout::kBlocked || context.input(0).type != DataType::kFloat) return;
  context.want_input(0, Layout::kBlocked);
  context.set_output(0, Layout::kBlocked);
}

}  // namespace attune::ops
