// What inference knows of a model's values before any input is there.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace attune {

/// Infers the model as a session does, with what depends on constants alone folded: {"values": [{"name", "type",
/// "shape"}]}, inputs first, then results in the order of the nodes. "type" is null while unknown, "shape" while even
/// the rank is; a dimension is a number or a text: the model's name for it, or "?n", n being the same where the
/// dimensions are the same for certain. Folded values are missing. Throws Error as loading does.
nlohmann::json make_shapes_report(const std::string& model);

/// The report as a table.
std::string format_shapes_report(const nlohmann::json& report);

}  // namespace attune
