// Session options as a flat JSON object of names and values, as files and other processes have them. Thread safety:
// pure functions.
#pragma once

#include <nlohmann/json.hpp>

#include "attune/options.h"

namespace attune {

/// The name under which sizes of symbolic dimensions stand, an object.
constexpr const char* kFreeDimensions = "free_dimension_overrides";

/// The options that differ from the defaults: {"intra_op_num_threads": 2, "session.intra_op.allow_spinning": "0"}.
/// A name with a dot is a config entry. Sizes of free dimensions are under kFreeDimensions.
nlohmann::json settings_of(const SessionOptions& options);

/// The reverse, on top of `base`. Throws Error(kInvalidArgument).
SessionOptions apply_settings(SessionOptions base, const nlohmann::json& settings);

}  // namespace attune
