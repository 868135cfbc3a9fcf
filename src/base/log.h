// Log lines: who writes them decides whether they are worth formatting, one replaceable sink decides where they go.
// Thread safety: everything here may be called from any thread; a Logger is an immutable value.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

namespace attune {

/// onnxruntime's levels and numbers.
enum class LogSeverity : int { kVerbose = 0, kInfo = 1, kWarning = 2, kError = 3, kFatal = 4 };

/// One line on its way to the sink; views are valid during the call.
struct LogRecord {
  std::chrono::system_clock::time_point time;
  LogSeverity severity;
  std::string_view id;  ///< The session's `logid`, or a run's tag.
  std::string_view file;
  int line;
  std::string_view text;
};

/// "2026-11-22 18:58:23.090 [W:attune:my_session, session.cpp:120] text", in UTC, without a newline.
std::string format_log_record(const LogRecord& record);

/// Called from any thread, several at once, and must not throw.
using LogSink = std::function<void(const LogRecord&)>;

/// Where all log lines of the process go from now on; an empty function restores the default, which writes a formatted
/// line to stderr in one call. Meant for a program's start: a sink lives until the process ends, because another thread
/// may be inside it.
void set_log_sink(LogSink sink);

/// The severity and verbosity of loggers that name none: kWarning and 0 until set.
LogSeverity default_log_severity();
void set_default_log_severity(LogSeverity severity);
int default_log_verbosity();
void set_default_log_verbosity(int verbosity);

/// What a session, or one run of it, logs through: cheap to copy.
class Logger {
 public:
  /// Follows the process's default severity and verbosity at the time of each line.
  Logger() = default;

  /// `severity` -1 follows the default; 0 to 4 is a LogSeverity. Throws attune::Error kInvalidArgument for others.
  explicit Logger(std::string id, int severity = -1, int verbosity = 0);

  bool enabled(LogSeverity severity) const {
    return static_cast<int>(severity) >= (severity_ >= 0 ? severity_ : static_cast<int>(default_log_severity()));
  }
  /// Detail level of kVerbose lines that the user asked for.
  int verbosity() const { return severity_ >= 0 ? verbosity_ : default_log_verbosity(); }
  const std::string& id() const { return id_; }

  /// Hands a finished text to the sink whatever its severity; ATTUNE_LOG asks `enabled` first.
  void write(LogSeverity severity, std::string_view file, int line, std::string_view text) const;

 private:
  std::string id_;
  int severity_ = -1;
  int verbosity_ = 0;
};

}  // namespace attune

/// ATTUNE_LOG(logger, kWarning, "{} nodes have no kernel", count): arguments are evaluated and formatted only if the
/// logger wants the severity. A macro, because a function cannot leave its arguments alone.
#define ATTUNE_LOG(logger, severity, ...)                                                                        \
  do {                                                                                                           \
    const ::attune::Logger& attune_logger = (logger);                                                            \
    if (attune_logger.enabled(::attune::LogSeverity::severity))                                                  \
      attune_logger.write(::attune::LogSeverity::severity, __FILE_NAME__, __LINE__, ::fmt::format(__VA_ARGS__)); \
  } while (false)
