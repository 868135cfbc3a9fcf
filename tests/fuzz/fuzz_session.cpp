// Any bytes given to a session end in a session or in attune::Error; a session whose plan is small runs, or throws
// attune::Error. All of the engine but the Python module stands behind this function.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "attune/attune.h"

namespace {

// Beyond these a model is only slow: nothing new is found by running it.
constexpr int64_t kMostElements = 1 << 12;
constexpr size_t kMostBytes = size_t{1} << 22;
constexpr double kMostFlops = 1e7;

/// The described input with unknown dimensions as 2, and elements that cover zero, negative and large numbers where
/// they are read as such; false when it is large.
bool make_feed(const attune::ValueDescription& input, attune::NamedTensor& feed) {
  if (input.element_type == attune::DataType::kString) return false;
  attune::Shape shape;
  for (const attune::Dimension& dim : input.shape) {
    const auto* size = std::get_if<int64_t>(&dim);
    shape.push_back(size != nullptr ? *size : 2);
  }
  if (std::any_of(shape.begin(), shape.end(), [](int64_t dim) { return dim < 0 || dim > kMostElements; })) return false;
  if (shape.elements() > kMostElements) return false;
  feed.name = input.name;
  feed.tensor = attune::Tensor::allocate(input.element_type, shape);
  auto* bytes = static_cast<uint8_t*>(feed.tensor.raw());
  const bool is_bool = input.element_type == attune::DataType::kBool;
  for (size_t i = 0; i < feed.tensor.bytes(); ++i) {
    const auto mixed = static_cast<uint8_t>((i * 37) >> (i % 5));
    bytes[i] = is_bool ? mixed & 1 : (i % 8 < 2 || i % 3 == 0 ? mixed : 0);
  }
  return true;
}

void run_if_small(attune::InferenceSession& session) {
  std::vector<attune::NamedTensor> feeds;
  std::map<std::string, attune::Shape> shapes;
  for (const attune::ValueDescription& input : session.inputs()) {
    attune::NamedTensor feed;
    if (!make_feed(input, feed)) return;
    shapes[feed.name] = feed.tensor.shape();
    feeds.push_back(std::move(feed));
  }
  const attune::PlanReport plan = session.plan_report(shapes);
  if (plan.region_bytes > kMostBytes || plan.output_bytes > kMostBytes || plan.flops > kMostFlops) return;
  session.run(feeds);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  attune::SessionOptions options;
  options.intra_op_num_threads = 1;
  options.log_severity_level = 4;
  try {
    attune::InferenceSession session(std::as_bytes(std::span(data, size)), nullptr, options);
    run_if_small(session);
  } catch (const attune::Error&) {
    return 0;
  }
  return 0;
}
