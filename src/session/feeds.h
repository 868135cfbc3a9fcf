// Checks what a caller feeds and asks for against what the model states.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attune/session.h"
#include "graph/graph.h"

namespace attune {

std::vector<ValueDescription> describe_inputs(const Graph& graph);
std::vector<ValueDescription> describe_overridable(const Graph& graph);
/// Call after inference: types that the model leaves out are inferred ones.
std::vector<ValueDescription> describe_outputs(const Graph& graph);

/// What a caller feeds, in the model's order.
struct MatchedFeeds {
  std::vector<Tensor> inputs;
  /// One for each overridable initializer, no tensor where it keeps its value; empty when all do.
  std::vector<Tensor> initializers;
};

/// Throws Error(kInvalidArgument) with onnxruntime's texts for a name that is not an input, a missing input, a wrong
/// element type, rank or dimension.
MatchedFeeds match_feeds(std::span<const ValueDescription> inputs, std::span<const ValueDescription> overridable,
                         std::span<const NamedTensor> feeds);

/// Indices of the named outputs; all of them when `names` is empty. Throws Error(kInvalidArgument) for an unknown one.
std::vector<size_t> match_outputs(std::span<const ValueDescription> outputs, std::span<const std::string> names);

/// Throws Error(kInvalidArgument) when the shape's rank or a dimension does not fit. `kind` is "input" or "output".
void check_shape(const ValueDescription& value, const Shape& shape, std::string_view kind = "input");

/// The same for the element type, too.
void check_tensor(const ValueDescription& value, const Tensor& tensor, std::string_view kind);

}  // namespace attune
