#include "ops/old_broadcast.h"

#include <fmt/format.h>

#include "attune/error.h"
#include "graph/symbols.h"

namespace attune::ops {

OldBroadcast::OldBroadcast(const Node& node, int64_t axis)
    : applies_(node.domain.empty() && node.version < 7),
      broadcasts_(applies_ && (axis >= 0 || node.attributes.get_int("broadcast", 0) != 0)),
      axis_(applies_ ? node.attributes.get_int("axis", axis) : -1) {}

Shape OldBroadcast::aligned(const Shape& a, const Shape& b) const {
  const auto fail = [&] {
    throw Error(ErrorCode::kInvalidGraph,
                fmt::format("Shape {} cannot be broadcast to {} from axis {} on, as versions before 7 ask.",
                            b.to_string(), a.to_string(), axis_));
  };
  if (b.rank() > a.rank()) fail();
  // One element fits everywhere.
  const bool is_scalar = b.is_concrete() && b.product(0, b.rank()) == 1;
  const int first = is_scalar || axis_ < 0 ? a.rank() - b.rank() : static_cast<int>(axis_);
  if (first + b.rank() > a.rank()) fail();
  for (int i = 0; i < b.rank(); ++i) {
    const int64_t wanted = a[first + i];
    const bool one = broadcasts_ && b[i] == 1;
    if (!one && is_known(wanted) && is_known(b[i]) && wanted != b[i]) fail();
  }
  if (!broadcasts_ && a.rank() != b.rank()) fail();
  Shape result = b;
  while (result.rank() < a.rank() - first) result.push_back(1);
  return result;
}

void OldBroadcast::infer(InferContext& context, DataType type) const {
  if (!context.has_shape(0)) return context.set_output_type(0, type);
  if (context.has_shape(1)) aligned(context.shape(0), context.shape(1));
  context.set_output(0, type, context.shape(0));
}

}  // namespace attune::ops
