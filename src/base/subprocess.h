// Child processes that are talked to in lines, and what this process is to its caller: its own file, its terminal.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace attune {

/// A child process with its standard input and output in our hands; its standard error is ours. It does not outlive
/// this object, nor the thread that started it, and it ignores Ctrl-C. Thread safety: none.
class Subprocess {
 public:
  /// Starts command[0], a path or a name looked up in PATH. Throws attune::Error kRuntimeException when that fails.
  explicit Subprocess(const std::vector<std::string>& command);

  /// Kills the child if it still runs.
  ~Subprocess();
  Subprocess(const Subprocess&) = delete;
  Subprocess& operator=(const Subprocess&) = delete;

  /// Writes a line and its newline. Throws attune::Error kFail, saying how it ended, when the child is gone.
  void send_line(std::string_view line);

  /// The next line of its output without the newline, waiting up to `timeout_ms`; nothing when the time is over. Throws
  /// attune::Error kFail when the output ended or a line exceeds kLongestLine; Interrupted (base/interrupt.h).
  std::optional<std::string> read_line(int64_t timeout_ms);

  /// Its number; -1 when it is gone.
  int64_t process_id() const { return process_; }

  /// Stops all its threads where they are, and lets them go on. No effect on a child that is gone.
  void pause() noexcept;
  void resume() noexcept;

  /// Closes its input, which asks a well-behaved child to end, and kills it unless that happens within `timeout_ms`.
  /// Returns how it ended: "exit code 0", "signal 9 (Killed)".
  std::string end(int64_t timeout_ms) noexcept;

  static constexpr size_t kLongestLine = size_t{64} << 20;

 private:
  bool reap(bool block) noexcept;

  int64_t process_ = -1;
  int input_ = -1;  ///< A socket: writing to one whose reader is gone can fail without a signal.
  int output_ = -1;
  std::string buffer_;
  std::string ending_;
};

/// The file that this process runs, for starting it again. Throws attune::Error kRuntimeException where unknown.
std::filesystem::path executable_path();

/// Whether the stream is shown to a person.
bool is_terminal(std::FILE* stream) noexcept;

}  // namespace attune
