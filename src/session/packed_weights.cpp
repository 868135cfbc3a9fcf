#include "session/packed_weights.h"

#include <fmt/format.h>

#include <cstdlib>
#include <string>
#include <system_error>
#include <utility>

#include "attune/error.h"
#include "base/content_hash.h"

namespace attune {
namespace {

constexpr const char* kVariable = "ATTUNE_PACKED_WEIGHTS";

double mebibytes(uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

bool is_folder(const std::filesystem::path& path) {
  std::error_code ignored;
  return !path.has_filename() || std::filesystem::is_directory(path, ignored);
}

/// "resnet50-0123456789abcdef.packed": models of one name, options that make other forms of their weights, and engines
/// that pack otherwise have files of their own.
std::string file_name(const SessionOptions& options, const std::filesystem::path& model, const ModelFiles& files) {
  std::string key = fmt::format("{}; level {}", packing_engine(), static_cast<int>(options.graph_optimization_level));
  if (const auto winograd = options.config_entries.find("attune.winograd"); winograd != options.config_entries.end()) {
    key += "; winograd " + winograd->second;
  }
  for (const auto& file : files) {
    const ContentDigest sample = sampled_digest(*file);
    key += fmt::format("; {:x} {:x}", sample.high, sample.low);
  }
  for (const auto& [name, size] : options.free_dimension_overrides) key += fmt::format("; {}={}", name, size);
  for (const auto& [name, size] : options.free_dimension_overrides_by_denotation) {
    key += fmt::format("; {}:{}", name, size);
  }
  const std::string hash = content_hash(std::as_bytes(std::span(key)));
  return fmt::format("{}-{}.packed", model.stem().string(), hash.substr(0, 16));
}

/// Private to its owner, as what is in it.
void make_folder(const std::filesystem::path& folder) {
  std::error_code ignored;  // who writes into it will say what is wrong
  if (!std::filesystem::create_directories(folder, ignored)) return;
  std::filesystem::permissions(folder, std::filesystem::perms::owner_all, ignored);
}

}  // namespace

PackedWeightsFile::PackedWeightsFile(const SessionOptions& options, std::string_view source, ModelFiles files,
                                     const Logger& logger)
    : files_(std::move(files)) {
  const auto entry = options.config_entries.find(kPackedWeights);
  const bool is_entry = entry != options.config_entries.end();
  const char* variable = std::getenv(kVariable);
  path_ = is_entry ? entry->second : variable == nullptr ? "" : variable;
  if (path_.empty()) return;
  if (files_.empty()) {
    if (is_entry) {
      ATTUNE_LOG(logger, kWarning, "{} is ignored: it needs a model that is a file, not bytes.", kPackedWeights);
    }
    path_.clear();
    return;
  }
  is_own_ = is_folder(path_);
  if (is_own_) {
    make_folder(path_);
    path_ /= file_name(options, source, files_);
  }
  open(logger);
}

PackedWeightsFile::PackedWeightsFile(const std::filesystem::path& target, ModelFiles files)
    : files_(std::move(files)), path_(target), writer_(std::make_unique<PackedFileWriter>(target)) {}

void PackedWeightsFile::open(const Logger& logger) {
  std::error_code ignored;
  if (!is_own_ || std::filesystem::exists(path_, ignored)) {
    try {
      file_ = PackedFile::open(path_, files_);
      return;
    } catch (const Error& error) {
      ATTUNE_LOG(logger, kWarning, "The file of packed weights '{}' {}. Weights are packed instead.", path_.string(),
                 error.text());
    }
  }
  if (is_own_) write_into_folder(logger);
}

void PackedWeightsFile::write_into_folder(const Logger& logger) {
  try {
    writer_ = std::make_unique<PackedFileWriter>(path_);
  } catch (const Error& error) {
    ATTUNE_LOG(logger, kWarning, "Packed weights are not kept: {}", error.text());
  }
}

void PackedWeightsFile::finish(const Program& program, const Logger& logger) {
  if (file_ != nullptr) report(program, logger);
  if (writer_ == nullptr) return;
  try {
    writer_->finish(files_);
    ATTUNE_LOG(logger, kInfo, "Wrote {} packed weights, {:.1f} MiB, to '{}'.", writer_->weights(),
               mebibytes(writer_->bytes()), path_.string());
  } catch (const Error& error) {
    if (!is_own_) throw;
    ATTUNE_LOG(logger, kWarning, "Packed weights are not kept: {}", error.text());
  }
  writer_.reset();
}

void PackedWeightsFile::report(const Program& program, const Logger& logger) const {
  ATTUNE_LOG(logger, kInfo, "Mapped {:.1f} MiB of packed weights from '{}'.", mebibytes(program.mapped_bytes),
             path_.string());
  const size_t missing = program.packed_bytes - program.mapped_bytes;
  if (missing == 0) return;
  ATTUNE_LOG(logger, kWarning,
             "The file of packed weights '{}' lacks {:.1f} of {:.1f} MiB: it was made under other options, or is "
             "damaged. These weights are packed instead.",
             path_.string(), mebibytes(missing), mebibytes(program.packed_bytes));
  std::error_code ignored;
  if (is_own_) std::filesystem::remove(path_, ignored);  // the next session writes it again
}

}  // namespace attune
