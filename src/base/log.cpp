#include "base/log.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <vector>

#include "attune/error.h"
#include "base/fork.h"

namespace attune {
namespace {

std::atomic<int> default_severity{static_cast<int>(LogSeverity::kWarning)};
std::atomic<int> default_verbosity{0};

// Null for stderr. Read without a lock, so that a fork or an exit in the midst of a line does no harm.
std::atomic<const LogSink*> current_sink{nullptr};

void write_to_stderr(const LogRecord& record) {
  const std::string line = format_log_record(record) + '\n';
  // One call for a line keeps lines of several threads whole; a stderr that is gone is no reason to fail.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace

std::string format_log_record(const LogRecord& record) {
  static constexpr char kLetters[] = {'V', 'I', 'W', 'E', 'F'};
  const std::time_t seconds = std::chrono::system_clock::to_time_t(record.time);
  const auto fraction = record.time - std::chrono::system_clock::from_time_t(seconds);
  std::tm date{};
  ::gmtime_r(&seconds, &date);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03} [{}:attune:{}, {}:{}] {}", date.tm_year + 1900,
                     date.tm_mon + 1, date.tm_mday, date.tm_hour, date.tm_min, date.tm_sec,
                     std::chrono::duration_cast<std::chrono::milliseconds>(fraction).count(),
                     kLetters[static_cast<int>(record.severity)], record.id, record.file, record.line, record.text);
}

void set_log_sink(LogSink sink) {
  // Never destroyed: another thread may log while the process exits.
  static auto& mutex = *new ForkSafeMutex;
  static auto& sinks = *new std::vector<std::unique_ptr<const LogSink>>;
  if (!sink) {
    current_sink.store(nullptr);
    return;
  }
  auto owned = std::make_unique<const LogSink>(std::move(sink));
  const std::lock_guard lock(mutex);
  current_sink.store(owned.get());
  sinks.push_back(std::move(owned));
}

LogSeverity default_log_severity() {
  return static_cast<LogSeverity>(default_severity.load(std::memory_order_relaxed));
}

void set_default_log_severity(LogSeverity severity) { default_severity.store(static_cast<int>(severity)); }

int default_log_verbosity() { return default_verbosity.load(std::memory_order_relaxed); }

void set_default_log_verbosity(int verbosity) { default_verbosity.store(verbosity); }

Logger::Logger(std::string id, int severity, int verbosity)
    : id_(std::move(id)), severity_(severity), verbosity_(verbosity) {
  if (severity < -1 || severity > static_cast<int>(LogSeverity::kFatal)) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("The log severity level is {}; it must be from 0 (verbose) to 4 (fatal)", severity));
  }
}

Logger Logger::for_run(std::string_view tag, int severity, int verbosity) const {
  std::string id = id_;
  if (!id.empty() && !tag.empty()) id += ':';
  id += tag;
  return severity >= 0 ? Logger(std::move(id), severity, verbosity) : Logger(std::move(id), severity_, verbosity_);
}

void Logger::write(LogSeverity severity, std::string_view file, int line, std::string_view text) const {
  const LogRecord record{std::chrono::system_clock::now(), severity, id_, file, line, text};
  if (const LogSink* sink = current_sink.load(std::memory_order_acquire)) {
    (*sink)(record);
  } else {
    write_to_stderr(record);
  }
}

}  // namespace attune
