#include "ops/small_types.h"

#include <cstring>

#include "kernels/half.h"
#include "tensor/packed_elements.h"

namespace attune::ops {
namespace {

/// Of an element that has a byte for itself.
unsigned bits_of(DataType type) { return static_cast<unsigned>(8 / elements_per_byte(type)); }

void extend(DataType type, const uint8_t* from, uint8_t* to, int64_t n) {
  const unsigned shift = 8 - bits_of(type);
  const bool is_signed = type == DataType::kInt4 || type == DataType::kInt2;
  for (int64_t i = 0; i < n; ++i) {
    const auto top = static_cast<uint8_t>(from[i] << shift);
    to[i] = is_signed ? static_cast<uint8_t>(static_cast<int8_t>(top) >> shift) : static_cast<uint8_t>(top >> shift);
  }
}

}  // namespace

DataType carrier_of(DataType type) {
  switch (type) {
    case DataType::kFloat16:
    case DataType::kBfloat16:
    case DataType::kFloat8E4M3FN:
    case DataType::kFloat8E4M3FNUZ:
    case DataType::kFloat8E5M2:
    case DataType::kFloat8E5M2FNUZ:
    case DataType::kFloat8E8M0:
    case DataType::kFloat4E2M1:
      return DataType::kFloat;
    case DataType::kInt4:
    case DataType::kInt2:
      return DataType::kInt8;
    case DataType::kUint4:
    case DataType::kUint2:
      return DataType::kUint8;
    default:
      return type;
  }
}

void load_carrier(DataType type, const void* from, int64_t first, void* to, int64_t n) {
  if (n == 0) return;  // there may be no memory
  const auto size = element_size(type);
  const auto* in = static_cast<const uint8_t*>(from) + static_cast<size_t>(first) * size;
  switch (carrier_of(type)) {
    case DataType::kFloat:
      if (type == DataType::kFloat) break;
      if (type == DataType::kFloat16 || type == DataType::kBfloat16) {
        const auto half = type == DataType::kFloat16 ? kernels::Half::kFloat16 : kernels::Half::kBfloat16;
        return kernels::widen_halves(half, reinterpret_cast<const uint16_t*>(in), static_cast<float*>(to), n);
      }
      for (int64_t i = 0; i < n; ++i) static_cast<float*>(to)[i] = small_float_to_float(type, in[i]);
      return;
    case DataType::kInt8:
    case DataType::kUint8:
      if (elements_per_byte(type) > 1) return extend(type, in, static_cast<uint8_t*>(to), n);
      break;
    default:
      break;
  }
  std::memcpy(to, in, static_cast<size_t>(n) * size);
}

void store_carrier(DataType type, const void* from, void* to, int64_t first, int64_t n, NarrowRounding rounding) {
  if (n == 0) return;
  const auto size = element_size(type);
  auto* out = static_cast<uint8_t*>(to) + static_cast<size_t>(first) * size;
  switch (carrier_of(type)) {
    case DataType::kFloat:
      if (type == DataType::kFloat) break;
      if (type == DataType::kFloat16 || type == DataType::kBfloat16) {
        const auto half = type == DataType::kFloat16 ? kernels::Half::kFloat16 : kernels::Half::kBfloat16;
        return kernels::narrow_to_halves(half, static_cast<const float*>(from), reinterpret_cast<uint16_t*>(out), n);
      }
      for (int64_t i = 0; i < n; ++i) {
        out[i] =
            float_to_small_float(type, static_cast<const float*>(from)[i], rounding.saturate, rounding.scale_rounding);
      }
      return;
    case DataType::kInt8:
    case DataType::kUint8:
      if (elements_per_byte(type) > 1) return extend(type, static_cast<const uint8_t*>(from), out, n);
      break;
    default:
      break;
  }
  std::memcpy(out, from, static_cast<size_t>(n) * size);
}

}  // namespace attune::ops
