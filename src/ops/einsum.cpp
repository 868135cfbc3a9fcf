// Einsum: https://onnx.ai/onnx/operators/onnx__Einsum.html, version 12: any number of operands, repeated letters
// (diagonals), the ellipsis, the output left out.
//
// Operands are joined one after the other. Letters that no later operand and not the output has are summed at once, so
// that a join of two is a batched matrix product: [batch..., rows..., sum...] by [batch..., columns..., sum...].
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <vector>

#include "attune/error.h"
#include "kernels/gemm.h"
#include "ops/element_types.h"
#include "ops/matrix_loop.h"
#include "ops/movement.h"
#include "ops/op_def.h"

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
      joined = join(joined, terms[i], wanted, type, parallel);
    }
    finish(std::move(joined), output, context);
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

  /// Sums over the letters that are not in `wanted`, which must be the last ones.
  static Term summed(Term term, size_t kept, DataType type, Parallel& parallel) {
    if (term.letters.size() == kept) return term;
    const auto axes = static_cast<int>(kept);
    const int64_t rows = term.shape.product(0, axes);
    const int64_t columns = term.shape.product(axes, term.shape.rank());
    Shape shape;
    for (int axis = 0; axis < axes; ++axis) shape.push_back(term.shape[axis]);
    Term result{term.letters.substr(0, kept), shape, Tensor::allocate(type, shape), nullptr};
    result.data = result.owned.raw();
    visit_number_type(type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      const T* in = static_cast<const T*>(term.data);
      T* out = static_cast<T*>(result.owned.raw());
      for_ranges(parallel, rows, std::max<int64_t>(1, 32768 / std::max<int64_t>(columns, 1)),
                 [&](int64_t begin, int64_t end, int) {
                   for (int64_t row = begin; row < end; ++row) {
                     T sum{0};
                     for (int64_t i = 0; i < columns; ++i) sum = wrapping_add(sum, in[row * columns + i]);
                     out[row] = sum;
                   }
                 });
    });
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

  static Term join(const Term& a, const Term& b, const std::string& wanted, DataType type, Parallel& parallel) {
    const auto has = [](const std::string& letters, char letter) { return letters.find(letter) != std::string::npos; };
    const std::string batch = pick(a, [&](char c) { return has(b.letters, c) && has(wanted, c); });
    const std::string sum = pick(a, [&](char c) { return has(b.letters, c) && !has(wanted, c); });
    const std::string rows = pick(a, [&](char c) { return !has(b.letters, c) && has(wanted, c); });
    const std::string columns = pick(b, [&](char c) { return !has(a.letters, c) && has(wanted, c); });
    const std::string a_alone = pick(a, [&](char c) { return !has(b.letters, c) && !has(wanted, c); });
    const std::string b_alone = pick(b, [&](char c) { return !has(a.letters, c) && !has(wanted, c); });
    const std::string a_order = batch + rows + sum;
    const std::string b_order = batch + columns + sum;
    const Term left = summed(ordered(a, a_order + a_alone, type, parallel), a_order.size(), type, parallel);
    const Term right = summed(ordered(b, b_order + b_alone, type, parallel), b_order.size(), type, parallel);

    Term result;
    result.letters = batch + rows + columns;
    for (const char letter : batch + rows) result.shape.push_back(left.size(letter));
    for (const char letter : columns) result.shape.push_back(right.size(letter));
    result.owned = Tensor::allocate(type, result.shape);
    result.data = result.owned.raw();
    const auto product = [](const Term& term, const std::string& letters) {
      int64_t size = 1;
      for (const char letter : letters) size *= term.size(letter);
      return size;
    };
    multiply(product(left, batch), {product(left, rows), product(right, columns), product(left, sum)}, left, right,
             result.owned, parallel);
    return result;
  }

  static void multiply(int64_t batch, const kernels::GemmShape& shape, const Term& left, const Term& right, Tensor& out,
                       Parallel& parallel) {
    if (out.elements() == 0) return;
    if (out.type() == DataType::kFloat) {
      const auto* a = static_cast<const float*>(left.data);
      const auto* b = static_cast<const float*>(right.data);
      float* c = out.values<float>().data();
      Tensor workspace = Tensor::allocate(
          DataType::kFloat, Shape{static_cast<int64_t>(kernels::gemm_workspace_size(shape, parallel.threads()))});
      kernels::GemmStrides strides;
      strides.a_row = shape.k;
      strides.b_row = 1;
      strides.b_column = shape.k;
      strides.c_row = shape.n;
      const auto operands = [&](int64_t i) {
        return kernels::GemmOperands{a + i * shape.m * shape.k, b + i * shape.n * shape.k, c + i * shape.m * shape.n,
                                     nullptr};
      };
      return kernels::gemm_batched(batch, shape, strides, operands, {}, workspace.values<float>().data(), parallel);
    }
    visit_number_type(out.type(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      const T* a = static_cast<const T*>(left.data);
      const T* b = static_cast<const T*>(right.data);
      for (int64_t i = 0; i < batch; ++i) {
        multiply_matrices<T>(shape, {a + i * shape.m * shape.k, shape.k, 1}, {b + i * shape.n * shape.k, 1, shape.k},
                             out.values<T>().data() + i * shape.m * shape.n, parallel);
      }
    });
  }

  /// Sums what is left over and writes the axes in the output's order; axes of one that were dropped come back.
  static void finish(Term term, const std::string& output, RunContext& context) {
    const DataType type = context.input(0).type;
    const std::string kept = pick(term, [&](char c) { return output.find(c) != std::string::npos; });
    const std::string rest = pick(term, [&](char c) { return output.find(c) == std::string::npos; });
    std::string order;
    for (const char letter : output) {
      if (kept.find(letter) != std::string::npos) order += letter;
    }
    const Term result = summed(ordered(std::move(term), order + rest, type, context.parallel()), order.size(), type,
                               context.parallel());
    const TensorView& y = context.output(0);
    if (y.elements() > 0) copy_all({const_cast<void*>(result.data), y.dims, type}, y, context.parallel());
  }

  std::string text_;
  bool has_output_ = false;
  std::vector<std::string> terms_;
  std::string output_;
};

}  // namespace

const OpDef& einsum() {
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
