// Einsum: https://onnx.ai/onnx/operators/onnx__Einsum.html, version 12: any number of operands, repeated letters
// (diagonals), the ellipsis, the output left out.
//
// Operands are joined one after the other. Letters that no later operand and not the output has are summed at once, so
// that a join of two is a batched matrix product: [batch..., rows..., sum...] by [batch..., columns..., sum...]. An
// operand is read where it lies if its rows, columns and summed letters are each one axis with a stride; else it is
// reordered. The last product is written to the output if its letters come out in the output's order.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "attune/error.h"
#include "kernels/gemm.h"
#include "ops/element_types.h"
#include "ops/matrix_loop.h"
#include "ops/movement.h"
#include "ops/op_def.h"
#include "ops/reduction.h"
#include "ops/workspace.h"

namespace attune::ops {
namespace {

/// The dimensions that an ellipsis stands for are letters of their own: digits, the last dimension '0'.
constexpr int kMostEllipsis = 10;

/// A dense tensor whose axes have letters.
struct Term {
  std::string letters;
  Shape shape;
  Tensor owned;  ///< when it is an intermediate result
  const void* data = nullptr;

  int64_t size(char letter) const {
    const size_t place = letters.find(letter);
    return place == std::string::npos ? 1 : shape[static_cast<int>(place)];
  }
};

class Einsum final : public Operator {
 public:
  explicit Einsum(const Node& node) {
    std::string equation = node.attributes.get_string("equation", "");
    equation.erase(std::remove(equation.begin(), equation.end(), ' '), equation.end());
    if (equation.empty()) throw Error(ErrorCode::kInvalidGraph, "Einsum: the equation is missing.");
    text_ = equation;
    const size_t arrow = equation.find("->");
    has_output_ = arrow != std::string::npos;
    if (has_output_) output_ = check(equation.substr(arrow + 2));
    const std::string left = equation.substr(0, arrow);
    for (size_t start = 0; start <= left.size();) {
      const size_t end = std::min(left.find(',', start), left.size());
      terms_.push_back(check(left.substr(start, end - start)));
      start = end + 1;
    }
    if (!has_output_) output_ = implied_output();
    for (const char c : output_) {
      if (c != '.' && std::count(output_.begin(), output_.end(), c) > 1) fail("a letter appears twice in the output");
    }
  }

  void infer(InferContext& context) const override {
    context.set_output_type(0, context.type(0));
    if (context.input_count() != static_cast<int>(terms_.size())) {
      fail(fmt::format("it has {} terms for {} inputs", terms_.size(), context.input_count()));
    }
    for (int i = 0; i < context.input_count(); ++i) {
      if (!context.has_shape(i)) return;
    }
    std::map<char, int64_t> sizes;
    int ellipsis = 0;
    for (int i = 0; i < context.input_count(); ++i) {
      const Shape& shape = context.shape(i);
      const std::string letters = letters_of(i, shape.rank());
      ellipsis = std::max(ellipsis, shape.rank() - named(terms_[static_cast<size_t>(i)]));
      for (int axis = 0; axis < shape.rank(); ++axis) {
        const char letter = letters[static_cast<size_t>(axis)];
        const auto [entry, fresh] = sizes.try_emplace(letter, shape[axis]);
        if (fresh) continue;
        int64_t& known = entry->second;
        if (is_known(known) && is_known(shape[axis]) && known != shape[axis] && known != 1 && shape[axis] != 1) {
          fail(fmt::format("'{}' is {} and {}", letter, known, shape[axis]));
        }
        if (known == 1 || (!is_known(known) && is_known(shape[axis]) && shape[axis] != 1)) known = shape[axis];
      }
    }
    Shape result;
    for (const char letter : expand(output_, ellipsis)) {
      const auto size = sizes.find(letter);
      if (size == sizes.end()) fail(fmt::format("no input has '{}'", letter));
      result.push_back(size->second);
    }
    context.set_output(0, context.type(0), result);
  }

  void run(RunContext& context) const override {
    std::vector<Term> terms;
    int ellipsis = 0;
    for (int i = 0; i < context.input_count(); ++i) {
      const TensorView& view = context.input(i);
      terms.push_back({letters_of(i, view.rank()), view.shape(), {}, view.data});
      ellipsis = std::max(ellipsis, view.rank() - named(terms_[static_cast<size_t>(i)]));
    }
    const std::string output = expand(output_, ellipsis);
    const DataType type = context.input(0).type;
    Parallel& parallel = context.parallel();
    for (size_t i = 0; i < terms.size(); ++i) {
      terms[i] = merge_repeated(std::move(terms[i]), type, parallel);
      terms[i] = drop_ones(std::move(terms[i]), terms, output);
    }
    Term joined = std::move(terms[0]);
    for (size_t i = 1; i < terms.size(); ++i) {
      std::string wanted = output;
      for (size_t later = i + 1; later < terms.size(); ++later) wanted += terms[later].letters;
      const bool is_last = i + 1 == terms.size();
      joined = join(joined, terms[i], wanted, is_last ? &output : nullptr, context);
    }
    finish(std::move(joined), output, context);
  }

  /// For the product of two; more products than one have memory of their own.
  size_t workspace_bytes(std::span<const TensorView> inputs, std::span<const TensorView>, int threads) const override {
    if (inputs.size() != 2 || inputs[0].type != DataType::kFloat) return 0;
    std::map<char, int64_t> sizes;
    std::array<std::string, 2> letters;
    int ellipsis = 0;
    for (size_t i = 0; i < 2; ++i) {
      letters[i] = letters_of(static_cast<int>(i), inputs[i].rank());
      ellipsis = std::max(ellipsis, inputs[i].rank() - named(terms_[i]));
      for (int axis = 0; axis < inputs[i].rank(); ++axis) {
        int64_t& size = sizes[letters[i][static_cast<size_t>(axis)]];
        size = std::max(size, inputs[i].dim(axis));
      }
    }
    const std::string output = expand(output_, ellipsis);
    kernels::GemmShape shape{1, 1, 1};
    for (const auto& [letter, size] : sizes) {
      const bool left = letters[0].find(letter) != std::string::npos;
      const bool right = letters[1].find(letter) != std::string::npos;
      const bool kept = output.find(letter) != std::string::npos;
      if (left && right && !kept) shape.k *= size;
      if (left && !right && kept) shape.m *= size;
      if (!left && right && kept) shape.n *= size;
    }
    return kernels::gemm_workspace_size(shape, threads) * sizeof(float);
  }

  double flops(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    std::map<char, int64_t> sizes;
    for (size_t i = 0; i < inputs.size(); ++i) {
      const std::string letters = letters_of(static_cast<int>(i), inputs[i].rank());
      for (int axis = 0; axis < inputs[i].rank(); ++axis) {
        int64_t& size = sizes[letters[static_cast<size_t>(axis)]];
        size = std::max(size, inputs[i].dim(axis));
      }
    }
    double product = 2.0;
    for (const auto& [letter, size] : sizes) product *= static_cast<double>(size);
    return inputs.size() < 2 ? static_cast<double>(outputs[0].elements()) : product;
  }

 private:
  [[noreturn]] void fail(std::string_view why) const {
    throw Error(ErrorCode::kInvalidGraph, fmt::format("Einsum: equation '{}': {}.", text_, why));
  }

  /// Letters, and "..." as one '.'.
  std::string check(const std::string& term) const {
    std::string result;
    for (size_t i = 0; i < term.size(); ++i) {
      const char c = term[i];
      if (term.compare(i, 3, "...") == 0) {
        if (result.find('.') != std::string::npos) fail("a term has two ellipses");
        result += '.';
        i += 2;
      } else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
        result += c;
      } else {
        fail(fmt::format("'{}' is not a letter", c));
      }
    }
    return result;
  }

  /// Letters that appear once, in alphabetical order, behind the ellipsis.
  std::string implied_output() const {
    std::map<char, int> counts;
    for (const std::string& term : terms_) {
      for (const char c : term) ++counts[c];
    }
    std::string result = counts.contains('.') ? "." : "";
    for (const auto& [letter, count] : counts) {
      if (letter != '.' && count == 1) result += letter;
    }
    return result;
  }

  static int named(const std::string& term) {
    return static_cast<int>(term.size()) - (term.find('.') != std::string::npos ? 1 : 0);
  }

  static std::string expand(const std::string& term, int ellipsis) {
    std::string result;
    for (const char c : term) {
      if (c != '.') {
        result += c;
      } else {
        for (int i = ellipsis - 1; i >= 0; --i) result += static_cast<char>('0' + i);
      }
    }
    return result;
  }

  std::string letters_of(int i, int rank) const {
    const std::string& term = terms_[static_cast<size_t>(i)];
    const int rest = rank - named(term);
    const bool fits = term.find('.') == std::string::npos ? rest == 0 : rest >= 0 && rest <= kMostEllipsis;
    if (!fits) fail(fmt::format("input {} has {} axes", i, rank));
    return expand(term, rest);
  }

  /// A letter twice in a term: its diagonal.
  static Term merge_repeated(Term term, DataType type, Parallel& parallel) {
    std::string letters;
    Shape shape;
    Shape strides;
    const Shape own = strides_of(term.shape);
    bool repeated = false;
    for (int axis = 0; axis < term.shape.rank(); ++axis) {
      const char letter = term.letters[static_cast<size_t>(axis)];
      const size_t place = letters.find(letter);
      if (place == std::string::npos) {
        letters += letter;
        shape.push_back(term.shape[axis]);
        strides.push_back(own[axis]);
        continue;
      }
      repeated = true;
      const auto first = static_cast<int>(place);
      if (shape[first] != term.shape[axis]) {
        throw Error(ErrorCode::kInvalidArgument,
                    fmt::format("Einsum: '{}' is {} and {} in one term.", letter, shape[first], term.shape[axis]));
      }
      strides[first] += own[axis];
    }
    if (!repeated) return term;
    return rearrange(term, letters, shape, strides, type, parallel);
  }

  /// An axis of one that another operand has longer is broadcast: without it.
  static Term drop_ones(Term term, const std::vector<Term>& all, const std::string& output) {
    std::string letters;
    Shape shape;
    for (int axis = 0; axis < term.shape.rank(); ++axis) {
      const char letter = term.letters[static_cast<size_t>(axis)];
      const bool longer =
          std::any_of(all.begin(), all.end(), [&](const Term& other) { return other.size(letter) > 1; });
      if (term.shape[axis] == 1 && (longer || output.find(letter) == std::string::npos)) continue;
      letters += letter;
      shape.push_back(term.shape[axis]);
    }
    term.letters = letters;
    term.shape = shape;
    return term;
  }

  static Term rearrange(const Term& term, const std::string& letters, const Shape& shape, const Shape& strides,
                        DataType type, Parallel& parallel) {
    Term result{letters, shape, Tensor::allocate(type, shape), nullptr};
    if (result.owned.elements() > 0) {
      copy_box(type, shape, term.data, 0, strides, result.owned.raw(), 0, strides_of(shape), parallel);
    }
    result.data = result.owned.raw();
    return result;
  }

  /// The same tensor with its axes in the order of `letters`.
  static Term ordered(Term term, const std::string& letters, DataType type, Parallel& parallel) {
    if (term.letters == letters) return term;
    const Shape own = strides_of(term.shape);
    Shape shape;
    Shape strides;
    for (const char letter : letters) {
      const auto axis = static_cast<int>(term.letters.find(letter));
      shape.push_back(term.shape[axis]);
      strides.push_back(own[axis]);
    }
    return rearrange(term, letters, shape, strides, type, parallel);
  }

  /// Sums over the letters that are not in `kept`.
  static Term summed(Term term, const std::string& kept, DataType type, Parallel& parallel) {
    uint32_t axes = 0;
    Term result;
    for (int axis = 0; axis < term.shape.rank(); ++axis) {
      const char letter = term.letters[static_cast<size_t>(axis)];
      if (kept.find(letter) == std::string::npos) {
        axes |= 1U << static_cast<uint32_t>(axis);
      } else {
        result.letters += letter;
        result.shape.push_back(term.shape[axis]);
      }
    }
    if (axes == 0) return term;
    result.owned = Tensor::allocate(type, result.shape);
    result.data = result.owned.raw();
    reduce(ReduceKind::kSum, type, term.data, term.shape, axes, result.owned.raw(), parallel);
    return result;
  }

  /// Letters of `term` that `test` holds for, in its order.
  template <class Test>
  static std::string pick(const Term& term, Test&& test) {
    std::string result;
    for (const char letter : term.letters) {
      if (test(letter)) result += letter;
    }
    return result;
  }

  /// The distance between neighbours of `letters` counted as one axis; nullopt when they do not lie like one. Zero for
  /// no letters.
  static std::optional<int64_t> stride_of(const Term& term, const std::string& letters) {
    if (letters.empty()) return 0;
    const size_t first = term.letters.find(letters);
    if (first == std::string::npos) return std::nullopt;
    return strides_of(term.shape)[static_cast<int>(first + letters.size() - 1)];
  }

  /// An operand of a product: where its matrices begin, and how far apart their rows and columns are.
  struct Operand {
    Term term;
    int64_t outer_stride = 0;  ///< of the letters that stay: rows of A, columns of B
    int64_t sum_stride = 0;
    Shape batch_strides;

    int64_t offset(int64_t index, const Shape& batch) const {
      int64_t result = 0;
      for (int axis = batch.rank() - 1; axis >= 0; --axis) {
        result += index % batch[axis] * batch_strides[axis];
        index /= batch[axis];
      }
      return result;
    }
  };

  static Operand make_operand(Term term, const std::string& batch, const std::string& outer, const std::string& sum,
                              DataType type, Parallel& parallel) {
    term = summed(std::move(term), batch + outer + sum, type, parallel);
    std::optional<int64_t> outer_stride = stride_of(term, outer);
    std::optional<int64_t> sum_stride = stride_of(term, sum);
    // Kernels want one of them to be 1, or they gather element by element.
    const bool fits = outer_stride && sum_stride && (*outer_stride <= 1 || *sum_stride <= 1);
    if (!fits) {
      term = ordered(std::move(term), batch + outer + sum, type, parallel);
      outer_stride = stride_of(term, outer);
      sum_stride = stride_of(term, sum);
    }
    Operand operand{std::move(term), outer_stride.value_or(0), sum_stride.value_or(0), {}};
    const Shape strides = strides_of(operand.term.shape);
    for (const char letter : batch) {
      operand.batch_strides.push_back(strides[static_cast<int>(operand.term.letters.find(letter))]);
    }
    return operand;
  }

  /// The product of two terms. `output` is the output's letters where this is the last one: it may be written there.
  static Term join(const Term& a, const Term& b, const std::string& wanted, const std::string* output,
                   RunContext& context) {
    const DataType type = context.input(0).type;
    Parallel& parallel = context.parallel();
    const auto has = [](const std::string& letters, char letter) { return letters.find(letter) != std::string::npos; };
    std::string batch;
    for (const char letter : wanted) {
      if (has(a.letters, letter) && has(b.letters, letter) && !has(batch, letter)) batch += letter;
    }
    const std::string sum = pick(a, [&](char c) { return has(b.letters, c) && !has(wanted, c); });
    const std::string rows = pick(a, [&](char c) { return !has(b.letters, c) && has(wanted, c); });
    const std::string columns = pick(b, [&](char c) { return !has(a.letters, c) && has(wanted, c); });
    const Operand left = make_operand(a, batch, rows, sum, type, parallel);
    const Operand right = make_operand(b, batch, columns, sum, type, parallel);

    Term result;
    result.letters = batch + rows + columns;
    for (const char letter : batch + rows) result.shape.push_back(left.term.size(letter));
    for (const char letter : columns) result.shape.push_back(right.term.size(letter));
    if (output != nullptr && result.letters == pick_letters(*output, result.letters)) {
      result.data = context.output(0).data;
    } else {
      result.owned = Tensor::allocate(type, result.shape);
      result.data = result.owned.raw();
    }
    const auto product = [](const Term& term, const std::string& letters) {
      int64_t size = 1;
      for (const char letter : letters) size *= term.size(letter);
      return size;
    };
    Shape batch_shape;
    for (const char letter : batch) batch_shape.push_back(left.term.size(letter));
    const kernels::GemmShape shape{product(left.term, rows), product(right.term, columns), product(left.term, sum)};
    if (batch_shape.elements() * shape.m * shape.n > 0) {
      multiply(batch_shape, shape, left, right, const_cast<void*>(result.data), context);
    }
    return result;
  }

  /// Those letters of `all` that are among `some`, in their order.
  static std::string pick_letters(const std::string& all, const std::string& some) {
    std::string result;
    for (const char letter : all) {
      if (some.find(letter) != std::string::npos) result += letter;
    }
    return result;
  }

  static void multiply(const Shape& batch, const kernels::GemmShape& shape, const Operand& left, const Operand& right,
                       void* out, RunContext& context) {
    const DataType type = context.input(0).type;
    if (type == DataType::kFloat) {
      const auto* a = static_cast<const float*>(left.term.data);
      const auto* b = static_cast<const float*>(right.term.data);
      auto* c = static_cast<float*>(out);
      const size_t floats = kernels::gemm_workspace_size(shape, context.parallel().threads());
      auto* workspace = reinterpret_cast<float*>(context.workspace().data());
      Tensor own;
      if (context.workspace().size() < floats * sizeof(float)) {
        own = Tensor::allocate(DataType::kFloat, Shape{static_cast<int64_t>(floats)});
        workspace = own.values<float>().data();
      }
      kernels::GemmStrides strides;
      strides.a_row = left.outer_stride;
      strides.a_column = left.sum_stride;
      strides.b_row = right.sum_stride;
      strides.b_column = right.outer_stride;
      strides.c_row = shape.n;
      const auto operands = [&](int64_t i) {
        return kernels::GemmOperands{a + left.offset(i, batch), b + right.offset(i, batch), c + i * shape.m * shape.n,
                                     nullptr};
      };
      return kernels::gemm_batched(batch.elements(), shape, strides, operands, {}, workspace, context.parallel());
    }
    visit_number_type(type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      const T* a = static_cast<const T*>(left.term.data);
      const T* b = static_cast<const T*>(right.term.data);
      for (int64_t i = 0; i < batch.elements(); ++i) {
        multiply_matrices<T>(shape, {a + left.offset(i, batch), left.outer_stride, left.sum_stride},
                             {b + right.offset(i, batch), right.sum_stride, right.outer_stride},
                             static_cast<T*>(out) + i * shape.m * shape.n, context.parallel());
      }
    });
  }

  /// Sums what is left over and writes the axes in the output's order; axes of one that were dropped come back.
  static void finish(Term term, const std::string& output, RunContext& context) {
    const TensorView& y = context.output(0);
    if (term.data == y.data || y.elements() == 0) return;
    const DataType type = context.input(0).type;
    const std::string order = pick_letters(output, term.letters);
    const Term sums = summed(std::move(term), order, type, context.parallel());
    const Term result = ordered(sums, order, type, context.parallel());
    copy_all({const_cast<void*>(result.data), y.dims, type}, y, context.parallel());
  }

  std::string text_;
  bool has_output_ = false;
  std::vector<std::string> terms_;
  std::string output_;
};

}  // namespace

[[gnu::cold]] const OpDef& einsum() {
  static const OpDef def{
      .name = "Einsum",
      .since = 12,
      .inputs = {{"Inputs", "T", Occurrence::kVariadic}},
      .outputs = {{"Output", "T"}},
      .types = {{"T", kNumbers}},
      .make = make_operator<Einsum>,
      .flushes_denormals = true,
  };
  return def;
}

}  // namespace attune::ops
