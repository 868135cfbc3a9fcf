// Neighbouring convolutions that run as one step, so that the images between them need not be whole in memory.
#pragma once

#include "plan/program.h"

namespace attune {

/// Joins each depthwise convolution with the 1x1 convolution behind it, and with the layer before it where that widens
/// the image, as in inverted bottlenecks (ops/conv_chain.h); and a convolution with the pooling behind it
/// (ops/conv_pool.h). What other steps read, or the model gives, stays a value of its own. Subprograms, too. For a
/// program as compile() gives it.
void chain_convolutions(Program& program);

}  // namespace attune
