// Loads a model, describes its inputs and outputs, runs it once on random numbers and sums up what it gives.
//
//   run_model model.onnx [threads]
//
// Dimensions without a number in the model, such as the batch, are taken as 1. Exits with 1 and one line on the
// standard error stream when anything fails.
#include <attune/attune.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <random>
#include <string>
#include <variant>
#include <vector>

namespace {

std::string describe(const attune::ValueDescription& value) {
  std::string text = value.name + ": " + value.type;
  if (!value.has_shape) return text + " of any shape";
  text += " [";
  for (size_t axis = 0; axis < value.shape.size(); ++axis) {
    if (axis > 0) text += ", ";
    const attune::Dimension& dim = value.shape[axis];
    if (const auto* size = std::get_if<int64_t>(&dim)) {
      text += std::to_string(*size);
    } else {
      const auto& name = std::get<std::string>(dim);
      text += name.empty() ? "?" : name;
    }
  }
  return text + "]";
}

/// A tensor for the input: normally distributed floats, zeros of any other type.
attune::Tensor random_tensor(const attune::ValueDescription& input, std::mt19937& generator) {
  attune::Shape shape;
  for (const attune::Dimension& dim : input.shape) {
    const auto* size = std::get_if<int64_t>(&dim);
    shape.push_back(size != nullptr ? *size : 1);
  }
  attune::Tensor tensor = attune::Tensor::allocate(input.element_type, shape);
  if (input.element_type == attune::DataType::kFloat) {
    std::normal_distribution<float> normal;
    for (float& value : tensor.values<float>()) value = normal(generator);
  } else if (input.element_type != attune::DataType::kString) {
    std::fill_n(static_cast<std::byte*>(tensor.raw()), tensor.bytes(), std::byte{0});
  }
  return tensor;
}

std::string summarize(const attune::Tensor& tensor) {
  std::string text = attune::tensor_type_name(tensor.type()) + tensor.shape().to_string();
  if (tensor.type() != attune::DataType::kFloat || tensor.elements() == 0) return text;
  const auto values = tensor.values<float>();
  double sum = 0.0;
  double squares = 0.0;
  for (const float value : values) {
    sum += value;
    squares += static_cast<double>(value) * value;
  }
  const auto count = static_cast<double>(values.size());
  const double mean = sum / count;
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  text += " min " + std::to_string(*least) + ", mean " + std::to_string(mean) + ", max " + std::to_string(*most);
  return text + ", deviation " + std::to_string(std::sqrt(std::max(squares / count - mean * mean, 0.0)));
}

void run(const std::string& path, int threads) {
  attune::SessionOptions options;
  options.intra_op_num_threads = threads;
  attune::InferenceSession session(path, options);

  std::mt19937 generator(1);
  std::vector<attune::NamedTensor> feeds;
  for (const attune::ValueDescription& input : session.inputs()) {
    std::cout << "input  " << describe(input) << '\n';
    feeds.push_back({input.name, random_tensor(input, generator)});
  }
  for (const attune::ValueDescription& output : session.outputs()) std::cout << "output " << describe(output) << '\n';

  const std::vector<attune::Tensor> results = session.run(feeds);
  std::cout << "ran on up to " << session.threads() << " threads\n";
  for (size_t i = 0; i < results.size(); ++i) {
    std::cout << session.outputs()[i].name << " = " << summarize(results[i]) << '\n';
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::cerr << "usage: run_model model.onnx [threads]\n";
    return 2;
  }
  try {
    run(argv[1], argc == 3 ? std::atoi(argv[2]) : 0);
  } catch (const attune::Error& error) {
    // The code says what kind of failure it is, the text names the input, node or file.
    std::cerr << attune::error_code_name(error.code()) << ": " << error.text() << '\n';
    return 1;
  } catch (const std::exception& error) {  // a full disk, no memory
    std::cerr << error.what() << '\n';
    return 1;
  }
  return 0;
}
