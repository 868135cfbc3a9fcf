// SparseTensorProto to a dense Tensor.
#pragma once

#include <memory>

#include "onnx/external_data.h"
#include "onnx/protobuf.h"
#include "onnx/tensor_reader.h"

namespace attune {

/// All elements, those that the message leaves out 0, under the name of its values. Throws Error(kInvalidArgument) when
/// its parts contradict each other, when an index is outside of the shape or not in ascending order, and for a shape
/// that is too large to be held dense.
NamedTensor read_sparse_tensor(protozero::pbf_reader message, const std::shared_ptr<const void>& owner,
                               ExternalData& external);

}  // namespace attune
