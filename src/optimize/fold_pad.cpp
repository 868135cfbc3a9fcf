// Padding that a convolution or pooling can do itself.
#include <algorithm>
#include <cmath>
#include <limits>

#include "optimize/facts.h"
#include "optimize/passes.h"

namespace attune::optimize {
namespace {

struct Padding {
  std::vector<int64_t> amounts;  // begins of all axes, then ends
  double value = 0.0;
};

/// A Pad node with known, non-negative amounts and a known value.
std::optional<Padding> padding_of(const Node& node) {
  if (node.attributes.get_string("mode", "constant") != "constant") return std::nullopt;
  Padding padding;
  if (node.version < 11) {
    const auto pads = node.attributes.get_ints("pads");
    padding.amounts.assign(pads.begin(), pads.end());
    padding.value = static_cast<double>(node.attributes.get_float("value", 0.0F));
  } else {
    const auto pads = constant_integers(node.input(1));
    if (!pads || node.input(3) != nullptr) return std::nullopt;
    padding.amounts = *pads;
    if (node.input(2) != nullptr) {
      const auto value = constant_scalar(node.input(2));
      if (!value) return std::nullopt;
      padding.value = *value;
    }
  }
  if (std::any_of(padding.amounts.begin(), padding.amounts.end(), [](int64_t pad) { return pad < 0; })) {
    return std::nullopt;
  }
  return padding;
}

bool is_window(const Node& node) { return node.is("Conv") || node.is("MaxPool") || node.is("AveragePool"); }

/// Max pooling pads with minus infinity: as good as 0 where nothing is negative and each window has a real element.
bool suits_max_pool(const Node& node, const Node& pad, const Padding& padding, const std::vector<int64_t>& pads) {
  if (padding.value == -std::numeric_limits<double>::infinity()) return true;
  const Node* producer = pad.input(0)->producer();
  const bool is_positive = producer != nullptr && (producer->is("Relu") || producer->is("Sigmoid"));
  if (padding.value != 0.0 || !is_positive || !node.attributes.get_ints("dilations").empty()) return false;
  const auto kernel = node.attributes.get_ints("kernel_shape");
  for (size_t i = 0; i < pads.size(); ++i) {
    if (kernel.empty() || pads[i] >= kernel[i % kernel.size()]) return false;
  }
  return node.attributes.get_int("ceil_mode", 0) == 0;
}

/// Average pooling counts what a Pad node added.
bool suits_average_pool(const Node& node, const Padding& padding) {
  const auto pads = node.attributes.get_ints("pads");
  const bool unpadded = std::all_of(pads.begin(), pads.end(), [](int64_t pad) { return pad == 0; });
  const bool counts = node.attributes.get_int("count_include_pad", 0) != 0;
  return padding.value == 0.0 && (unpadded || counts) && node.attributes.get_int("ceil_mode", 0) == 0;
}

void visit(Rewriter& rewriter, Node& node) {
  Value* padded = node.input(0);
  const Node* pad = padded == nullptr ? nullptr : padded->producer();
  if (pad == nullptr || !pad->is("Pad")) return;
  if (!rewriter.used_once(padded)) return rewriter.refuse(node, "the padded tensor has other readers");
  const auto padding = padding_of(*pad);
  if (!padding) return rewriter.refuse(node, "the padding is not constant, or not of a constant value");
  const std::string auto_pad = node.attributes.get_string("auto_pad", "NOTSET");
  if (auto_pad != "NOTSET" && auto_pad != "VALID") return rewriter.refuse(node, "its own padding is automatic");
  const size_t rank = padding->amounts.size() / 2;
  if (rank < 3) return;
  for (size_t axis = 0; axis < 2; ++axis) {
    if (padding->amounts[axis] != 0 || padding->amounts[rank + axis] != 0) {
      return rewriter.refuse(node, "the batch or the channels are padded");
    }
  }
  const size_t spatial = rank - 2;
  const auto own = node.attributes.get_ints("pads");
  std::vector<int64_t> pads(own.begin(), own.end());
  pads.resize(2 * spatial, 0);
  for (size_t i = 0; i < spatial; ++i) {
    pads[i] += padding->amounts[2 + i];
    pads[spatial + i] += padding->amounts[rank + 2 + i];
  }
  if (node.is("MaxPool") && !suits_max_pool(node, *pad, *padding, pads)) {
    return rewriter.refuse(node, "the padding may be larger than what it pads");
  }
  if (node.is("AveragePool") && !suits_average_pool(node, *padding)) {
    return rewriter.refuse(node, "the averages would count other elements");
  }
  if (node.is("Conv") && padding->value != 0.0) return rewriter.refuse(node, "the padding is not zero");
  if (node.is("AveragePool")) node.attributes.set("count_include_pad", int64_t{1});
  node.attributes.set("auto_pad", std::string("NOTSET"));
  node.attributes.set("pads", std::move(pads));
  rewriter.set_input(node, 0, pad->input(0));
}

}  // namespace

void fold_pad(Rewriter& rewriter) {
  rewriter.for_each_node([&](Node& node) {
    if (is_window(node)) visit(rewriter, node);
  });
}

}  // namespace attune::optimize
