#include "runtime/profiler.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <iterator>
#include <mutex>
#include <nlohmann/json.hpp>
#include <utility>

#include "attune/error.h"
#include "base/cpu.h"
#include "base/fork.h"
#include "base/thread.h"

namespace attune {
namespace {

// Appends `text` as a JSON string. Names are nearly always plain ASCII; the rest is left to the library, which replaces
// what is not UTF-8.
void append_json_string(std::string& out, std::string_view text) {
  bool plain = true;
  for (const char c : text) plain = plain && c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
  if (plain) {
    out += '"';
    out += text;
    out += '"';
  } else {
    out += nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }
}

std::string timestamp(int64_t time_ns) {
  return fmt::format("{:%Y-%m-%d_%H-%M-%S}_{:03}", fmt::localtime(static_cast<std::time_t>(time_ns / 1'000'000'000)),
                     time_ns / 1'000'000 % 1000);
}

}  // namespace

std::string& ProfileArgs::open(std::string_view key) {
  if (text_.empty()) {
    text_.reserve(1024);  // what a node's arguments take
  } else {
    text_ += ',';
  }
  text_ += '"';
  text_ += key;
  text_ += "\" : ";
  return text_;
}

ProfileArgs& ProfileArgs::add(std::string_view key, std::string_view text) {
  open(key);
  append_json_string(text_, text);
  return *this;
}

ProfileArgs& ProfileArgs::add(std::string_view key, int64_t number) {
  open(key);
  text_ += '"';
  const fmt::format_int digits(number);
  text_.append(digits.data(), digits.size());
  text_ += '"';
  return *this;
}

ProfileArgs& ProfileArgs::add_json(std::string_view key, std::string_view json) {
  open(key);
  text_ += json;
  return *this;
}

struct Profiler::Output {
  std::string name;
  const int64_t process_id = current_process_id();
  const uint32_t generation = fork_generation();

  ForkSafeMutex mutex;  // protects what follows
  std::FILE* file = nullptr;
  std::string pending;  // written when it has grown to kFlushBytes
  bool any = false;     // an event has been recorded
  bool failed = false;

  // A child of fork has a copy of the parent's file, which is not its to write.
  bool open() const { return file != nullptr && generation == fork_generation(); }

  void flush() {
    if (std::fwrite(pending.data(), 1, pending.size(), file) != pending.size()) failed = true;
    pending.clear();
  }
};

Profiler::Profiler(std::string_view prefix)
    : start_time_ns_(std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count()),
      start_monotonic_ns_(monotonic_ns()),
      output_(std::make_unique<Output>()) {
  // Sessions made in the same millisecond would share a name: the later one takes the next that is free.
  for (int64_t later_ms = 0; output_->file == nullptr; ++later_ms) {
    output_->name = fmt::format("{}_{}.json", prefix, timestamp(start_time_ns_ + later_ms * 1'000'000));
    output_->file = std::fopen(output_->name.c_str(), "wxe");
    if (output_->file == nullptr && (errno != EEXIST || later_ms == 1000)) {
      throw Error(ErrorCode::kRuntimeException,
                  fmt::format("The profile {} cannot be created: {}", output_->name, std::strerror(errno)));
    }
  }
  std::setvbuf(output_->file, nullptr, _IONBF, 0);  // `pending` is the buffer
  output_->pending.push_back('[');
}

Profiler::~Profiler() {
  try {
    end();
  } catch (const std::exception&) {
    // The disk is full, or the like: nobody is left to tell.
  }
  if (output_->file != nullptr) std::fclose(output_->file);
}

void Profiler::record(ProfileCategory category, std::string_view name, int64_t start_ns, int64_t end_ns,
                      int64_t thread_id, const ProfileArgs& args) {
  static constexpr std::string_view kCategories[] = {"Session", "Node", "Thread"};
  const int64_t begin_us = (start_ns - start_monotonic_ns_) / 1000;
  const int64_t end_us = (end_ns - start_monotonic_ns_) / 1000;
  const std::lock_guard lock(output_->mutex);
  if (!output_->open()) return;
  std::string& pending = output_->pending;
  if (std::exchange(output_->any, true)) pending += ',';
  // The spaces are onnxruntime's, for readers that search the text.
  fmt::format_to(std::back_inserter(pending),
                 "\n{{\"cat\" : \"{}\",\"pid\" :{},\"tid\" :{},\"dur\" :{},\"ts\" :{},\"ph\" : \"X\",\"name\" :",
                 kCategories[static_cast<size_t>(category)], output_->process_id, thread_id, end_us - begin_us,
                 begin_us);
  append_json_string(pending, name);
  pending += ",\"args\" : {";
  pending += args.text();
  pending += "}}";
  if (pending.size() >= kFlushBytes) output_->flush();
}

bool Profiler::is_open() const {
  const std::lock_guard lock(output_->mutex);
  return output_->open();
}

std::string Profiler::end() {
  const std::lock_guard lock(output_->mutex);
  if (!output_->open()) return "";
  output_->pending += "\n]\n";
  output_->flush();
  if (std::fclose(std::exchange(output_->file, nullptr)) != 0) output_->failed = true;
  if (output_->failed) {
    throw Error(ErrorCode::kRuntimeException, fmt::format("The profile {} could not be written", output_->name));
  }
  return output_->name;
}

}  // namespace attune
