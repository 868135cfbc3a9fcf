// How the library logs: who writes a line decides whether it is worth formatting; attune/log.h decides where it goes.
// Thread safety: everything here may be called from any thread; a Logger is an immutable value.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "attune/log.h"

namespace attune {

/// What a session, or one run of it, logs through: cheap to copy.
class Logger {
 public:
  /// Follows the process's default severity and verbosity at the time of each line.
  Logger() = default;

  /// `severity` -1 follows the default; 0 to 4 is a LogSeverity. Throws attune::Error kInvalidArgument for others.
  explicit Logger(std::string id, int severity = -1, int verbosity = 0);

  /// What one run of this logger's owner logs through: `severity` -1 is this logger's own severity and verbosity; `tag`
  /// is added to the id.
  Logger for_run(std::string_view tag, int severity, int verbosity) const;

  bool enabled(LogSeverity severity) const {
    return static_cast<int>(severity) >= (severity_ >= 0 ? severity_ : static_cast<int>(default_log_severity()));
  }
  /// Verbose lines of a detail that the user asked for; 0 is the least detail.
  bool verbose(int detail) const { return enabled(LogSeverity::kVerbose) && detail <= verbosity(); }
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

/// ATTUNE_LOG_DETAIL(logger, 1, "{} packs {} bytes", name, bytes): a verbose line for a log_verbosity_level of at least
/// 1.
#define ATTUNE_LOG_DETAIL(logger, detail, ...)                                                                   \
  do {                                                                                                           \
    const ::attune::Logger& attune_logger = (logger);                                                            \
    if (attune_logger.verbose(detail))                                                                           \
      attune_logger.write(::attune::LogSeverity::kVerbose, __FILE_NAME__, __LINE__, ::fmt::format(__VA_ARGS__)); \
  } while (false)
