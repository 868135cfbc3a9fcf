#include "base/cgroup.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace attune {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (size_t begin = 0;;) {
    const size_t end = text.find(separator, begin);
    parts.emplace_back(text.substr(begin, end - begin));
    if (end == std::string_view::npos) return parts;
    begin = end + 1;
  }
}

bool contains(const std::vector<std::string>& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

// mountinfo writes space, tab, newline and backslash as \ and three octal digits.
std::string unescape_octal(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    int code = 0;
    if (text[i] == '\\' && i + 3 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 4, code, 8).ptr == text.data() + i + 4) {
      result.push_back(static_cast<char>(code));
      i += 3;
    } else {
      result.push_back(text[i]);
    }
  }
  return result;
}

// A mounted hierarchy and the process's place in it.
struct Hierarchy {
  bool version2;
  fs::path mount_point;   // "/sys/fs/cgroup/memory"
  fs::path group_inside;  // relative to the mount point; empty if the process's group is what is mounted
};

std::vector<Hierarchy> find_hierarchies(const fs::path& root, std::string_view controller) {
  // A line of /proc/self/cgroup is "id:controllers:path"; version 2 has id 0 and no controllers.
  std::string group1;
  std::string group2;
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first == std::string::npos ? first : first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    if (controllers.empty()) {
      group2 = path;
    } else if (contains(split(controllers, ','), controller)) {
      group1 = path;
    }
  }
  // "31 23 0:28 /docker/1234 /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory": the fields after
  // "-" are the kind, the source and the options, among which version 1 names its controllers.
  std::vector<Hierarchy> found;
  std::ifstream mounts(root / "proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    const std::vector<std::string> fields = split(line, ' ');
    const auto dash = std::find(fields.begin(), fields.end(), "-");
    if (fields.size() < 6 || fields.end() - dash < 4) continue;
    const bool version2 = dash[1] == "cgroup2";
    if (!version2 && (dash[1] != "cgroup" || !contains(split(dash[3], ','), controller))) continue;
    const fs::path mounted_group = unescape_octal(fields[3]);
    const fs::path mount_point = fs::path(unescape_octal(fields[4])).relative_path();
    const std::string& group = version2 ? group2 : group1;
    if (group.empty()) continue;
    // Without a cgroup namespace a container sees its group under the host's name, but mounted as the top.
    fs::path inside = fs::path(group).lexically_relative(mounted_group);
    if (inside.empty() || *inside.begin() == ".." || inside == ".") inside.clear();
    found.push_back({version2, root / mount_point, inside});
  }
  return found;
}

// Calls read(folder) for the process's group and every group above it, as far up as is mounted.
void walk_up(const Hierarchy& hierarchy, const std::function<void(const fs::path& folder)>& read) {
  for (fs::path inside = hierarchy.group_inside; !inside.empty(); inside = inside.parent_path()) {
    read(hierarchy.mount_point / inside);
  }
  read(hierarchy.mount_point);
}

// The file's words; none if it does not exist.
std::vector<std::string> read_words(const fs::path& path) {
  std::vector<std::string> words;
  std::ifstream file(path);
  for (std::string word; file >> word;) words.push_back(word);
  return words;
}

std::optional<int64_t> parse_positive(const std::string& word) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size() || value <= 0) return std::nullopt;
  return value;
}

template <class T>
void take_smaller(std::optional<T>& smallest, std::optional<T> value) {
  if (value && (!smallest || *value < *smallest)) smallest = value;
}

std::optional<double> ratio(const std::vector<std::string>& quota, const std::vector<std::string>& period, size_t at) {
  if (quota.empty() || period.size() <= at) return std::nullopt;
  const auto time = parse_positive(quota[0]);  // "max" and -1 mean no limit
  const auto of = parse_positive(period[at]);
  if (!time || !of) return std::nullopt;
  return static_cast<double>(*time) / static_cast<double>(*of);
}

}  // namespace

const fs::path& system_root() {
  static const fs::path& root = *new fs::path([] {
    const char* given = std::getenv("ATTUNE_SYSTEM_ROOT");
    return given != nullptr && *given != 0 ? given : "/";
  }());
  return root;
}

std::optional<double> cgroup_cpu_quota(const fs::path& root) {
  std::optional<double> quota;
  for (const Hierarchy& hierarchy : find_hierarchies(root, "cpu")) {
    walk_up(hierarchy, [&](const fs::path& folder) {
      if (hierarchy.version2) {
        const auto words = read_words(folder / "cpu.max");  // "150000 100000" or "max 100000"
        take_smaller(quota, ratio(words, words, 1));
      } else {
        take_smaller(quota,
                     ratio(read_words(folder / "cpu.cfs_quota_us"), read_words(folder / "cpu.cfs_period_us"), 0));
      }
    });
  }
  return quota;
}

double cgroup_throttled_seconds(const fs::path& root) {
  double most = 0;
  for (const Hierarchy& hierarchy : find_hierarchies(root, "cpu")) {
    walk_up(hierarchy, [&](const fs::path& folder) {
      const auto words = read_words(folder / "cpu.stat");  // "nr_throttled 3 throttled_usec 1500": names and numbers
      const auto name = std::find(words.begin(), words.end(), hierarchy.version2 ? "throttled_usec" : "throttled_time");
      if (name == words.end() || name + 1 == words.end()) return;
      const double unit = hierarchy.version2 ? 1e-6 : 1e-9;
      most = std::max(most, unit * static_cast<double>(parse_positive(name[1]).value_or(0)));
    });
  }
  return most;
}

std::optional<uint64_t> cgroup_memory_limit(const fs::path& root) {
  std::optional<uint64_t> limit;
  for (const Hierarchy& hierarchy : find_hierarchies(root, "memory")) {
    walk_up(hierarchy, [&](const fs::path& folder) {
      const auto words = read_words(folder / (hierarchy.version2 ? "memory.max" : "memory.limit_in_bytes"));
      const auto value = words.empty() ? std::nullopt : parse_positive(words[0]);
      // Version 1 writes "no limit" as the largest int64 rounded down to a page.
      if (value && *value < int64_t{1} << 62)
        take_smaller(limit, std::optional<uint64_t>(static_cast<uint64_t>(*value)));
    });
  }
  return limit;
}

}  // namespace attune
