// com.microsoft.Tokenizer, https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md, version 1,
// which skl2onnx writes for scikit-learn's text vectorizers. Regular expressions are RE2's.
#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "attune/error.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

using Tokens = std::vector<std::string>;

/// Bytes that begin a character of UTF-8.
int64_t count_characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; });
}

std::unique_ptr<RE2> compile(const std::string& pattern) {
  auto expression = std::make_unique<RE2>(pattern, RE2::Quiet);
  if (expression->ok()) return expression;
  throw Error(ErrorCode::kInvalidGraph, fmt::format("Tokenizer: pattern '{}': {}.", pattern, expression->error()));
}

/// Texts are cut at what the separators match, one separator after the other, or at each character where the only one
/// is empty; or tokens are what `tokenexp` matches. Tokens of fewer than `mincharnum` characters go.
class Tokenizer final : public Operator {
 public:
  explicit Tokenizer(const Node& node)
      : marks_(node.attributes.require_int("mark") != 0),
        least_(node.attributes.require_int("mincharnum")),
        padding_(node.attributes.get_string("pad_value", "")) {
    if (least_ < 1) throw Error(ErrorCode::kInvalidGraph, fmt::format("Tokenizer: mincharnum is {}.", least_));
    const auto separators = node.attributes.get_strings("separators");
    const std::string token = node.attributes.get_string("tokenexp", "");
    if (separators.empty() == token.empty()) {
      throw Error(ErrorCode::kInvalidGraph, "Tokenizer needs either separators or tokenexp.");
    }
    if (!token.empty()) {
      token_ = compile(token);
    } else if (separators.size() > 1 || !separators[0].empty()) {
      for (const std::string& separator : separators) separators_.push_back(compile(separator));
    }
  }

  void infer(InferContext& context) const override {
    context.set_output_type(0, DataType::kString);
    if (!context.has_shape(0)) return;
    Shape y = context.shape(0);
    if (y.rank() < 1 || y.rank() > 2) {
      throw Error(ErrorCode::kInvalidGraph, fmt::format("Tokenizer takes 1 or 2 axes, not {}.", y.to_string()));
    }
    y.push_back(context.fresh_dim());
    context.set_output(0, DataType::kString, y);
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    std::vector<Tokens> rows;
    size_t most = 0;
    for (int64_t i = 0; i < x.elements(); ++i) {
      rows.push_back(tokenize(x.as<std::string>()[i]));
      most = std::max(most, rows.back().size());
    }
    Shape shape = x.shape();
    shape.push_back(static_cast<int64_t>(most) + (marks_ && !rows.empty() ? 2 : 0));
    Tensor y = Tensor::allocate(DataType::kString, shape);
    auto out = y.values<std::string>().begin();
    const size_t width = static_cast<size_t>(shape[shape.rank() - 1]);
    for (Tokens& row : rows) {
      if (marks_) row.insert(row.begin(), kStart);
      if (marks_) row.emplace_back(kEnd);
      row.resize(width, padding_);
      out = std::move(row.begin(), row.end(), out);
    }
    context.give_output(0, std::move(y));
  }

 private:
  static constexpr const char* kStart = "\x02";
  static constexpr const char* kEnd = "\x03";

  Tokens tokenize(const std::string& text) const {
    Tokens tokens;
    const auto keep = [&](std::string_view token) {
      if (count_characters(token) >= least_) tokens.emplace_back(token);
    };
    if (token_ != nullptr) {
      for_each_match(*token_, text, [&](std::string_view match) { keep(match); });
    } else if (separators_.empty()) {
      size_t begin = 0;
      for (size_t i = 1; i <= text.size(); ++i) {
        if (i < text.size() && (static_cast<unsigned char>(text[i]) & 0xC0U) == 0x80U) continue;
        keep(std::string_view(text).substr(begin, i - begin));
        begin = i;
      }
    } else {
      std::vector<std::string_view> parts{text};
      for (const auto& separator : separators_) parts = cut(*separator, parts);
      for (const std::string_view part : parts) keep(part);
    }
    return tokens;
  }

  /// Matches that are not empty, from left to right.
  template <class Use>
  static void for_each_match(const RE2& expression, std::string_view text, Use&& use) {
    const re2::StringPiece piece(text.data(), text.size());
    re2::StringPiece match;
    size_t begin = 0;
    while (begin < text.size() && expression.Match(piece, begin, text.size(), RE2::UNANCHORED, &match, 1)) {
      const auto first = static_cast<size_t>(match.data() - text.data());
      if (!match.empty()) use(text.substr(first, match.size()));
      begin = first + std::max<size_t>(match.size(), 1);
    }
  }

  static std::vector<std::string_view> cut(const RE2& separator, const std::vector<std::string_view>& texts) {
    std::vector<std::string_view> parts;
    for (const std::string_view text : texts) {
      size_t begin = 0;
      for_each_match(separator, text, [&](std::string_view match) {
        const auto end = static_cast<size_t>(match.data() - text.data());
        if (end > begin) parts.push_back(text.substr(begin, end - begin));
        begin = end + match.size();
      });
      if (begin < text.size()) parts.push_back(text.substr(begin));
    }
    return parts;
  }

  bool marks_;
  int64_t least_;
  std::string padding_;
  std::unique_ptr<RE2> token_;
  std::vector<std::unique_ptr<RE2>> separators_;  ///< none: each character is a token
};

}  // namespace

[[gnu::cold]] const OpDef& microsoft_tokenizer() {
  static const OpDef def{
      .domain = "com.microsoft",
      .name = "Tokenizer",
      .inputs = {{"X", "T"}},
      .outputs = {{"Y", "T"}},
      .types = {{"T", {DataType::kString}}},
      .make = make_operator<Tokenizer>,
  };
  return def;
}

}  // namespace attune::ops
