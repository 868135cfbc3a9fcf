// Initializers that lie in files beside the model.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_mapping.h"

namespace attune {

/// Opens each external file of one model once. Not thread-safe.
class ExternalData {
 public:
  /// `folder` holds the model; empty for a model given as bytes, whose external data is refused.
  explicit ExternalData(std::filesystem::path folder);

  struct Piece {
    std::span<const std::byte> bytes;
    std::shared_ptr<const FileMapping> file;
  };

  /// `length` 0 takes the rest of the file. Throws Error(kInvalidArgument) naming `tensor` when `location` is absolute,
  /// leads out of the folder, by `..` or by a symbolic link, or when the range is not inside the file; and
  /// kNoSuchFile when it is missing.
  Piece find(std::string_view tensor, const std::string& location, uint64_t offset, uint64_t length);

  std::vector<std::shared_ptr<const FileMapping>> files() const;

 private:
  std::shared_ptr<const FileMapping> open(std::string_view tensor, const std::string& location);

  std::filesystem::path folder_;
  std::map<std::string, std::shared_ptr<const FileMapping>> files_;
};

}  // namespace attune
