// Every operator, one line each. ATTUNE_OPS(X) calls X(function) where `const OpDef& function();` is defined in the
// operator's file, as ATTUNE_DEFINE_OP writes it.
#pragma once

#include "ops/op_def.h"

// clang-format off
#define ATTUNE_OPS(X)                                      \
  X(abs)                                                   \
  X(acos)                                                  \
  X(acosh)                                                 \
  X(add)                                                   \
  X(asin)                                                  \
  X(asinh)                                                 \
  X(atan)                                                  \
  X(atanh)                                                 \
  X(bitwise_not)                                           \
  X(cast)                                                  \
  X(cast_like)                                             \
  X(ceil)                                                  \
  X(celu)                                                  \
  X(clip)                                                  \
  X(clip_6)                                                \
  X(compress)                                              \
  X(concat)                                                \
  X(constant)                                              \
  X(constant_of_shape)                                     \
  X(conv)                                                  \
  X(cos)                                                   \
  X(cosh)                                                  \
  X(depth_to_space)                                        \
  X(div)                                                   \
  X(elu)                                                   \
  X(erf)                                                   \
  X(exp)                                                   \
  X(expand)                                                \
  X(eye_like)                                              \
  X(flatten)                                               \
  X(floor)                                                 \
  X(fused_conv)                                            \
  X(fused_matmul)                                          \
  X(gather)                                                \
  X(gather_elements)                                       \
  X(gather_nd)                                             \
  X(gelu)                                                  \
  X(gemm)                                                  \
  X(hard_sigmoid)                                          \
  X(hard_swish)                                            \
  X(hardmax)                                               \
  X(identity)                                              \
  X(is_inf)                                                \
  X(is_nan)                                                \
  X(layer_normalization)                                   \
  X(leaky_relu)                                            \
  X(log)                                                   \
  X(log_softmax)                                           \
  X(logical_not)                                           \
  X(matmul)                                                \
  X(mish)                                                  \
  X(mod)                                                   \
  X(mul)                                                   \
  X(neg)                                                   \
  X(non_max_suppression)                                   \
  X(non_zero)                                              \
  X(one_hot)                                               \
  X(pad)                                                   \
  X(pad_2)                                                 \
  X(pow)                                                   \
  X(prelu)                                                 \
  X(random_normal)                                         \
  X(random_normal_like)                                    \
  X(random_uniform)                                        \
  X(random_uniform_like)                                   \
  X(range)                                                 \
  X(reciprocal)                                            \
  X(reduce_l1)                                             \
  X(reduce_l1_1)                                           \
  X(reduce_l2)                                             \
  X(reduce_l2_1)                                           \
  X(reduce_log_sum)                                        \
  X(reduce_log_sum_1)                                      \
  X(reduce_log_sum_exp)                                    \
  X(reduce_log_sum_exp_1)                                  \
  X(reduce_max)                                            \
  X(reduce_max_1)                                          \
  X(reduce_mean)                                           \
  X(reduce_mean_1)                                         \
  X(reduce_min)                                            \
  X(reduce_min_1)                                          \
  X(reduce_prod)                                           \
  X(reduce_prod_1)                                         \
  X(reduce_sum)                                            \
  X(reduce_sum_1)                                          \
  X(reduce_sum_square)                                     \
  X(reduce_sum_square_1)                                   \
  X(relu)                                                  \
  X(reshape)                                               \
  X(reverse_sequence)                                      \
  X(rms_normalization)                                     \
  X(round)                                                 \
  X(scatter)                                               \
  X(scatter_elements)                                      \
  X(scatter_nd)                                            \
  X(selu)                                                  \
  X(shape)                                                 \
  X(shrink)                                                \
  X(sigmoid)                                               \
  X(sign)                                                  \
  X(sin)                                                   \
  X(sinh)                                                  \
  X(size)                                                  \
  X(skip_layer_normalization)                              \
  X(slice)                                                 \
  X(slice_1)                                               \
  X(softmax)                                               \
  X(softplus)                                              \
  X(softsign)                                              \
  X(space_to_depth)                                        \
  X(split)                                                 \
  X(split_2)                                               \
  X(sqrt)                                                  \
  X(squeeze)                                               \
  X(squeeze_1)                                             \
  X(sub)                                                   \
  X(swish)                                                 \
  X(tan)                                                   \
  X(tanh)                                                  \
  X(thresholded_relu)                                      \
  X(tile)                                                  \
  X(top_k)                                                 \
  X(top_k_1)                                               \
  X(transpose)                                             \
  X(trilu)                                                 \
  X(unique)                                                \
  X(unsqueeze)                                             \
  X(unsqueeze_1)                                           \
  /* keep the lines above in alphabetical order */
// clang-format on

namespace attune::ops {

#define ATTUNE_DECLARE_OP(function) const OpDef& function();
ATTUNE_OPS(ATTUNE_DECLARE_OP)
#undef ATTUNE_DECLARE_OP

}  // namespace attune::ops
