#include "progress_bar.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "base/subprocess.h"
#include "terminal_text.h"

namespace attune {
namespace {

constexpr int kBarWidth = 24;
constexpr size_t kTextWidth = 48;
constexpr const char* kWipeLine = "\r\x1b[K";

}  // namespace

ProgressBar::ProgressBar(std::FILE* stream) : stream_(stream), is_shown_(is_terminal(stream)) {}

ProgressBar::~ProgressBar() {
  if (is_shown_) fmt::print(stream_, "{}", kWipeLine);
}

void ProgressBar::show(double share, std::string_view text) {
  if (!is_shown_) return;
  const auto filled = static_cast<size_t>(std::clamp(share, 0.0, 1.0) * kBarWidth);
  fmt::print(stream_, "{}[{}{}] {:3.0f} % {}", kWipeLine, std::string(filled, '#'),
             std::string(kBarWidth - filled, '.'), 100 * share, shorten(text, kTextWidth));
  std::fflush(stream_);
}

}  // namespace attune
