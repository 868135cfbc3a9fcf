// The packed side file of a session: which one it takes, and who writes it. The file itself is plan/packed_file.h.
// Thread safety: one thread at a time, while a session is made.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "attune/options.h"
#include "base/log.h"
#include "plan/packed_file.h"
#include "plan/program.h"

namespace attune {

/// The configuration entry that names a file or a folder. Where there is none, the environment variable
/// ATTUNE_PACKED_WEIGHTS says the same for every session of the process whose model is a file.
constexpr const char* kPackedWeights = "attune.packed_weights";

/// A file that is named is read and never written. In a folder, the session looks for a file whose name it makes from
/// model, options and engine, and writes it when there is none that serves. Whatever is wrong with either is a warning
/// in the log, and weights are packed as if nobody had named one.
class PackedWeightsFile {
 public:
  /// What the entry or the variable asks for, if anything. `source` is the model's path and `files` are those of the
  /// model, none when it was given as bytes.
  PackedWeightsFile(const SessionOptions& options, std::string_view source, ModelFiles files, const Logger& logger);

  /// Only writes `target`, whatever the options say. Throws Error(kRuntimeException) when it cannot be written.
  PackedWeightsFile(const std::filesystem::path& target, ModelFiles files);

  /// For compile(); valid as long as this object.
  PackedStorage storage() const { return {file_, writer_.get()}; }

  /// Once everything is packed: puts a written file into its place, and says in the log what the file was good for.
  /// Throws Error(kRuntimeException) for a target that cannot be written.
  void finish(const Program& program, const Logger& logger);

 private:
  void open(const Logger& logger);
  void write_into_folder(const Logger& logger);
  void report(const Program& program, const Logger& logger) const;

  ModelFiles files_;
  std::filesystem::path path_;  // empty when no file is asked for
  bool is_own_ = false;         // in a folder: this session, and others like it, write it
  std::shared_ptr<const PackedFile> file_;
  std::unique_ptr<PackedFileWriter> writer_;
};

}  // namespace attune
