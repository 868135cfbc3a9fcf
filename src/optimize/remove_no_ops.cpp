// Removes nodes that give one of their inputs unchanged.
#include <algorithm>
#include <array>

#include "optimize/facts.h"
#include "optimize/passes.h"

namespace attune::optimize {
namespace {

bool is_unused(const Rewriter& rewriter, const Value* value) {
  return value == nullptr || (value->users().empty() && !rewriter.graph().is_output(value));
}

/// Dropout outside training; its mask must not be asked for.
bool is_idle_dropout(const Rewriter& rewriter, const Node& node) {
  if (node.version < 7 || !is_unused(rewriter, node.output(1))) return false;
  const Value* training = node.input(2);
  if (training == nullptr) return true;
  return training->is_constant() && training->type == DataType::kBool && training->constant.elements() == 1 &&
         !training->constant.values<bool>()[0];
}

bool pads_nothing(const Node& node) {
  if (node.version < 11) {
    const auto pads = node.attributes.get_ints("pads");
    return std::all_of(pads.begin(), pads.end(), [](int64_t pad) { return pad == 0; });
  }
  const auto pads = constant_integers(node.input(1));
  return pads && std::all_of(pads->begin(), pads->end(), [](int64_t pad) { return pad == 0; });
}

/// Nothing is cut off, and nothing is read backwards.
bool slices_nothing(const Node& node) {
  if (!same_shape(*node.input(0), *node.output(0))) return false;
  if (node.input(4) == nullptr) return true;
  const auto steps = constant_integers(node.input(4));
  return steps && std::all_of(steps->begin(), steps->end(), [](int64_t step) { return step > 0; });
}

bool transposes_nothing(const Node& node) {
  const auto perm = permutation_of(node, rank_of(node.input(0)));
  if (perm.empty()) return rank_of(node.input(0)) == 0;
  return std::is_sorted(perm.begin(), perm.end());
}

/// The dimensions are the same; all but one are enough, because the number of elements is.
bool reshapes_nothing(const Node& node) {
  const Value& x = *node.input(0);
  const Value& y = *node.output(0);
  if (!x.shape || !y.shape || x.shape->rank() != y.shape->rank()) return false;
  int different = 0;
  for (int axis = 0; axis < x.shape->rank(); ++axis) {
    const int64_t from = (*x.shape)[axis];
    const int64_t to = (*y.shape)[axis];
    if (from == 0 || to == 0 || (is_known(from) && is_known(to) && from != to)) return false;
    different += same_dim(from, to) ? 0 : 1;
  }
  return different <= 1;
}

/// x + 0, x - 0, x * 1, x / 1, x ^ 1: the input whose value the node gives, or -1.
int neutral_arithmetic(const Node& node) {
  struct Rule {
    std::string_view op_type;
    double neutral;
    bool either_side;
  };
  static constexpr std::array<Rule, 5> kRules = {
      Rule{"Add", 0.0, true}, {"Sub", 0.0, false}, {"Mul", 1.0, true}, {"Div", 1.0, false}, {"Pow", 1.0, false}};
  const auto rule =
      std::find_if(kRules.begin(), kRules.end(), [&](const Rule& r) { return r.op_type == node.op_type; });
  if (rule == kRules.end() || node.input_count() != 2) return -1;
  for (int kept = 0; kept < (rule->either_side ? 2 : 1); ++kept) {
    const Value* x = node.input(kept);
    const Value* other = node.input(1 - kept);
    if (x == nullptr || !is_filled_with(other, rule->neutral)) continue;
    const bool scalar = other->constant.elements() == 1 &&
                        (other->constant.shape().rank() == 0 || other->constant.shape().rank() <= rank_of(x));
    if (scalar || same_shape(*x, *node.output(0))) return kept;
  }
  return -1;
}

/// The input that output 0 repeats, or -1.
int repeated_input(const Rewriter& rewriter, const Node& node) {
  if (!node.domain.empty() || node.input(0) == nullptr || node.output(0) == nullptr) return -1;
  const std::string& type = node.op_type;
  const Value& x = *node.input(0);
  const auto yes = [](bool condition) { return condition ? 0 : -1; };
  if (type == "Identity") return 0;
  if (type == "Dropout") return yes(is_idle_dropout(rewriter, node));
  if (type == "Cast") return yes(x.type != DataType::kUndefined && x.type == node.output(0)->type);
  if (type == "Reshape" || type == "Squeeze" || type == "Unsqueeze" || type == "Flatten") {
    return yes(reshapes_nothing(node));
  }
  if (type == "Expand" || type == "Tile") return yes(same_shape(x, *node.output(0)));
  if (type == "Transpose") return yes(transposes_nothing(node));
  if (type == "Pad") return yes(pads_nothing(node));
  if (type == "Slice") return yes(slices_nothing(node));
  if (type == "Concat" || type == "Sum" || type == "Max" || type == "Min" || type == "Mean") {
    return yes(node.input_count() == 1);
  }
  if (type == "Split") return yes(node.output_count() == 1 && same_shape(x, *node.output(0)));
  return neutral_arithmetic(node);
}

}  // namespace

void remove_no_ops(Rewriter& rewriter) {
  rewriter.for_each_node([&](Node& node) {
    const int input = repeated_input(rewriter, node);
    if (input >= 0) rewriter.replace_value(node.output(0), node.input(input));
  });
}

}  // namespace attune::optimize
