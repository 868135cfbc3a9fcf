// Ctrl-C (SIGINT), SIGTERM and SIGHUP as an event that long waits notice, so that a command can tidy up and keep what
// it knows. Only one InterruptScope at a time; it belongs to the main thread.
#pragma once

#include <exception>

namespace attune {

/// Thrown by a wait that an interrupt ended. Not an attune::Error, so that nobody takes it for a failure of what was
/// waited for.
class Interrupted : public std::exception {
 public:
  const char* what() const noexcept override { return "Interrupted."; }
};

/// While one exists, the first interrupt does not end the process but makes interrupt_descriptor() readable, and it
/// stays so. A second one ends the process as usual.
class InterruptScope {
 public:
  /// Throws attune::Error kRuntimeException when the system has no descriptor left.
  InterruptScope();
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;
};

/// For poll(), beside what is waited for; -1, which poll() ignores, while there is no scope.
int interrupt_descriptor() noexcept;

/// Throws Interrupted when there was an interrupt in this scope.
void throw_if_interrupted();

}  // namespace attune
