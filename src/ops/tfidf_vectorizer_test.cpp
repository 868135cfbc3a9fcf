#include "ops/op_test.h"

namespace attune {
namespace {

OpTest vectorizer(std::string mode) {
  OpTest test("TfIdfVectorizer", 9);
  test.attribute("mode", std::move(mode))
      .attribute("min_gram_length", int64_t{1})
      .attribute("max_gram_length", int64_t{2});
  test.attribute("max_skip_count", int64_t{1}).attribute("ngram_counts", std::vector<int64_t>{0, 2});
  test.attribute("ngram_indexes", std::vector<int64_t>{0, 1, 2})
      .attribute("pool_int64s", std::vector<int64_t>{5, 6, 5, 6});
  return test;
}

TEST(TfIdfVectorizer, CountsWithSkips) {
  vectorizer("TF").input<int64_t>({4}, {5, 7, 6, 5}).output<float>({3}, {2, 1, 1}).run();
  vectorizer("TF").input<int32_t>({2, 2}, {5, 6, 6, 6}).output<float>({2, 3}, {1, 1, 1, 0, 2, 0}).run();
  vectorizer("IDF")
      .attribute("weights", std::vector<float>{2, 3, 4})
      .input<int64_t>({2}, {6, 6})
      .output<float>({3}, {0, 3, 0})
      .run();
  vectorizer("TFIDF")
      .attribute("weights", std::vector<float>{2, 3, 4})
      .input<int64_t>({2}, {6, 6})
      .output<float>({3}, {0, 6, 0})
      .run();
  // The columns in another order than the pool: onnxruntime's result.
  vectorizer("TFIDF")
      .attribute("ngram_indexes", std::vector<int64_t>{2, 0, 1})
      .attribute("weights", std::vector<float>{2, 3, 4})
      .input<int64_t>({3}, {5, 6, 6})
      .output<float>({3}, {6, 8, 2})
      .run();
  vectorizer("TFIDF")
      .attribute("ngram_indexes", std::vector<int64_t>{0, 0, 1})
      .attribute("weights", std::vector<float>{2, 3, 4})
      .input<int64_t>({3}, {5, 6, 6})
      .output<float>({2}, {8, 8})
      .run();
  vectorizer("IDF")
      .attribute("ngram_indexes", std::vector<int64_t>{0, 0, 1})
      .attribute("weights", std::vector<float>{2, 3, 4})
      .input<int64_t>({3}, {5, 6, 6})
      .output<float>({2}, {3, 4})
      .run();
  vectorizer("IDF").attribute("weights", std::vector<float>{2, 3}).input<int64_t>({1}, {1}).fails("2 weights for 3");
  vectorizer("none").input<int64_t>({1}, {1}).fails("unknown mode");
}

}  // namespace
}  // namespace attune
