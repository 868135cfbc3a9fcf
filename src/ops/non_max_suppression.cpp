// NonMaxSuppression: https://onnx.ai/onnx/operators/onnx__NonMaxSuppression.html, versions 10 and 11.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <vector>

#include "attune/error.h"
#include "ops/axes.h"
#include "ops/movement.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

/// Corners with low <= high, and the area.
struct Box {
  float y_low, x_low, y_high, x_high, area;
};

Box read_box(const float* p, bool is_center) {
  Box box{};
  if (is_center) {  // x, y, width, height
    box = {p[1] - p[3] / 2, p[0] - p[2] / 2, p[1] + p[3] / 2, p[0] + p[2] / 2, 0};
  } else {  // two opposite corners, in any order
    box = {std::min(p[0], p[2]), std::min(p[1], p[3]), std::max(p[0], p[2]), std::max(p[1], p[3]), 0};
  }
  box.area = (box.y_high - box.y_low) * (box.x_high - box.x_low);
  return box;
}

/// The boxes that stay, a group beside each other so that compilers compare with several at once. Places that are still
/// free have no area, and hide nothing.
class KeptBoxes {
 public:
  void add(const Box& box) {
    const auto place = static_cast<size_t>(count_++) % kGroup;
    if (place == 0) groups_.emplace_back();
    Group& group = groups_.back();
    group.y_low[place] = box.y_low;
    group.x_low[place] = box.x_low;
    group.y_high[place] = box.y_high;
    group.x_high[place] = box.x_high;
    group.area[place] = box.area;
  }

  /// Whether the intersection with any of them is more than `threshold` of the union; never for boxes without an area.
  bool hide(const Box& box, float threshold) const {
    if (!(box.area > 0)) return false;
    for (const Group& group : groups_) {
      int32_t hidden = 0;
      for (size_t i = 0; i < kGroup; ++i) {
        const float width = std::min(box.x_high, group.x_high[i]) - std::max(box.x_low, group.x_low[i]);
        const float height = std::min(box.y_high, group.y_high[i]) - std::max(box.y_low, group.y_low[i]);
        const float both = width * height;
        const float either = box.area + group.area[i] - both;
        hidden |= static_cast<int32_t>(width > 0) & static_cast<int32_t>(height > 0) &
                  static_cast<int32_t>(group.area[i] > 0) & static_cast<int32_t>(either > 0) &
                  static_cast<int32_t>(both / either > threshold);
      }
      if (hidden != 0) return true;
    }
    return false;
  }

 private:
  static constexpr size_t kGroup = 16;
  struct Group {
    std::array<float, kGroup> y_low{};
    std::array<float, kGroup> x_low{};
    std::array<float, kGroup> y_high{};
    std::array<float, kGroup> x_high{};
    std::array<float, kGroup> area{};
  };
  std::vector<Group> groups_;
  int64_t count_ = 0;
};

struct Limits {
  int64_t most = 0;
  float overlap = 0;
  float score = -std::numeric_limits<float>::infinity();
  bool has_score = false;
};

/// A number that is larger for the better candidate: the higher score, of equal ones the lower index.
uint64_t rank_of(float score, int64_t index) {
  const auto bits = std::bit_cast<uint32_t>(score + 0.0F);  // the two zeros are equal
  const uint32_t ordered = (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
  return uint64_t{ordered} << 32 | (0xFFFFFFFFU - static_cast<uint32_t>(index));
}

int64_t index_of(uint64_t rank) { return 0xFFFFFFFFU - static_cast<uint32_t>(rank); }

/// The boxes that stay for one class of one image, best first; of equal scores the lower index. The candidates are a
/// heap: often enough boxes are found long before all are in order.
std::vector<int64_t> select(const float* boxes, const float* scores, int64_t count, bool is_center,
                            const Limits& limits) {
  std::vector<uint64_t> candidates;
  candidates.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    // A score that is no number has no place in an order.
    const bool counts = limits.has_score ? scores[i] > limits.score : scores[i] == scores[i];
    if (counts) candidates.push_back(rank_of(scores[i], i));
  }
  std::make_heap(candidates.begin(), candidates.end());
  std::vector<int64_t> kept;
  KeptBoxes kept_boxes;
  while (!candidates.empty() && static_cast<int64_t>(kept.size()) < limits.most) {
    std::pop_heap(candidates.begin(), candidates.end());
    const int64_t candidate = index_of(candidates.back());
    candidates.pop_back();
    const Box box = read_box(boxes + candidate * 4, is_center);
    if (kept_boxes.hide(box, limits.overlap)) continue;
    kept.push_back(candidate);
    kept_boxes.add(box);
  }
  return kept;
}

class NonMaxSuppression final : public Operator {
 public:
  explicit NonMaxSuppression(const Node& node) : is_center_(node.attributes.get_int("center_point_box", 0) != 0) {
    const int64_t kind = node.attributes.get_int("center_point_box", 0);
    if (kind != 0 && kind != 1) {
      throw Error(ErrorCode::kInvalidGraph, "center_point_box only support 0 or 1");
    }
  }

  void infer(InferContext& context) const override {
    if (context.has_shape(0) && context.has_shape(1)) check_shapes(context.shape(0), context.shape(1));
    context.set_output(0, DataType::kInt64, Shape{context.fresh_dim(), 3});
  }

  void run(RunContext& context) const override {
    const TensorView& boxes = context.input(0);
    const TensorView& scores = context.input(1);
    check_shapes(boxes.shape(), scores.shape());
    const Limits limits = read_limits(context);
    const int64_t classes = scores.dim(1);
    const int64_t count = scores.dim(2);
    std::vector<std::vector<int64_t>> kept(static_cast<size_t>(scores.dim(0) * classes));
    if (limits.most > 0) {
      for_ranges(context.parallel(), static_cast<int64_t>(kept.size()), std::max<int64_t>(4096 / (count + 1), 1),
                 [&](int64_t begin, int64_t end, int) {
                   for (int64_t i = begin; i < end; ++i) {
                     kept[static_cast<size_t>(i)] = select(boxes.as<float>() + i / classes * count * 4,
                                                           scores.as<float>() + i * count, count, is_center_, limits);
                   }
                 });
    }
    int64_t total = 0;
    for (const auto& list : kept) total += static_cast<int64_t>(list.size());
    const Shape shape{total, 3};
    auto* out = output_of_shape(context, 0, shape).as<int64_t>();
    for (size_t i = 0; i < kept.size(); ++i) {
      for (const int64_t box : kept[i]) {
        *out++ = static_cast<int64_t>(i) / classes;
        *out++ = static_cast<int64_t>(i) % classes;
        *out++ = box;
      }
    }
  }

 private:
  static void check_shapes(const Shape& boxes, const Shape& scores) {
    if (boxes.rank() != 3 || scores.rank() != 3) {
      throw Error(ErrorCode::kInvalidGraph, "boxes and scores must be 3D tensors.");
    }
    agree_dims(boxes[0], scores[0], "boxes and scores should have same num_batches");
    agree_dims(boxes[1], scores[2], "boxes and scores should have same spatial_dimension");
    agree_dims(boxes[2], 4, "The most inner dimension in boxes must have 4 data");
  }

  static Limits read_limits(const RunContext& context) {
    for (int i = 2; i < context.input_count(); ++i) {
      if (context.has_input(i) && context.input(i).elements() != 1) {
        throw Error(ErrorCode::kInvalidArgument, "NonMaxSuppression: limits must have exactly one element.");
      }
    }
    Limits limits;
    if (context.has_input(2)) limits.most = std::max<int64_t>(context.input(2).integer(0), 0);
    if (context.has_input(3)) limits.overlap = *context.input(3).as<float>();
    if (!(limits.overlap >= 0 && limits.overlap <= 1)) {
      throw Error(ErrorCode::kInvalidArgument, "iou_threshold must be in range [0, 1].");
    }
    limits.has_score = context.has_input(4);
    if (limits.has_score) limits.score = *context.input(4).as<float>();
    return limits;
  }

  bool is_center_;
};

}  // namespace

[[gnu::cold]] const OpDef& non_max_suppression() {
  static const OpDef def{
      .name = "NonMaxSuppression",
      .since = 10,
      .inputs = {{"boxes", "tensor(float)"},
                 {"scores", "tensor(float)"},
                 {"max_output_boxes_per_class", "tensor(int64)", Occurrence::kOptional},
                 {"iou_threshold", "tensor(float)", Occurrence::kOptional},
                 {"score_threshold", "tensor(float)", Occurrence::kOptional}},
      .outputs = {{"selected_indices", "tensor(int64)"}},
      .types = {{"tensor(float)", kFloatOnly}, {"tensor(int64)", {DataType::kInt64}}},
      .make = make_operator<NonMaxSuppression>,
  };
  return def;
}

}  // namespace attune::ops
