// TfIdfVectorizer: https://onnx.ai/onnx/operators/onnx__TfIdfVectorizer.html, version 9: counts the n-grams of a pool
// in each row. A weight belongs to an n-gram by its place in the pool.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "attune/error.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

enum class Weighting : uint8_t { kCount, kInverse, kBoth };

class TfIdfVectorizer final : public Operator {
 public:
  explicit TfIdfVectorizer(const Node& node)
      : least_(node.attributes.require_int("min_gram_length")),
        most_(node.attributes.require_int("max_gram_length")),
        skips_(node.attributes.require_int("max_skip_count")) {
    const std::string mode = node.attributes.get_string("mode", "");
    if (mode == "IDF") {
      weighting_ = Weighting::kInverse;
    } else if (mode == "TFIDF") {
      weighting_ = Weighting::kBoth;
    } else if (mode != "TF") {
      fail(fmt::format("unknown mode '{}'", mode));
    }
    if (least_ < 1 || most_ < least_ || skips_ < 0) {
      fail(fmt::format("n-grams of {} to {} with {} skips", least_, most_, skips_));
    }
    // No text is as long: more is the same, and products of them stay numbers.
    for (int64_t* number : {&least_, &most_, &skips_}) *number = std::min(*number, int64_t{1} << 31);
    const auto indexes = node.attributes.require_ints("ngram_indexes");
    for (const int64_t index : indexes) {
      if (index < 0 || index >= int64_t{1} << 31) fail(fmt::format("the n-gram index {}", index));
      columns_ = std::max(columns_, index + 1);
    }
    const auto weights = node.attributes.get_floats("weights");
    if (!weights.empty() && weights.size() != indexes.size()) {
      fail(fmt::format("{} weights for {} n-grams", weights.size(), indexes.size()));
    }
    weights_.assign(weights.begin(), weights.end());
    weights_.resize(indexes.size(), 1.0F);
    column_of_.assign(indexes.begin(), indexes.end());
    read_pool(node.attributes);
  }

  void infer(InferContext& context) const override {
    context.set_output_type(0, DataType::kFloat);
    if (!context.has_shape(0)) return;
    const Shape& x = context.shape(0);
    if (x.rank() > 2) fail(fmt::format("an input of shape {}", x.to_string()));
    if (x.rank() == 2) {
      context.set_output(0, DataType::kFloat, Shape{x[0], columns_});
    } else {
      context.set_output(0, DataType::kFloat, Shape{columns_});
    }
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const int64_t rows = x.rank() == 2 ? x.dim(0) : 1;
    const int64_t size = rows == 0 ? 0 : x.elements() / rows;
    for_ranges(context.parallel(), rows, std::max<int64_t>(1, 1024 / std::max<int64_t>(size, 1)),
               [&](int64_t begin, int64_t end, int) {
                 std::vector<int64_t> tokens(static_cast<size_t>(size));
                 std::vector<float> counts(column_of_.size());
                 for (int64_t row = begin; row < end; ++row) {
                   read_tokens(x, row * size, tokens);
                   float* out = context.output(0).as<float>() + row * columns_;
                   count(tokens, counts);
                   weigh(counts, out);
                 }
               });
  }

 private:
  static constexpr int64_t kUnknownWord = -1;

  struct Place {
    int next = 0;       ///< a node of the tree; 0 is the root and leads nowhere
    int64_t gram = -1;  ///< the n-gram that ends here by its place in the pool, or -1
  };
  struct HashStep {
    size_t operator()(const std::pair<int, int64_t>& step) const {
      return std::hash<uint64_t>()(static_cast<uint64_t>(step.second) * 0x9E3779B97F4A7C15U +
                                   static_cast<uint64_t>(step.first));
    }
  };

  [[noreturn]] static void fail(std::string_view why) {
    throw Error(ErrorCode::kInvalidGraph, fmt::format("TfIdfVectorizer: {}.", why));
  }

  /// The tree of all n-grams; words become numbers.
  void read_pool(const Attributes& attributes) {
    std::vector<int64_t> pool;
    for (const std::string& word : attributes.get_strings("pool_strings")) {
      pool.push_back(words_.try_emplace(word, static_cast<int64_t>(words_.size())).first->second);
    }
    for (const int64_t number : attributes.get_ints("pool_int64s")) pool.push_back(number);
    const auto starts = attributes.require_ints("ngram_counts");
    int nodes = 1;
    size_t gram = 0;
    for (size_t n = 1; n <= starts.size(); ++n) {
      const int64_t begin = starts[n - 1];
      const int64_t end = n < starts.size() ? starts[n] : static_cast<int64_t>(pool.size());
      if (begin < 0 || begin > end || end > static_cast<int64_t>(pool.size()) ||
          (end - begin) % static_cast<int64_t>(n) != 0) {
        fail(fmt::format("n-grams of {} from {} to {} of a pool of {}", n, begin, end, pool.size()));
      }
      for (int64_t i = begin; i < end; i += static_cast<int64_t>(n), ++gram) {
        if (gram >= column_of_.size()) fail("there are more n-grams than ngram_indexes");
        int at = 0;
        for (size_t k = 0; k < n; ++k) {
          Place& place = places_[{at, pool[static_cast<size_t>(i) + k]}];
          if (place.next == 0) place.next = nodes++;
          if (k + 1 == n) place.gram = static_cast<int64_t>(gram);
          at = place.next;
        }
      }
    }
  }

  void read_tokens(const TensorView& x, int64_t first, std::vector<int64_t>& tokens) const {
    for (size_t i = 0; i < tokens.size(); ++i) {
      const int64_t at = first + static_cast<int64_t>(i);
      if (x.type != DataType::kString) {
        tokens[i] = x.integer(at);
        continue;
      }
      const auto word = words_.find(x.as<std::string>()[at]);
      tokens[i] = word == words_.end() ? kUnknownWord : word->second;
    }
  }

  /// How often each n-gram of the pool is there.
  void count(const std::vector<int64_t>& tokens, std::vector<float>& counts) const {
    std::fill(counts.begin(), counts.end(), 0.0F);
    const auto size = static_cast<int64_t>(tokens.size());
    int64_t least = least_;
    for (int64_t step = 1; step <= skips_ + 1 && least <= most_; ++step) {
      for (int64_t start = 0; start + step * (least - 1) < size; ++start) {
        int at = 0;
        int64_t length = 1;
        for (int64_t i = start; i < size && length <= most_; i += step, ++length) {
          const auto place = places_.find({at, tokens[static_cast<size_t>(i)]});
          if (place == places_.end()) break;
          if (length >= least && place->second.gram >= 0) counts[static_cast<size_t>(place->second.gram)] += 1.0F;
          at = place->second.next;
        }
      }
      if (least == 1) ++least;  // single words are the same whatever is skipped
      if (step >= size) break;
    }
  }

  /// Several n-grams may have one column: counts add up, and of weights alone the last one stays.
  void weigh(const std::vector<float>& counts, float* out) const {
    std::fill_n(out, columns_, 0.0F);
    for (size_t gram = 0; gram < counts.size(); ++gram) {
      if (counts[gram] == 0.0F) continue;
      float& column = out[column_of_[gram]];
      if (weighting_ == Weighting::kInverse) {
        column = weights_[gram];
      } else {
        column += weighting_ == Weighting::kBoth ? counts[gram] * weights_[gram] : counts[gram];
      }
    }
  }

  int64_t least_;
  int64_t most_;
  int64_t skips_;
  Weighting weighting_ = Weighting::kCount;
  int64_t columns_ = 0;
  std::vector<int64_t> column_of_;  ///< of each n-gram
  std::vector<float> weights_;      ///< of each n-gram
  std::unordered_map<std::string, int64_t> words_;
  std::unordered_map<std::pair<int, int64_t>, Place, HashStep> places_;
};

}  // namespace

[[gnu::cold]] const OpDef& tfidf_vectorizer() {
  static const OpDef def{
      .name = "TfIdfVectorizer",
      .since = 9,
      .inputs = {{"X", "T"}},
      .outputs = {{"Y", "T1"}},
      .types = {{"T", kIndices | TypeSet{DataType::kString}}, {"T1", kFloatOnly}},
      .make = make_operator<TfIdfVectorizer>,
  };
  return def;
}

}  // namespace attune::ops
