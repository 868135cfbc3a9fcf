// Broadcasting before version 7: only B is repeated, only when the attribute `broadcast` says so, and its dimensions
// are those of A from the attribute `axis` on (the last ones without it).
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "graph/graph.h"
#include "ops/broadcast.h"
#include "ops/operator.h"

namespace attune::ops {

/// How a node's two operands meet. Thread safety: an immutable value.
class OldBroadcast {
 public:
  /// `axis`: where B begins when the node, of a version before 7, does not say; -1 for the last dimensions.
  explicit OldBroadcast(const Node& node, int64_t axis = -1);

  /// Whether the node follows these rules.
  bool applies() const { return applies_; }

  /// The shape of B with ones behind it, so that numpy's rules give the result. Throws Error(kInvalidGraph).
  Shape aligned(const Shape& a, const Shape& b) const;

  /// Output 0 has A's shape. Throws Error(kInvalidGraph) when B does not fit.
  void infer(InferContext& context, DataType type) const;

 private:
  bool applies_;
  bool broadcasts_;
  int64_t axis_;
};

/// The operands of a node with two inputs, B aligned if it is an old one.
class OldOperands {
 public:
  OldOperands(const OldBroadcast& rules, const RunContext& context) : views_{context.input(0), context.input(1)} {
    if (!rules.applies()) return;
    shape_ = rules.aligned(views_[0].shape(), views_[1].shape());
    views_[1].dims = &shape_;
  }
  OldOperands(const OldOperands&) = delete;
  OldOperands& operator=(const OldOperands&) = delete;

  const std::array<TensorView, 2>& views() const { return views_; }

 private:
  Shape shape_;
  std::array<TensorView, 2> views_;
};

}  // namespace attune::ops
