// Code that makes a session with given settings, ready to paste. Thread safety: pure functions.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace attune {

/// `module` is what to import: attune, or onnxruntime.
std::string python_snippet(const std::string& module, const std::string& model, const nlohmann::json& settings);
std::string cpp_snippet(const std::string& model, const nlohmann::json& settings);

}  // namespace attune
