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

#include "attune/tensor.h"
#include "base/file_mapping.h"

namespace attune {

/// Opens each external file of one model once. Not thread-safe.
class ExternalData {
 public:
  /// `model` is the model's file; empty for a model given as bytes, whose external data is refused unless it is in
  /// `given`: contents of files by location, as tensors of uint8. `given` outlives this object.
  ExternalData(std::filesystem::path model, const std::map<std::string, Tensor>& given);

  struct Piece {
    std::span<const std::byte> bytes;
    std::shared_ptr<const void> owner;
  };

  /// `length` 0 takes the rest of the file, which is looked for in the model's folder. Where that is a symbolic link it
  /// may also lead into the folder that the model's own link leads to: so Hugging Face's cache lays models out. Throws
  /// Error(kInvalidArgument) naming `tensor` when `location` is absolute, leads out of these folders, by `..` or by a
  /// link, or when the range is not inside the file; and kNoSuchFile when it is missing.
  Piece find(std::string_view tensor, const std::string& location, uint64_t offset, uint64_t length);

  std::vector<std::shared_ptr<const FileMapping>> files() const;

 private:
  std::shared_ptr<const FileMapping> open(std::string_view tensor, const std::string& location);

  std::filesystem::path model_;
  const std::map<std::string, Tensor>& given_;
  std::map<std::string, std::shared_ptr<const FileMapping>> files_;
};

}  // namespace attune
