// Runs a session that a fuzzer made, unless that would only take long.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "attune/attune.h"

namespace attune::fuzz {

// Beyond these a model is only slow: nothing new is found by running it.
constexpr int64_t kMostElements = 1 << 12;
constexpr size_t kMostBytes = size_t{1} << 22;
constexpr double kMostFlops = 1e7;
/// What ends a Loop without an end. A step that does not look at the clock goes on until the fuzzer calls it a hang.
constexpr std::chrono::seconds kMostTime{2};

/// The described input with unknown dimensions as 2, and elements that cover zero, negative and large numbers where
/// they are read as such; false when it is large.
inline bool make_feed(const ValueDescription& input, NamedTensor& feed) {
  if (input.element_type == DataType::kString) return false;
  Shape shape;
  for (const Dimension& dim : input.shape) {
    const auto* size = std::get_if<int64_t>(&dim);
    shape.push_back(size != nullptr ? *size : 2);
  }
  if (std::any_of(shape.begin(), shape.end(), [](int64_t dim) { return dim < 0 || dim > kMostElements; })) return false;
  if (shape.elements() > kMostElements) return false;
  feed.name = input.name;
  feed.tensor = Tensor::allocate(input.element_type, shape);
  auto* bytes = static_cast<uint8_t*>(feed.tensor.raw());
  const bool is_bool = input.element_type == DataType::kBool;
  for (size_t i = 0; i < feed.tensor.bytes(); ++i) {
    const auto mixed = static_cast<uint8_t>((i * 37) >> (i % 5));
    bytes[i] = is_bool ? mixed & 1 : (i % 8 < 2 || i % 3 == 0 ? mixed : 0);
  }
  return true;
}

/// Integers of a few units: where sizes depend on what is fed, larger ones only take long.
inline void make_small(Tensor& tensor) {
  const auto shrink = [](auto values) {
    for (auto& value : values) value %= 8;
  };
  if (tensor.type() == DataType::kInt32) shrink(tensor.values<int32_t>());
  if (tensor.type() == DataType::kInt64) shrink(tensor.values<int64_t>());
}

inline void run_if_small(InferenceSession& session) {
  std::vector<NamedTensor> feeds;
  std::map<std::string, Shape> shapes;
  for (const ValueDescription& input : session.inputs()) {
    NamedTensor feed;
    if (!make_feed(input, feed)) return;
    shapes[feed.name] = feed.tensor.shape();
    feeds.push_back(std::move(feed));
  }
  RunOptions options;
  options.timeout = kMostTime;
  const PlanReport plan = session.plan_report(shapes);
  if (plan.region_bytes > kMostBytes || plan.output_bytes > kMostBytes || plan.flops > kMostFlops) return;
  for (NamedTensor& feed : feeds) {
    if (!plan.is_complete || feed.tensor.elements() == 1) make_small(feed.tensor);
  }
  session.run(feeds, {}, options);
}

/// Loads the model and runs it; attune::Error is a fine end.
inline int load_and_run(std::span<const std::byte> model) {
  SessionOptions options;
  options.intra_op_num_threads = 1;
  options.log_severity_level = 4;
  try {
    InferenceSession session(model, nullptr, options);
    run_if_small(session);
  } catch (const Error&) {
    return 0;
  }
  return 0;
}

}  // namespace attune::fuzz
