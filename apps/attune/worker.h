// Starting `attune worker`, the other side of worker_command.cpp.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "feeds.h"

namespace attune {

/// This program's own file with the hidden subcommand.
std::vector<std::string> worker_command();

/// The request that comes first. `merge` puts all files of --input into one set.
nlohmann::json prepare_request(const std::string& model, const FeedFlags& flags, bool merge);

}  // namespace attune
