// TensorProto to Tensor.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "attune/tensor.h"
#include "onnx/external_data.h"
#include "onnx/protobuf.h"

namespace attune {

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

/// Reads one tensor. Raw little-endian data becomes a view of the message's memory, kept alive by `owner`; short or
/// variable-length data is copied. A large view may be unaligned (Tensor::is_aligned). Where `find_given`, if given,
/// finds a tensor of the name, that one is taken and the message's data is not read. Throws Error: kInvalidArgument
/// when the sizes contradict each other, or type and shape those of the tensor found, kNotImplemented for element types
/// that cannot be held.
NamedTensor read_tensor(protozero::pbf_reader message, const std::shared_ptr<const void>& owner, ExternalData& external,
                        const std::function<const Tensor*(const std::string&)>& find_given = nullptr);

/// The element type that a number in a file stands for; throws Error(kInvalidGraph) for an unknown one, naming `what`.
DataType read_data_type(int64_t number, std::string_view what);

}  // namespace attune
