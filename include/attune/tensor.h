// Tensors, their element types and shapes. Thread safety: values; a buffer shared by several tensors is not locked.
#ifndef ATTUNE_TENSOR_H_
#define ATTUNE_TENSOR_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace attune {

/// Element types, numbered as onnx.TensorProto.DataType numbers them.
enum class DataType : uint8_t {
  kUndefined = 0,
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kUint16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kString = 8,
  kBool = 9,
  kFloat16 = 10,
  kDouble = 11,
  kUint32 = 12,
  kUint64 = 13,
  kComplex64 = 14,
  kComplex128 = 15,
  kBfloat16 = 16,
  kFloat8E4M3FN = 17,
  kFloat8E4M3FNUZ = 18,
  kFloat8E5M2 = 19,
  kFloat8E5M2FNUZ = 20,
  kUint4 = 21,
  kInt4 = 22,
  kFloat4E2M1 = 23,
  kFloat8E8M0 = 24,
  kUint2 = 25,
  kInt2 = 26,
  kMap = 254,       ///< Not ONNX's: the elements are two Tensor objects, see Tensor::map().
  kSequence = 255,  ///< Not ONNX's: the elements are Tensor objects, as those of kString are std::string objects.
};

/// Bytes of one element in memory; 0 for kUndefined, kMap and kSequence. Elements of 2 and 4 bits have a byte each, the
/// value in its low bits, as NumPy's ml_dtypes have it; files pack them.
size_t element_size(DataType type);

/// ONNX's name of an element type, such as "float", "int64" or "bool".
std::string_view data_type_name(DataType type);

/// "tensor(float)" and so on, as onnxruntime's NodeArg.type gives it; "seq" and "map" for kSequence and kMap, whose
/// elements have types of their own.
std::string tensor_type_name(DataType type);

/// The dimensions of a tensor, outermost first. A value without allocation: at most kMaxRank dimensions.
/// Within the engine, before shapes are concrete, a negative number stands for an unknown dimension (graph/symbols.h).
class Shape {
 public:
  static constexpr int kMaxRank = 16;

  Shape() = default;
  Shape(std::initializer_list<int64_t> dims);
  /// Throws Error(kNotImplemented) when there are more than kMaxRank dimensions.
  explicit Shape(std::span<const int64_t> dims);
  /// `rank` dimensions of `value` each.
  static Shape filled(int rank, int64_t value);

  int rank() const { return rank_; }
  int64_t operator[](int axis) const { return dims_[static_cast<size_t>(axis)]; }
  int64_t& operator[](int axis) { return dims_[static_cast<size_t>(axis)]; }
  std::span<const int64_t> dims() const { return {dims_.data(), static_cast<size_t>(rank_)}; }
  const int64_t* begin() const { return dims_.data(); }
  const int64_t* end() const { return dims_.data() + rank_; }

  void push_back(int64_t dim);
  void insert(int axis, int64_t dim);
  void erase(int axis);

  /// All dimensions are known.
  bool is_concrete() const;

  /// The number of elements: 1 for a scalar. Throws Error(kInvalidArgument) when a dimension is negative, or those that
  /// are not 0 multiply to more than 2^62.
  int64_t elements() const;

  /// The product of dimensions [from, to); no overflow check, for shapes whose elements() was checked.
  int64_t product(int from, int to) const;

  /// "{2,3,4}", as onnxruntime prints shapes.
  std::string to_string() const;

  friend bool operator==(const Shape& a, const Shape& b);

 private:
  std::array<int64_t, kMaxRank> dims_;
  int32_t rank_ = 0;
};

/// Dense elements in row-major order. Copying a Tensor shares its buffer; strings are std::string objects, and what
/// ONNX calls a sequence is a Tensor of one dimension whose elements are Tensors.
class Tensor {
 public:
  /// No tensor: type() is kUndefined. Stands for an absent optional value.
  Tensor() = default;

  /// A sequence of these tensors, whose buffers it shares. ONNX wants them to have one element type.
  static Tensor sequence(std::vector<Tensor> elements);

  /// A map from keys, int64 or strings, each once, to values: two tensors of one dimension and as many elements, whose
  /// buffers it shares. Throws Error(kInvalidArgument) for other tensors.
  static Tensor map(Tensor keys, Tensor values);

  /// Fresh memory, aligned to 64 bytes; numbers are uninitialised, strings empty. Throws Error(kRuntimeException) when
  /// there is not enough memory, kInvalidArgument when the shape is not concrete.
  static Tensor allocate(DataType type, const Shape& shape);

  /// A view of memory that somebody else owns; `owner`, when given, is kept alive by the tensor and its copies.
  static Tensor view(DataType type, const Shape& shape, void* data, std::shared_ptr<const void> owner = nullptr);

  /// A copy of `values`.
  template <class T>
  static Tensor from_values(const Shape& shape, std::span<const T> values);
  template <class T>
  static Tensor from_values(const Shape& shape, std::initializer_list<T> values) {
    return from_values<T>(shape, std::span<const T>(values.begin(), values.size()));
  }
  template <class T>
  static Tensor scalar(T value) {
    return from_values<T>(Shape{}, std::span<const T>(&value, 1));
  }

  explicit operator bool() const { return type_ != DataType::kUndefined; }
  DataType type() const { return type_; }
  const Shape& shape() const { return shape_; }
  int64_t elements() const { return elements_; }
  size_t bytes() const { return static_cast<size_t>(elements_) * element_size(type_); }

  void* raw() { return data_; }
  const void* raw() const { return data_; }

  /// False for views into a file where the elements do not lie at multiples of their size: only raw() may be read then.
  bool is_aligned() const;
  /// This tensor, or a copy of it where it is not aligned.
  Tensor aligned() const;
  /// The same elements in memory of their own, those of a sequence's tensors too.
  Tensor copied() const;

  /// The elements. T must be the C++ type of type(), and the tensor aligned: throws Error(kInvalidArgument) otherwise.
  template <class T>
  std::span<T> values() {
    check_type(data_type_of<T>());
    return {static_cast<T*>(data_), static_cast<size_t>(elements_)};
  }
  template <class T>
  std::span<const T> values() const {
    check_type(data_type_of<T>());
    return {static_cast<const T*>(data_), static_cast<size_t>(elements_)};
  }

  /// Of a map; throws Error(kInvalidArgument) for anything else.
  const Tensor& map_keys() const;
  const Tensor& map_values() const;

  /// The same elements under another shape with as many elements; throws Error(kInvalidArgument) otherwise.
  Tensor reshaped(const Shape& shape) const;

  /// What keeps the memory alive; null for a view without an owner.
  const std::shared_ptr<const void>& owner() const { return owner_; }

  /// The DataType of a C++ type (bool, integers, float, double, std::string, Tensor).
  template <class T>
  static constexpr DataType data_type_of();

 private:
  void check_type(DataType wanted) const;

  void* data_ = nullptr;
  std::shared_ptr<const void> owner_;
  Shape shape_;
  int64_t elements_ = 0;
  DataType type_ = DataType::kUndefined;
};

template <class T>
constexpr DataType Tensor::data_type_of() {
  if constexpr (std::is_same_v<T, float>) return DataType::kFloat;
  if constexpr (std::is_same_v<T, double>) return DataType::kDouble;
  if constexpr (std::is_same_v<T, bool>) return DataType::kBool;
  if constexpr (std::is_same_v<T, int8_t>) return DataType::kInt8;
  if constexpr (std::is_same_v<T, uint8_t>) return DataType::kUint8;
  if constexpr (std::is_same_v<T, int16_t>) return DataType::kInt16;
  if constexpr (std::is_same_v<T, uint16_t>) return DataType::kUint16;
  if constexpr (std::is_same_v<T, int32_t>) return DataType::kInt32;
  if constexpr (std::is_same_v<T, uint32_t>) return DataType::kUint32;
  if constexpr (std::is_same_v<T, int64_t>) return DataType::kInt64;
  if constexpr (std::is_same_v<T, uint64_t>) return DataType::kUint64;
  if constexpr (std::is_same_v<T, std::string>) return DataType::kString;
  if constexpr (std::is_same_v<T, Tensor>) return DataType::kSequence;
  return DataType::kUndefined;
}

template <class T>
Tensor Tensor::from_values(const Shape& shape, std::span<const T> values) {
  Tensor tensor = allocate(data_type_of<T>(), shape);
  std::span<T> target = tensor.values<T>();
  for (size_t i = 0; i < target.size() && i < values.size(); ++i) target[i] = values[i];
  return tensor;
}

}  // namespace attune

#endif  // ATTUNE_TENSOR_H_
