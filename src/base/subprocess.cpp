#include "base/subprocess.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <system_error>

#include "attune/error.h"
#include "base/cpu.h"
#include "base/interrupt.h"

namespace attune {
namespace {

void close_descriptor(int& descriptor) noexcept {
  if (descriptor >= 0) ::close(descriptor);
  descriptor = -1;
}

[[noreturn]] void throw_system(std::string_view what, int code) {
  throw Error(ErrorCode::kRuntimeException, fmt::format("{}: {}", what, std::generic_category().message(code)));
}

// Runs in the child between fork and exec: nothing but async-signal-safe calls.
[[noreturn]] void become(char* const* arguments, int input, int output, int failure, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::signal(SIGINT, SIG_IGN);  // Ctrl-C reaches the whole group; what becomes of the child is for its parent to say
  if (::getppid() == parent && ::dup2(input, STDIN_FILENO) >= 0 && ::dup2(output, STDOUT_FILENO) >= 0) {
    ::execvp(arguments[0], arguments);
  }
  const int code = errno;
  [[maybe_unused]] const ssize_t written = ::write(failure, &code, sizeof code);
  ::_exit(127);
}

}  // namespace

Subprocess::Subprocess(const std::vector<std::string>& command) {
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);

  std::array<int, 2> input = {-1, -1};
  std::array<int, 2> output = {-1, -1};
  std::array<int, 2> failure = {-1, -1};
  const auto close_all = [&] {
    for (auto* pair : {&input, &output, &failure}) {
      for (int& descriptor : *pair) close_descriptor(descriptor);
    }
  };
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, input.data()) != 0 ||
      ::pipe2(output.data(), O_CLOEXEC) != 0 || ::pipe2(failure.data(), O_CLOEXEC) != 0) {
    const int code = errno;
    close_all();
    throw_system("No pipe for a process", code);
  }
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child == 0) become(arguments.data(), input[1], output[1], failure[1], parent);
  if (child < 0) {
    const int code = errno;
    close_all();
    throw_system("No new process", code);
  }
  process_ = child;
  close_descriptor(input[1]);
  close_descriptor(output[1]);
  close_descriptor(failure[1]);
  // A successful exec closes the pipe without a byte.
  int code = 0;
  ssize_t count = 0;
  do count = ::read(failure[0], &code, sizeof code);
  while (count < 0 && errno == EINTR);
  if (count == static_cast<ssize_t>(sizeof code)) {
    close_all();
    reap(true);
    throw_system(fmt::format("'{}' cannot be started", command[0]), code);
  }
  close_descriptor(failure[0]);
  input_ = input[0];
  output_ = output[0];
}

Subprocess::~Subprocess() { end(0); }

void Subprocess::send_line(std::string_view line) {
  std::string text(line);
  text += '\n';
  size_t sent = 0;
  while (sent < text.size()) {
    const ssize_t count = ::send(input_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw Error(ErrorCode::kFail, fmt::format("The process ended: {}", end(1000)));
    sent += static_cast<size_t>(count);
  }
}

std::optional<std::string> Subprocess::read_line(int64_t timeout_ms) {
  const int64_t deadline = monotonic_ns() + timeout_ms * 1'000'000;
  size_t searched = 0;
  while (true) {
    const size_t newline = buffer_.find('\n', searched);
    if (newline != std::string::npos) {
      std::string line = buffer_.substr(0, newline);
      buffer_.erase(0, newline + 1);
      return line;
    }
    searched = buffer_.size();
    if (searched > kLongestLine) throw Error(ErrorCode::kFail, "The process wrote a line without an end.");
    const int64_t left_ms = std::max<int64_t>(0, (deadline - monotonic_ns() + 999'999) / 1'000'000);
    std::array<pollfd, 2> waiting = {pollfd{.fd = output_, .events = POLLIN, .revents = 0},
                                     pollfd{.fd = interrupt_descriptor(), .events = POLLIN, .revents = 0}};
    const int ready =
        ::poll(waiting.data(), waiting.size(), static_cast<int>(std::min<int64_t>(left_ms, 1'000'000'000)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) return std::nullopt;
    if (waiting[1].revents != 0) throw Interrupted();
    std::array<char, 65536> piece;
    const ssize_t count = ::read(output_, piece.data(), piece.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) throw Error(ErrorCode::kFail, fmt::format("The process ended: {}", end(1000)));
    buffer_.append(piece.data(), static_cast<size_t>(count));
  }
}

void Subprocess::pause() noexcept {
  if (process_ > 0) ::kill(static_cast<pid_t>(process_), SIGSTOP);
}

void Subprocess::resume() noexcept {
  if (process_ > 0) ::kill(static_cast<pid_t>(process_), SIGCONT);
}

bool Subprocess::reap(bool block) noexcept {
  if (process_ <= 0) return true;
  int status = 0;
  pid_t found = 0;
  do found = ::waitpid(static_cast<pid_t>(process_), &status, block ? 0 : WNOHANG);
  while (found < 0 && errno == EINTR);
  if (found == 0) return false;
  process_ = -1;
  if (found < 0) {
    ending_ = "unknown";
  } else if (WIFSIGNALED(status)) {
    ending_ = fmt::format("signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
  } else {
    ending_ = fmt::format("exit code {}", WEXITSTATUS(status));
  }
  return true;
}

std::string Subprocess::end(int64_t timeout_ms) noexcept {
  close_descriptor(input_);
  resume();
  const int64_t deadline = monotonic_ns() + timeout_ms * 1'000'000;
  while (!reap(false) && monotonic_ns() < deadline) ::poll(nullptr, 0, 1);
  if (process_ > 0) {
    ::kill(static_cast<pid_t>(process_), SIGKILL);
    reap(true);
  }
  close_descriptor(output_);
  return ending_;
}

std::filesystem::path executable_path() {
  std::error_code failed;
  std::filesystem::path path = std::filesystem::read_symlink("/proc/self/exe", failed);
  if (failed) throw_system("The command does not find its own file", failed.value());
  return path;
}

bool is_terminal(std::FILE* stream) noexcept { return ::isatty(::fileno(stream)) == 1; }

}  // namespace attune
