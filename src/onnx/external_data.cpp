#include "onnx/external_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "attune/error.h"

namespace attune {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void throw_refused(std::string_view tensor, std::string_view location, std::string_view why) {
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("External data of initializer '{}' cannot be read from '{}': {}", tensor, location, why));
}

bool is_inside(const fs::path& folder, const fs::path& file) {
  const auto end = std::mismatch(folder.begin(), folder.end(), file.begin(), file.end());
  return end.first == folder.end();
}

}  // namespace

ExternalData::ExternalData(fs::path model, const std::map<std::string, Tensor>& given)
    : model_(std::move(model)), given_(given) {}

std::shared_ptr<const FileMapping> ExternalData::open(std::string_view tensor, const std::string& location) {
  const auto known = files_.find(location);
  if (known != files_.end()) return known->second;
  if (model_.empty()) throw_refused(tensor, location, "a model given as bytes has no folder.");
  const fs::path relative(location);
  if (location.empty() || relative.is_absolute()) throw_refused(tensor, location, "the path must be relative.");
  if (std::find(relative.begin(), relative.end(), "..") != relative.end()) {
    throw_refused(tensor, location, "the path leads out of the model's folder.");
  }
  std::error_code error;
  const fs::path folder = fs::canonical(model_.has_parent_path() ? model_.parent_path() : fs::path("."), error);
  if (error) throw_refused(tensor, location, error.message());
  const fs::path target = fs::canonical(model_, error).parent_path();
  if (error) throw_refused(tensor, location, error.message());
  const fs::path file = fs::canonical(folder / relative, error);
  if (error == std::errc::no_such_file_or_directory) {
    throw Error(ErrorCode::kNoSuchFile,
                fmt::format("External data file '{}' of initializer '{}' doesn't exist.", location, tensor));
  }
  if (error) throw_refused(tensor, location, error.message());
  if (!is_inside(folder, file) && !is_inside(target, file)) {
    throw_refused(tensor, location, "External data path validation failed: the path leads out of the model's folder.");
  }
  return files_.emplace(location, std::make_shared<const FileMapping>(file, FileKind::kData)).first->second;
}

ExternalData::Piece ExternalData::find(std::string_view tensor, const std::string& location, uint64_t offset,
                                       uint64_t length) {
  std::shared_ptr<const void> owner;
  std::span<const std::byte> bytes;
  if (const auto given = given_.find(location); given != given_.end()) {
    owner = given->second.owner();
    bytes = {static_cast<const std::byte*>(given->second.raw()), given->second.bytes()};
  } else {
    const auto file = open(tensor, location);
    bytes = file->bytes();
    owner = file;
  }
  if (offset > bytes.size() || length > bytes.size() - offset) {
    throw_refused(
        tensor, location,
        fmt::format("bytes {} to {} are not inside the file of {} bytes.", offset, offset + length, bytes.size()));
  }
  const uint64_t size = length != 0 ? length : bytes.size() - offset;
  return {bytes.subspan(offset, size), std::move(owner)};
}

std::vector<std::shared_ptr<const FileMapping>> ExternalData::files() const {
  std::vector<std::shared_ptr<const FileMapping>> files;
  for (const auto& [location, file] : files_) files.push_back(file);
  return files;
}

}  // namespace attune
