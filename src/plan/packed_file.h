// The packed side file: weights in the forms that kernels read, kept on disk, so that a session maps them instead of
// packing them and processes share their memory.
//
//     header          64 bytes: magic, version of the form, sizes, a digest of the header and the tail
//     sections        one for each packed weight, each at a multiple of 64 bytes
//     tail            what the weights were packed for (the engine; size, time and digests of each file of the model)
//                     and the table of sections, sorted by key
//
// A section is found by what it was made from (`packed_key`), not by the node that reads it: the same bytes of the
// model in the same form, whatever else the options did to the graph. Numbers are in the machine's own order of bytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attune/tensor.h"
#include "base/content_hash.h"
#include "base/file_mapping.h"
#include "base/parallel.h"
#include "base/replacement_file.h"
#include "ops/operator.h"

namespace attune {

/// What packed forms depend on besides the weights: version, sources of the kernels, and instruction set.
std::string packing_engine();

using ModelFiles = std::vector<std::shared_ptr<const FileMapping>>;

/// What one packed weight is made from: where `constant` lies in `files`, or its contents when it lies in none of them
/// (because it was computed), its type and shape, and the form. See PrepareContext::pack() for `packing`.
ContentDigest packed_key(const Tensor& constant, const ModelFiles& files, std::string_view packing, size_t floats);

/// A file opened for reading, mapped and checked. Thread safety: immutable.
class PackedFile : public std::enable_shared_from_this<PackedFile> {
 public:
  /// Throws Error(kFail) whose text goes on from "it ...": is damaged, belongs to another model, and so on. `files` are
  /// those of the model. Where one has the same size and sample but another time, its whole contents are compared.
  static std::shared_ptr<const PackedFile> open(const std::filesystem::path& path, const ModelFiles& files);

  /// The section of `key`: null when there is none of `floats` floats, or when its contents are not what was written.
  /// `parallel` serves the reading; the result keeps the file mapped.
  PackedWeights find(const ContentDigest& key, size_t floats, Parallel& parallel) const;

  /// Of all sections.
  size_t weights() const { return table_.size(); }

  struct Section {
    ContentDigest key;
    uint64_t offset;  ///< In bytes, from the file's beginning.
    uint64_t floats;
    ContentDigest contents;
  };

 private:
  explicit PackedFile(FileMapping file) : file_(std::move(file)) {}

  void read_tail(const ModelFiles& files);

  FileMapping file_;
  std::vector<Section> table_;  // by key; checked once, and out of reach of who writes the file later
};

/// Takes weights one by one; they are on disk, under another name, before the last one is packed.
class PackedFileWriter {
 public:
  /// Throws Error(kRuntimeException) when the file cannot be written.
  explicit PackedFileWriter(const std::filesystem::path& target);

  /// A failure of the disk is kept for finish(): the weights are packed all the same.
  void add(const ContentDigest& key, std::span<const float> weights, Parallel& parallel);

  /// Reads `files` once whole, for their digests, and puts the file into its place. Throws Error(kRuntimeException).
  void finish(const ModelFiles& files);

  const std::filesystem::path& target() const { return file_.target(); }
  size_t weights() const { return sections_.size(); }
  /// Of the sections.
  uint64_t bytes() const { return file_.size(); }

 private:
  ReplacementFile file_;
  std::map<ContentDigest, PackedFile::Section> sections_;
  std::optional<std::string> failure_;
};

/// Where a session's packed weights come from besides its own memory, and whether they are written. Both may be null.
struct PackedStorage {
  std::shared_ptr<const PackedFile> file;
  PackedFileWriter* writer = nullptr;
};

}  // namespace attune
