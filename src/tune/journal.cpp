#include "tune/journal.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "attune/error.h"
#include "tune/result.h"

namespace attune {

using nlohmann::json;

namespace {

// The first difference, as the path of a JSON pointer and both values.
std::string describe_change(const json& was, const json& is) {
  const json patch = json::diff(was, is);
  const std::string path = patch.at(0).at("path");
  const json::json_pointer pointer(path);
  const auto show = [&](const json& from) { return from.contains(pointer) ? from.at(pointer).dump() : "nothing"; };
  return fmt::format("{} was {}, now {}", path, show(was), show(is));
}

}  // namespace

Journal::Journal(std::filesystem::path path, const json& identity, bool resumes) : path_(std::move(path)) {
  if (resumes) load(identity);
  file_.open(path_, resumes ? std::ios::app : std::ios::trunc);
  if (!file_) failure_ = std::generic_category().message(errno);
  if (resumes) file_ << '\n';  // behind a line that was cut off
  if (!resumes) write({{"journal", kTunedSchema}, {"identity", identity}});
}

void Journal::load(const json& identity) {
  std::ifstream file(path_);
  std::string line;
  const auto refuse = [&](const std::string& why) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("There is nothing to resume in '{}': {}.", path_.string(), why));
  };
  if (!file || !std::getline(file, line)) refuse("no interrupted run has left it");
  const json head = json::parse(line, nullptr, false);
  if (!head.is_object() || head.value("journal", 0) != kTunedSchema || !head.contains("identity")) {
    refuse("this version did not write it");
  }
  if (head.at("identity") != identity)
    refuse("it is of another run: " + describe_change(head.at("identity"), identity));
  while (std::getline(file, line)) {
    json entry = json::parse(line, nullptr, false);
    if (!entry.is_object() || !entry.contains("key") || !entry.contains("value")) continue;
    entries_.push_back({std::move(entry["key"]), std::move(entry["value"])});
  }
}

std::optional<json> Journal::take(const json& key) {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return !entry.is_taken && entry.key == key; });
  if (found == entries_.end()) return std::nullopt;
  found->is_taken = true;
  ++taken_;
  return found->value;
}

void Journal::add(const json& key, const json& value) { write({{"key", key}, {"value", value}}); }

void Journal::write(const json& line) {
  if (path_.empty() || !failure_.empty()) return;
  file_ << line.dump(-1, ' ', false, json::error_handler_t::replace) << std::endl;  // a killed run keeps the line
  if (!file_) failure_ = std::generic_category().message(errno);
}

void Journal::remove() noexcept {
  file_.close();
  std::error_code ignored;
  if (std::filesystem::is_regular_file(path_, ignored)) std::filesystem::remove(path_, ignored);
}

}  // namespace attune
