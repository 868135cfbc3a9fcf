#include "base/interrupt.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cstdint>

#include "attune/error.h"

namespace attune {
namespace {

constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP};

volatile sig_atomic_t event_descriptor = -1;
std::array<struct sigaction, kSignals.size()> former;

// Nothing but async-signal-safe calls.
void note_interrupt(int) {
  const int code = errno;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(event_descriptor, &one, sizeof one);
  errno = code;
}

}  // namespace

InterruptScope::InterruptScope() {
  event_descriptor = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event_descriptor < 0) throw Error(ErrorCode::kRuntimeException, "No descriptor for interrupts.");
  struct sigaction action = {};
  action.sa_handler = note_interrupt;
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  for (size_t k = 0; k < kSignals.size(); ++k) {
    ::sigaction(kSignals[k], nullptr, &former[k]);
    // What the caller ignores, as nohup does, stays ignored.
    if (former[k].sa_handler != SIG_IGN) ::sigaction(kSignals[k], &action, nullptr);
  }
}

InterruptScope::~InterruptScope() {
  for (size_t k = 0; k < kSignals.size(); ++k) ::sigaction(kSignals[k], &former[k], nullptr);
  ::close(event_descriptor);
  event_descriptor = -1;
}

int interrupt_descriptor() noexcept { return event_descriptor; }

void throw_if_interrupted() {
  pollfd waiting = {.fd = event_descriptor, .events = POLLIN, .revents = 0};
  if (::poll(&waiting, 1, 0) == 1) throw Interrupted();
}

}  // namespace attune
