// Every operator, one line each. ATTUNE_OPS(X) calls X(function) where `const OpDef& function();` is defined in the
// operator's file, as ATTUNE_DEFINE_OP writes it.
#pragma once

#include "ops/op_def.h"

// clang-format off
#define ATTUNE_OPS(X)                                      \
  X(concat)                                                \
  X(constant)                                              \
  X(constant_of_shape)                                     \
  X(expand)                                                \
  X(flatten)                                               \
  X(gather)                                                \
  X(identity)                                              \
  X(reshape)                                               \
  X(shape)                                                 \
  X(size)                                                  \
  X(slice)                                                 \
  X(slice_1)                                               \
  X(split)                                                 \
  X(split_2)                                               \
  X(squeeze)                                               \
  X(squeeze_1)                                             \
  X(transpose)                                             \
  X(unsqueeze)                                             \
  X(unsqueeze_1)                                           \
  /* keep the lines above in alphabetical order */
// clang-format on

namespace attune::ops {

#define ATTUNE_DECLARE_OP(function) const OpDef& function();
ATTUNE_OPS(ATTUNE_DECLARE_OP)
#undef ATTUNE_DECLARE_OP

}  // namespace attune::ops
