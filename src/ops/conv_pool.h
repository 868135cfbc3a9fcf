// A convolution and the pooling behind it as one operator, which computes the image between them in bands of rows: it
// is never whole in memory.
#pragma once

#include <memory>

#include "kernels/pool.h"
#include "ops/image_view.h"
#include "ops/operator.h"

namespace attune {

namespace ops {

struct PoolLayer {
  kernels::PoolShape shape;
  kernels::PoolKind kind = kernels::PoolKind::kMax;
};

/// What an Operator is besides, if it may be the pooling of such a pair: MaxPool and AveragePool.
class IsPoolLayer {
 public:
  virtual ~IsPoolLayer() = default;

  /// False where there is more to compute than an image: indices.
  virtual bool has_layer() const = 0;
  /// For float images of rank 4 and of a size.
  virtual PoolLayer layer_for(const ImageSize& input) const = 0;
};

}  // namespace ops

/// `conv` is an ops::IsConvLayer with packed weights, prepared; `pool` an ops::IsPoolLayer that has a layer. The inputs
/// are those of the convolution. The image between, the output, and Z if there is one have Layout::kBlocked, the input
/// the layout that the convolution's kernel reads. The same bits as one after the other.
std::unique_ptr<Operator> make_conv_pool(std::unique_ptr<Operator> conv, std::unique_ptr<Operator> pool);

}  // namespace attune
