#include "tune/worker_process.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "attune/error.h"
#include "base/cpu.h"

namespace attune {

nlohmann::json WorkerProcess::request(const nlohmann::json& request, double seconds) {
  process_.send_line(request.dump());
  return read_answer(process_.read_line(static_cast<int64_t>(std::max(seconds, 0.001) * 1000)), seconds);
}

nlohmann::json WorkerProcess::request(const nlohmann::json& request, double seconds, int interval_ms,
                                      const std::function<void(int64_t process)>& watch) {
  const int64_t deadline = monotonic_ns() + static_cast<int64_t>(seconds * 1e9);
  process_.send_line(request.dump());
  std::optional<std::string> line;
  while (!line && monotonic_ns() < deadline) {
    watch(process_.process_id());
    line = process_.read_line(interval_ms);
  }
  return read_answer(line, seconds);
}

nlohmann::json WorkerProcess::read_answer(const std::optional<std::string>& line, double seconds) {
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
