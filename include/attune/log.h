// Log lines: what the library has to say, and where it goes. Thread safety: everything here may be called from any
// thread.
//
// A session logs at `SessionOptions::log_severity_level`, a run at `RunOptions::log_severity_level`; -1 follows the
// default severity set here. Info says what was loaded, what was optimized and planned; warnings say what costs the
// user time or memory. Nothing is written when the library is loaded, and nothing below the severity that was asked
// for.
#ifndef ATTUNE_LOG_H_
#define ATTUNE_LOG_H_

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
  std::string_view id;  ///< The session's `logid`, a run's `run_tag`, or both with a colon between.
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

/// The severity and verbosity of sessions and runs that name none: kWarning and 0 until set.
LogSeverity default_log_severity();
void set_default_log_severity(LogSeverity severity);
int default_log_verbosity();
void set_default_log_verbosity(int verbosity);

}  // namespace attune

#endif  // ATTUNE_LOG_H_
