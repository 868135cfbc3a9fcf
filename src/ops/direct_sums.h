// The mark of convolutions that must not be computed by Winograd, whatever its speed.
#pragma once

#include <string_view>

namespace attune::ops {

/// Attribute of Conv and attune.FusedConv, an integer: other than 0 if the layer is to be computed by its definition.
inline constexpr std::string_view kDirectSums = "attune.direct_sums";

}  // namespace attune::ops
