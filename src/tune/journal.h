// What a search has measured, kept on disk pair by pair, so that a run that was killed or interrupted can go on. The
// search asks for its measurements in an order that follows from their values alone, so that a second run with the same
// journal takes the same way, faster, until it comes to what was not measured yet.
//
// A file of JSON lines: {"journal": schema, "identity": what the measurements are of}, then {"key": ..., "value": ...}.
// Thread safety: none.
#pragma once

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace attune {

class Journal {
 public:
  /// Keeps nothing.
  Journal() = default;

  /// Begins the file at `path`, or goes on with it when `resumes`. A line that is cut off at the end is ignored. Throws
  /// Error(kInvalidArgument) when there is nothing to resume, or when it was measured of something else: the text names
  /// what differs.
  Journal(std::filesystem::path path, const nlohmann::json& identity, bool resumes);

  /// The oldest measurement under `key` that was not taken yet.
  std::optional<nlohmann::json> take(const nlohmann::json& key);

  /// Where the file cannot be written, because the disk is full, say, the search goes on without.
  void add(const nlohmann::json& key, const nlohmann::json& value);

  size_t taken() const { return taken_; }
  /// Why the file could not be written; empty when it could.
  const std::string& failure() const { return failure_; }
  const std::filesystem::path& path() const { return path_; }

  /// Deletes the file.
  void remove() noexcept;

 private:
  struct Entry {
    nlohmann::json key;
    nlohmann::json value;
    bool is_taken = false;
  };

  void load(const nlohmann::json& identity);
  void write(const nlohmann::json& line);

  std::filesystem::path path_;
  std::ofstream file_;
  std::vector<Entry> entries_;
  size_t taken_ = 0;
  std::string failure_;
};

}  // namespace attune
