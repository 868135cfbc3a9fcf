#include "tensor_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "attune/error.h"
#include "table.h"
#include "tensor/float16.h"
#include "terminal_text.h"

namespace attune {
namespace {

std::string describe_mismatch(const Tensor& tensor, const Tensor& reference) {
  if (tensor.type() != reference.type()) {
    return fmt::format("type {}, not {}", data_type_name(tensor.type()), data_type_name(reference.type()));
  }
  if (!(tensor.shape() == reference.shape())) {
    return fmt::format("shape {}, not {}", format_shape(tensor.shape()), format_shape(reference.shape()));
  }
  return "";
}

int64_t count_other_texts(const Tensor& tensor, const Tensor& reference) {
  int64_t count = 0;
  for (size_t k = 0; k < static_cast<size_t>(tensor.elements()); ++k) {
    if (tensor.values<std::string>()[k] != reference.values<std::string>()[k]) ++count;
  }
  return count;
}

}  // namespace

double number_at(const Tensor& tensor, int64_t k) {
  const auto element = [&]<class T>(T) { return static_cast<const T*>(tensor.raw())[k]; };
  switch (tensor.type()) {
    case DataType::kFloat:
      return static_cast<double>(element(float{}));
    case DataType::kDouble:
      return element(double{});
    case DataType::kFloat16:
      return static_cast<double>(to_float(element(Float16{})));
    case DataType::kBfloat16:
      return static_cast<double>(to_float(element(Bfloat16{})));
    case DataType::kBool:
      return element(bool{}) ? 1 : 0;
    case DataType::kInt8:
      return element(int8_t{});
    case DataType::kUint8:
      return element(uint8_t{});
    case DataType::kInt16:
      return element(int16_t{});
    case DataType::kUint16:
      return element(uint16_t{});
    case DataType::kInt32:
      return element(int32_t{});
    case DataType::kUint32:
      return element(uint32_t{});
    case DataType::kInt64:
      return static_cast<double>(element(int64_t{}));
    case DataType::kUint64:
      return static_cast<double>(element(uint64_t{}));
    default:
      throw Error(ErrorCode::kNotImplemented,
                  fmt::format("{} has no numbers to show.", tensor_type_name(tensor.type())));
  }
}

TensorSummary summarize(const Tensor& tensor) {
  TensorSummary summary;
  if (tensor.elements() == 0) {
    summary.note = "empty";
    return summary;
  }
  if (tensor.type() == DataType::kString) {
    summary.note = fmt::format("\"{}\"", shorten(tensor.values<std::string>()[0], 30));
    return summary;
  }
  double least = std::numeric_limits<double>::infinity();
  double most = -least;
  double sum = 0;
  int64_t nans = 0;
  int64_t infinities = 0;
  for (int64_t k = 0; k < tensor.elements(); ++k) {
    const double value = number_at(tensor, k);
    if (std::isnan(value)) {
      ++nans;
    } else if (std::isinf(value)) {
      ++infinities;
    } else {
      least = std::min(least, value);
      most = std::max(most, value);
      sum += value;
    }
  }
  const int64_t finite = tensor.elements() - nans - infinities;
  if (finite > 0) {
    summary.least = fmt::format("{:.6g}", least);
    summary.mean = fmt::format("{:.6g}", sum / static_cast<double>(finite));
    summary.most = fmt::format("{:.6g}", most);
  }
  if (nans > 0) summary.note = fmt::format("{} NaN", nans);
  if (infinities > 0) summary.note += fmt::format("{}{} Inf", nans > 0 ? ", " : "", infinities);
  return summary;
}

std::string compare_tensors(const Tensor& tensor, const Tensor& reference, double relative, double absolute) {
  std::string mismatch = describe_mismatch(tensor, reference);
  if (!mismatch.empty()) return mismatch;
  const bool is_text = tensor.type() == DataType::kString;
  int64_t differing = is_text ? count_other_texts(tensor, reference) : 0;
  double most = 0;
  for (int64_t k = 0; !is_text && k < tensor.elements(); ++k) {
    const double a = number_at(tensor, k);
    const double b = number_at(reference, k);
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    const double distance = std::abs(a - b);
    if (std::isfinite(b) && distance <= absolute + relative * std::abs(b)) continue;
    ++differing;
    if (distance > most) most = distance;
  }
  if (differing == 0) return "";
  return fmt::format("{} of {} elements, by up to {:.3g}", differing, tensor.elements(), most);
}

bool TensorDifference::is_rounding(DataType type) const {
  if (!mismatch.empty()) return false;
  if (type == DataType::kFloat || type == DataType::kDouble) return relative <= 1e-4;
  if (type == DataType::kFloat16 || type == DataType::kBfloat16) return relative <= 1e-2;
  return differing == 0;
}

TensorDifference measure_difference(const Tensor& tensor, const Tensor& reference) {
  TensorDifference found;
  found.mismatch = describe_mismatch(tensor, reference);
  if (!found.mismatch.empty()) return found;
  if (tensor.type() == DataType::kString) {
    found.differing = count_other_texts(tensor, reference);
    return found;
  }
  int64_t finite = 0;
  int64_t elsewhere = 0;
  double sum = 0;
  double squares = 0;
  double distances = 0;
  for (int64_t k = 0; k < tensor.elements(); ++k) {
    const double a = number_at(tensor, k);
    const double b = number_at(reference, k);
    if (!std::isfinite(a) || !std::isfinite(b)) {
      if (a != b && !(std::isnan(a) && std::isnan(b))) ++elsewhere;
      continue;
    }
    ++finite;
    sum += b;
    squares += b * b;
    distances += (a - b) * (a - b);
    if (a != b) ++found.differing;
    found.most = std::max(found.most, std::abs(a - b));
  }
  if (elsewhere > 0) found.mismatch = fmt::format("{} elements are NaN or Inf in one only", elsewhere);
  if (finite == 0) return found;
  const auto count = static_cast<double>(finite);
  const double mean = sum / count;
  const double power = squares / count;
  const double variance = power - mean * mean;
  // Below this the variance is rounding alone.
  const double spread = std::sqrt(variance > 1e-12 * power ? variance : power);
  found.rms = std::sqrt(distances / count);
  found.relative = found.rms / std::max(spread, 1e-30);
  return found;
}

}  // namespace attune
