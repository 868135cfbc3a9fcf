#include "tune/worker_process.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "attune/error.h"

namespace attune {

nlohmann::json WorkerProcess::request(const nlohmann::json& request, double seconds) {
  process_.send_line(request.dump());
  const std::optional<std::string> line = process_.read_line(static_cast<int64_t>(std::max(seconds, 0.001) * 1000));
  if (!line) {
    process_.end(0);
    throw Error(ErrorCode::kFail, fmt::format("No answer within {:.1f} s.", seconds));
  }
  const nlohmann::json answer = nlohmann::json::parse(*line, nullptr, false);
  if (!answer.is_object()) throw Error(ErrorCode::kFail, "The worker's answer is not a JSON object.");
  const auto error = answer.find("error");
  if (error != answer.end()) throw Error(ErrorCode::kFail, error->is_string() ? error->get<std::string>() : "unknown");
  return answer;
}

}  // namespace attune
