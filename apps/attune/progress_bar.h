// One line on a terminal that tells how far a long command is. Thread safety: none.
#pragma once

#include <cstdio>
#include <string_view>

namespace attune {

/// Draws on `stream` only if that is a terminal, and wipes the line when it is destroyed.
class ProgressBar {
 public:
  explicit ProgressBar(std::FILE* stream = stderr);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  /// `share` from 0 to 1.
  void show(double share, std::string_view text);

 private:
  std::FILE* stream_;
  bool is_shown_;
};

}  // namespace attune
