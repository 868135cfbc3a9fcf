// Unique: https://onnx.ai/onnx/operators/onnx__Unique.html, versions 11 to 28. All NaN are one value, the largest, as
// in onnxruntime; complex numbers are not supported.
#include <algorithm>
#include <numeric>
#include <optional>
#include <string>

#include "kernels/copy.h"
#include "ops/axes.h"
#include "ops/movement.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

/// -1, 0 or 1, NaN above everything.
template <class T>
int compare(const T& a, const T& b) {
  if (a < b) return -1;
  if (b < a) return 1;
  if constexpr (std::is_floating_point_v<T>) return (a != a) - (b != b);
  return 0;
}

/// The input as items along an axis: item i is made of the runs [o][i] of every outer index o.
struct Items {
  int64_t outer = 1;
  int64_t count = 0;
  int64_t run = 1;
};

/// What the outputs say.
struct Groups {
  std::vector<int64_t> first;    ///< of each group, its first item
  std::vector<int64_t> inverse;  ///< of each item, its group
  std::vector<int64_t> counts;   ///< of each group, its size
};

template <class T>
Groups group_items(const T* values, const Items& items, bool sorted) {
  const auto order_of = [&](int64_t a, int64_t b) {
    for (int64_t o = 0; o < items.outer; ++o) {
      const T* left = values + (o * items.count + a) * items.run;
      const T* right = values + (o * items.count + b) * items.run;
      for (int64_t k = 0; k < items.run; ++k) {
        if (const int order = compare(left[k], right[k]); order != 0) return order;
      }
    }
    return 0;
  };
  std::vector<int64_t> order(static_cast<size_t>(items.count));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return order_of(a, b) < 0; });
  Groups groups;
  groups.inverse.resize(order.size());
  for (size_t i = 0; i < order.size(); ++i) {
    if (i == 0 || order_of(order[i - 1], order[i]) != 0) {
      groups.first.push_back(order[i]);
      groups.counts.push_back(0);
    }
    ++groups.counts.back();
    groups.inverse[static_cast<size_t>(order[i])] = static_cast<int64_t>(groups.first.size()) - 1;
  }
  if (sorted) return groups;
  // By first appearance instead.
  std::vector<int64_t> rank(groups.first.size());
  std::iota(rank.begin(), rank.end(), int64_t{0});
  std::sort(rank.begin(), rank.end(), [&](int64_t a, int64_t b) {
    return groups.first[static_cast<size_t>(a)] < groups.first[static_cast<size_t>(b)];
  });
  Groups appeared;
  std::vector<int64_t> place(rank.size());
  for (size_t i = 0; i < rank.size(); ++i) {
    const auto group = static_cast<size_t>(rank[i]);
    appeared.first.push_back(groups.first[group]);
    appeared.counts.push_back(groups.counts[group]);
    place[group] = static_cast<int64_t>(i);
  }
  for (const int64_t group : groups.inverse) appeared.inverse.push_back(place[static_cast<size_t>(group)]);
  return appeared;
}

class Unique final : public Operator {
 public:
  explicit Unique(const Node& node) : sorted_(node.attributes.get_int("sorted", 1) != 0) {
    if (node.attributes.has("axis")) axis_ = node.attributes.get_int("axis", 0);
  }

  void infer(InferContext& context) const override {
    const int64_t count = context.fresh_dim();
    if (!axis_) {
      context.set_output(0, context.type(0), Shape{count});
    } else if (context.has_shape(0)) {
      Shape shape = context.shape(0);
      shape[resolve_axis(*axis_, shape.rank())] = count;
      context.set_output(0, context.type(0), shape);
    } else {
      context.set_output_type(0, context.type(0));
    }
    if (context.output_count() > 1) context.set_output(1, DataType::kInt64, Shape{count});
    if (context.output_count() > 2) context.set_output(2, DataType::kInt64, Shape{count_items(context)});
    if (context.output_count() > 3) context.set_output(3, DataType::kInt64, Shape{count});
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    Shape shape = axis_ ? x.shape() : Shape{x.elements()};
    const int axis = axis_ ? resolve_axis(*axis_, x.rank()) : 0;
    const Items items{shape.product(0, axis), shape[axis], shape.product(axis + 1, shape.rank())};
    Groups groups;
    if (x.type == DataType::kString) {
      groups = group_items(x.as<std::string>(), items, sorted_);
    } else if (x.type == DataType::kBool) {
      groups = group_items(x.as<bool>(), items, sorted_);
    } else {
      with_number_type(x.type, [&](auto value) { groups = group_items(x.as<decltype(value)>(), items, sorted_); });
    }
    shape[axis] = static_cast<int64_t>(groups.first.size());
    if (context.has_output(0)) {
      const TensorView y = output_of_shape(context, 0, shape);
      kernels::gather_runs(element_of(x.type), x.data, items.outer, items.count, items.run, groups.first.data(),
                           shape[axis], y.data, context.parallel());
    }
    write(context, 1, groups.first);
    write(context, 2, groups.inverse);
    write(context, 3, groups.counts);
  }

 private:
  int64_t count_items(InferContext& context) const {
    if (!context.has_shape(0)) return context.fresh_dim();
    const Shape& shape = context.shape(0);
    return axis_ ? shape[resolve_axis(*axis_, shape.rank())] : multiply_dims(context, shape, 0, shape.rank());
  }

  static void write(RunContext& context, int i, const std::vector<int64_t>& values) {
    if (!context.has_output(i)) return;
    const Shape shape{static_cast<int64_t>(values.size())};
    std::copy(values.begin(), values.end(), output_of_shape(context, i, shape).as<int64_t>());
  }

  bool sorted_;
  std::optional<int64_t> axis_;
};

}  // namespace

[[gnu::cold]] const OpDef& unique() {
  static const OpDef def{
      .name = "Unique",
      .since = 11,
      .inputs = {{"X", "T"}},
      .outputs = {{"Y", "T"},
                  {"indices", "tensor(int64)", Occurrence::kOptional},
                  {"inverse_indices", "tensor(int64)", Occurrence::kOptional},
                  {"counts", "tensor(int64)", Occurrence::kOptional}},
      .types = {{"T", kNumbers | TypeSet{DataType::kBool, DataType::kString}}, {"tensor(int64)", {DataType::kInt64}}},
      .make = make_operator<Unique>,
  };
  return def;
}

}  // namespace attune::ops
