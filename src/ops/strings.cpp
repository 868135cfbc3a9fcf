// StringConcat, StringSplit, RegexFullMatch: https://onnx.ai/onnx/operators/onnx__StringConcat.html and so on, version
// 20; StringNormalizer: https://onnx.ai/onnx/operators/onnx__StringNormalizer.html, version 10.
//
// Case is Unicode's, whatever `locale` says, by utf8proc; bytes that are not UTF-8 stay as they are. Regular
// expressions are RE2's.
#include <fmt/format.h>
#include <re2/re2.h>
#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "attune/error.h"
#include "ops/broadcast.h"
#include "ops/map_elements.h"
#include "ops/movement.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

class StringConcat final : public Operator {
 public:
  explicit StringConcat(const Node&) {}

  void infer(InferContext& context) const override {
    if (const auto shape = infer_broadcast(context, 2)) {
      context.set_output(0, DataType::kString, *shape);
    } else {
      context.set_output_type(0, DataType::kString);
    }
  }

  void run(RunContext& context) const override {
    const std::array inputs{context.input(0), context.input(1)};
    for_each_broadcast(inputs, context.output(0), kCostlyGrain, context.parallel(), [](const BroadcastRun& run) {
      const auto* a = run.input<std::string>(0);
      const auto* b = run.input<std::string>(1);
      for (int64_t i = 0; i < run.n; ++i) {
        run.output<std::string>()[i] = a[i * run.stride[0]] + b[i * run.stride[1]];
      }
    });
  }
};

class RegexFullMatch final : public Operator {
 public:
  explicit RegexFullMatch(const Node& node) : pattern_(node.attributes.get_string("pattern", ""), RE2::Quiet) {
    if (!pattern_.ok()) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("RegexFullMatch: pattern '{}': {}.", pattern_.pattern(), pattern_.error()));
    }
  }
  void infer(InferContext& context) const override { infer_same_shape(context, DataType::kBool); }
  void run(RunContext& context) const override {
    const auto* x = context.input(0).as<std::string>();
    auto* y = context.output(0).as<bool>();
    for_ranges(context.parallel(), context.input(0).elements(), 64, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) y[i] = RE2::FullMatch(x[i], pattern_);
    });
  }

 private:
  RE2 pattern_;
};

/// Pieces along a new last axis, as many as the string with the most has; what is missing is empty.
class StringSplit final : public Operator {
 public:
  explicit StringSplit(const Node& node) : delimiter_(node.attributes.get_string("delimiter", "")) {
    if (node.attributes.has("maxsplit")) most_ = node.attributes.get_int("maxsplit", 0);
  }

  void infer(InferContext& context) const override {
    context.set_output_type(0, DataType::kString);
    if (context.output_count() > 1) context.set_output_type(1, DataType::kInt64);
    if (!context.has_shape(0)) return;
    Shape pieces = context.shape(0);
    pieces.push_back(context.fresh_dim());
    context.set_output(0, DataType::kString, pieces);
    if (context.output_count() > 1) context.set_output(1, DataType::kInt64, context.shape(0));
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    std::vector<std::vector<std::string_view>> all;
    size_t most = 0;
    for (int64_t i = 0; i < x.elements(); ++i) {
      all.push_back(delimiter_.empty() ? split_at_space(x.as<std::string>()[i]) : split(x.as<std::string>()[i]));
      most = std::max(most, all.back().size());
    }
    Shape shape = x.shape();
    shape.push_back(static_cast<int64_t>(most));
    const TensorView y = output_of_shape(context, 0, shape);
    for (size_t i = 0; i < all.size(); ++i) {
      for (size_t k = 0; k < most; ++k) {
        y.as<std::string>()[i * most + k] = k < all[i].size() ? std::string(all[i][k]) : std::string();
      }
      if (context.has_output(1)) context.output(1).as<int64_t>()[i] = static_cast<int64_t>(all[i].size());
    }
  }

 private:
  bool may_split(const std::vector<std::string_view>& pieces) const {
    return !most_ || *most_ < 0 || static_cast<int64_t>(pieces.size()) < *most_;
  }

  std::vector<std::string_view> split(std::string_view text) const {
    std::vector<std::string_view> pieces;
    for (size_t end = text.find(delimiter_); end != std::string_view::npos && may_split(pieces);
         end = text.find(delimiter_)) {
      pieces.push_back(text.substr(0, end));
      text.remove_prefix(end + delimiter_.size());
    }
    pieces.push_back(text);
    return pieces;
  }

  /// Runs of white space count as one, those at the ends as none.
  std::vector<std::string_view> split_at_space(std::string_view text) const {
    constexpr std::string_view kSpace = " \t\n\v\f\r";
    std::vector<std::string_view> pieces;
    for (size_t start = text.find_first_not_of(kSpace); start != std::string_view::npos;
         start = text.find_first_not_of(kSpace)) {
      text.remove_prefix(start);
      const size_t end = may_split(pieces) ? std::min(text.find_first_of(kSpace), text.size()) : text.size();
      pieces.push_back(text.substr(0, end));
      text.remove_prefix(end);
    }
    return pieces;
  }

  std::string delimiter_;
  std::optional<int64_t> most_;
};

std::string change_case(const std::string& text, bool upper) {
  std::string result;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const auto size = static_cast<utf8proc_ssize_t>(text.size());
  for (utf8proc_ssize_t i = 0; i < size;) {
    utf8proc_int32_t point = 0;
    const utf8proc_ssize_t length = utf8proc_iterate(bytes + i, size - i, &point);
    if (length < 1) {
      result += text[static_cast<size_t>(i++)];
      continue;
    }
    std::array<utf8proc_uint8_t, 4> encoded{};
    const auto count = utf8proc_encode_char(upper ? utf8proc_toupper(point) : utf8proc_tolower(point), encoded.data());
    result.append(reinterpret_cast<const char*>(encoded.data()), static_cast<size_t>(count));
    i += length;
  }
  return result;
}

class StringNormalizer final : public Operator {
 public:
  explicit StringNormalizer(const Node& node) : case_sensitive_(node.attributes.get_int("is_case_sensitive", 0) != 0) {
    const std::string action = node.attributes.get_string("case_change_action", "NONE");
    changes_ = action != "NONE";
    upper_ = action == "UPPER";
    if (changes_ && !upper_ && action != "LOWER") {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("Unknown case_change_action '{}'.", action));
    }
    for (const std::string& word : node.attributes.get_strings("stopwords")) stopwords_.insert(compared(word));
  }

  void infer(InferContext& context) const override {
    context.set_output_type(0, DataType::kString);
    if (!context.has_shape(0)) return;
    const Shape& x = context.shape(0);
    if (x.rank() != 1 && !(x.rank() == 2 && (!is_known(x[0]) || x[0] == 1))) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("StringNormalizer takes [C] or [1, C], not {}.", x.to_string()));
    }
    Shape y = x;
    y[y.rank() - 1] = context.fresh_dim();
    context.set_output(0, DataType::kString, y);
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    std::vector<std::string> kept;
    for (int64_t i = 0; i < x.elements(); ++i) {
      const std::string& word = x.as<std::string>()[i];
      if (!stopwords_.empty() && stopwords_.contains(compared(word))) continue;
      kept.push_back(changes_ ? change_case(word, upper_) : word);
    }
    if (kept.empty()) kept.emplace_back();  // an output without elements is not foreseen
    Shape shape = x.shape();
    shape[shape.rank() - 1] = static_cast<int64_t>(kept.size());
    const TensorView y = output_of_shape(context, 0, shape);
    std::move(kept.begin(), kept.end(), y.as<std::string>());
  }

 private:
  std::string compared(const std::string& word) const { return case_sensitive_ ? word : change_case(word, false); }

  bool case_sensitive_;
  bool changes_ = false;
  bool upper_ = false;
  std::set<std::string> stopwords_;
};

OpDef string_def(std::string_view name, int since, std::unique_ptr<Operator> (*make)(const Node&)) {
  return {
      .name = name,
      .since = since,
      .inputs = {{"X", "T1"}},
      .outputs = {{"Y", "T2"}},
      .types = {{"T1", {DataType::kString}}, {"T2", {DataType::kString}}, {"T3", {DataType::kInt64}}},
      .make = make,
  };
}

}  // namespace

[[gnu::cold]] const OpDef& regex_full_match() {
  static const OpDef def = [] {
    OpDef match = string_def("RegexFullMatch", 20, make_operator<RegexFullMatch>);
    match.types[1].types = {DataType::kBool};
    return match;
  }();
  return def;
}

[[gnu::cold]] const OpDef& string_concat() {
  static const OpDef def = [] {
    OpDef concat = string_def("StringConcat", 20, make_operator<StringConcat>);
    concat.inputs.push_back({"Y", "T1"});
    return concat;
  }();
  return def;
}

[[gnu::cold]] const OpDef& string_normalizer() {
  static const OpDef def = string_def("StringNormalizer", 10, make_operator<StringNormalizer>);
  return def;
}

[[gnu::cold]] const OpDef& string_split() {
  static const OpDef def = [] {
    OpDef split = string_def("StringSplit", 20, make_operator<StringSplit>);
    split.outputs.push_back({"Z", "T3", Occurrence::kOptional});
    return split;
  }();
  return def;
}

}  // namespace attune::ops
