#include "runtime/profiler.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <deque>
#include <iterator>
#include <mutex>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <utility>
#include <vector>

#include "attune/error.h"
#include "base/cpu.h"
#include "base/fork.h"
#include "base/thread.h"
#include "base/tick_clock.h"

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

namespace {

constexpr size_t kWriteBytes = size_t{1} << 20;
/// Numbers are kept in chunks of this many, which are never moved.
constexpr size_t kChunkNumbers = size_t{1} << 16;
/// Texts of decoders, which see a new length in each run, must not pile up.
constexpr size_t kMostTexts = 100'000;

/// A kept event: its writer, its text, and behind it its numbers.
struct Header {
  EventWriter writer;
  const EventText* text;
  size_t count;
};
static_assert(sizeof(Header) % sizeof(int64_t) == 0);
constexpr size_t kHeaderNumbers = sizeof(Header) / sizeof(int64_t);

struct Variant {
  std::vector<int64_t> numbers;
  const EventText* text;
};

void write_plain(const EventText& text, std::span<const int64_t> numbers, EventSink& sink) {
  sink.write(static_cast<ProfileCategory>(numbers[0]), text.name, numbers[1], numbers[2], numbers[3], text.args);
}

}  // namespace

struct Profiler::Output final : EventSink {
  std::string name;
  TickScale clock;  // measured before events are written
  const int64_t process_id = current_process_id();
  const uint32_t generation = fork_generation();

  ForkSafeMutex mutex;  // protects what follows
  std::FILE* file = nullptr;
  std::string pending;  // written when it has grown to kWriteBytes
  bool any = false;     // an event has been written
  bool failed = false;
  std::vector<std::vector<int64_t>> chunks;
  size_t kept = 0;  // numbers in all chunks
  std::deque<EventText> texts;
  std::unordered_map<const void*, std::vector<Variant>> variants;

  // A child of fork has a copy of the parent's file, which is not its to write.
  bool open() const { return file != nullptr && generation == fork_generation(); }

  void keep(EventWriter writer, const EventText& text, std::span<const int64_t> numbers) {
    const size_t needed = kHeaderNumbers + numbers.size();
    if (chunks.empty() || chunks.back().capacity() - chunks.back().size() < needed) {
      chunks.emplace_back().reserve(std::max(kChunkNumbers, needed));
    }
    std::vector<int64_t>& chunk = chunks.back();
    const Header header{writer, &text, numbers.size()};
    const size_t at = chunk.size();
    chunk.resize(at + kHeaderNumbers);
    std::memcpy(chunk.data() + at, &header, sizeof header);
    chunk.insert(chunk.end(), numbers.begin(), numbers.end());
    kept += needed;
    if (kept > kMostNumbers || texts.size() > kMostTexts) write_kept();
  }

  void write_kept() {
    clock.measure();
    for (const std::vector<int64_t>& chunk : chunks) {
      for (size_t at = 0; at < chunk.size();) {
        Header header;
        std::memcpy(&header, chunk.data() + at, sizeof header);
        at += kHeaderNumbers;
        header.writer(*header.text, {chunk.data() + at, header.count}, *this);
        at += header.count;
      }
    }
    chunks.clear();
    kept = 0;
    variants.clear();
    texts.clear();
  }

  int64_t microseconds(int64_t ticks) const override {
    return static_cast<int64_t>(clock.nanoseconds_between(0, ticks)) / 1000;
  }

  void write(ProfileCategory category, std::string_view event_name, int64_t begin_ticks, int64_t end_ticks,
             int64_t thread_id, const ProfileArgs& args) override {
    static constexpr std::string_view kCategories[] = {"Session", "Node", "Thread"};
    const int64_t begin_us = static_cast<int64_t>(clock.nanoseconds_since_start(begin_ticks)) / 1000;
    const int64_t end_us = static_cast<int64_t>(clock.nanoseconds_since_start(end_ticks)) / 1000;
    if (std::exchange(any, true)) pending += ',';
    // The spaces are onnxruntime's, for readers that search the text.
    fmt::format_to(std::back_inserter(pending),
                   "\n{{\"cat\" : \"{}\",\"pid\" :{},\"tid\" :{},\"dur\" :{},\"ts\" :{},\"ph\" : \"X\",\"name\" :",
                   kCategories[static_cast<size_t>(category)], process_id, thread_id, end_us - begin_us, begin_us);
    append_json_string(pending, event_name);
    pending += ",\"args\" : {";
    pending += args.text();
    pending += "}}";
    if (pending.size() >= kWriteBytes) flush();
  }

  void flush() {
    if (std::fwrite(pending.data(), 1, pending.size(), file) != pending.size()) failed = true;
    pending.clear();
  }
};

Profiler::Profiler(std::string_view prefix)
    : start_time_ns_(std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count()),
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

void Profiler::record(ProfileCategory category, std::string_view name, int64_t start_ticks, int64_t end_ticks,
                      int64_t thread_id, const ProfileArgs& args) {
  const std::lock_guard lock(output_->mutex);
  if (!output_->open()) return;
  const int64_t numbers[] = {static_cast<int64_t>(category), start_ticks, end_ticks, thread_id};
  output_->keep(write_plain, output_->texts.emplace_back(EventText{std::string(name), args}), numbers);
}

void Profiler::record_later(const void* key, std::span<const int64_t> variant, FunctionRef<EventText()> make_text,
                            std::span<const int64_t> numbers, EventWriter writer) {
  const std::lock_guard lock(output_->mutex);
  if (!output_->open()) return;
  std::vector<Variant>& known = output_->variants[key];
  auto found = std::find_if(known.begin(), known.end(), [&](const Variant& other) {
    return std::equal(variant.begin(), variant.end(), other.numbers.begin(), other.numbers.end());
  });
  if (found == known.end()) {
    const EventText& text = output_->texts.emplace_back(make_text());
    found = known.insert(known.end(), {{variant.begin(), variant.end()}, &text});
  }
  output_->keep(writer, *found->text, numbers);
}

bool Profiler::is_open() const {
  const std::lock_guard lock(output_->mutex);
  return output_->open();
}

std::string Profiler::end() {
  const std::lock_guard lock(output_->mutex);
  if (!output_->open()) return "";
  output_->write_kept();
  output_->pending += "\n]\n";
  output_->flush();
  if (std::fclose(std::exchange(output_->file, nullptr)) != 0) output_->failed = true;
  if (output_->failed) {
    throw Error(ErrorCode::kRuntimeException, fmt::format("The profile {} could not be written", output_->name));
  }
  return output_->name;
}

}  // namespace attune
