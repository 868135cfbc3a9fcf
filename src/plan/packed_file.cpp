#include "plan/packed_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "attune/error.h"
#include "kernels/simd.h"
#include "plan/packing_sources.h"

namespace attune {
namespace {

constexpr std::array<char, 8> kMagic = {'A', 'T', 'T', 'U', 'N', 'E', 'P', 'W'};
/// Of the file's form, which is not that of the weights: packing_engine() says the latter.
constexpr uint32_t kVersion = 1;
constexpr size_t kAlignment = 64;
/// Contents are checked in pieces of this size, by all threads.
constexpr size_t kPieceBytes = size_t{1} << 20;

struct Header {
  std::array<char, 8> magic = kMagic;
  uint32_t version = kVersion;
  uint32_t engine_bytes = 0;  ///< Of the engine's text, which begins the tail and is padded to a multiple of 8.
  uint32_t sources = 0;
  uint32_t sections = 0;
  uint64_t tail_offset = 0;
  uint64_t file_bytes = 0;
  ContentDigest digest;  ///< Of this header, with zeros here, and of the tail.
  uint64_t unused = 0;
};
static_assert(sizeof(Header) == kAlignment);

/// One file of the model.
struct Source {
  uint64_t size = 0;
  int64_t modified_ns = 0;
  ContentDigest sample;
  ContentDigest contents;
};
static_assert(sizeof(Source) == 48 && sizeof(PackedFile::Section) == 48);

[[noreturn]] void refuse(std::string_view why) { throw Error(ErrorCode::kFail, why); }

constexpr uint64_t round_up(uint64_t size, uint64_t multiple) { return (size + multiple - 1) / multiple * multiple; }

template <class T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

ContentDigest digest_of(Header header, std::span<const std::byte> tail) {
  header.digest = {};
  std::vector<std::byte> all;
  all.reserve(sizeof(header) + tail.size());
  const auto head = bytes_of(header);
  all.insert(all.end(), head.begin(), head.end());
  all.insert(all.end(), tail.begin(), tail.end());
  return content_digest(all);
}

ContentDigest digest_of(std::span<const std::byte> section, Parallel& parallel) {
  if (section.size() <= kPieceBytes) return content_digest(section);
  std::vector<ContentDigest> pieces((section.size() + kPieceBytes - 1) / kPieceBytes);
  parallel.for_each(static_cast<int64_t>(pieces.size()), [&](int64_t index, int) {
    const size_t offset = static_cast<size_t>(index) * kPieceBytes;
    pieces[static_cast<size_t>(index)] =
        content_digest(section.subspan(offset, std::min(kPieceBytes, section.size() - offset)));
  });
  return content_digest(std::as_bytes(std::span(pieces)));
}

void check_source(const Source& source, const FileMapping& file) {
  if (source.size != file.bytes().size() || source.sample != sampled_digest(file)) {
    refuse("was packed from another model");
  }
  // A copy of the model has another time; a change that the sample misses has it too.
  if (source.modified_ns != file.identity().modified_ns && source.contents != content_digest(file)) {
    refuse("was packed from another state of the model");
  }
}

}  // namespace

std::string packing_engine() {
  return fmt::format("attune {}, kernels {}, {}", ATTUNE_VERSION, kPackingSources, kernels::target_name());
}

ContentDigest packed_key(const Tensor& constant, const ModelFiles& files, std::string_view packing, size_t floats) {
  const std::span<const std::byte> elements(static_cast<const std::byte*>(constant.raw()), constant.bytes());
  std::string origin;
  for (size_t i = 0; i < files.size() && origin.empty(); ++i) {
    const auto whole = files[i]->bytes();
    if (elements.data() < whole.data() || elements.data() >= whole.data() + whole.size()) continue;
    origin = fmt::format("file {} from {}", i, elements.data() - whole.data());
  }
  if (origin.empty()) origin = content_hash(elements);
  const std::string text = fmt::format("{}; {} {}; {}; {} floats", origin, data_type_name(constant.type()),
                                       constant.shape().to_string(), packing, floats);
  return content_digest(std::as_bytes(std::span(text)));
}

std::shared_ptr<const PackedFile> PackedFile::open(const std::filesystem::path& path, const ModelFiles& files) {
  FileMapping mapping;
  try {
    mapping = FileMapping(path, FileKind::kData);
  } catch (const Error& error) {
    refuse(error.code() == ErrorCode::kNoSuchFile ? "does not exist" : "cannot be opened: " + error.text());
  }
  if (!mapping.is_trusted()) refuse("belongs to another user, or others may write it");
  std::shared_ptr<PackedFile> opened(new PackedFile(std::move(mapping)));
  opened->read_tail(files);
  return opened;
}

void PackedFile::read_tail(const ModelFiles& files) {
  const std::span<const std::byte> all = file_.bytes();
  Header header;
  if (all.size() < sizeof(header)) refuse("is no file of packed weights");
  std::memcpy(&header, all.data(), sizeof(header));
  if (header.magic != kMagic) refuse("is no file of packed weights");
  if (header.version != kVersion) refuse("has a form that this version does not read");
  if (header.file_bytes != all.size()) refuse("is damaged: its size is not the one that was written");
  // Counts of 32 bits cannot overflow 64 here.
  const uint64_t engine_bytes = round_up(header.engine_bytes, 8);
  const uint64_t sources_bytes = uint64_t{header.sources} * sizeof(Source);
  const uint64_t table_bytes = uint64_t{header.sections} * sizeof(Section);
  const uint64_t tail_bytes = engine_bytes + sources_bytes + table_bytes;
  if (header.tail_offset < sizeof(header) || header.tail_offset % kAlignment != 0 || header.tail_offset > all.size() ||
      all.size() - header.tail_offset != tail_bytes) {
    refuse("is damaged: its parts do not fit its size");
  }
  const std::vector<std::byte> tail(all.begin() + static_cast<ptrdiff_t>(header.tail_offset), all.end());
  if (digest_of(header, tail) != header.digest) refuse("is damaged: its header is not what was written");

  const std::string_view engine(reinterpret_cast<const char*>(tail.data()), header.engine_bytes);
  if (engine != packing_engine()) {
    refuse(fmt::format("was packed for '{}', and this is '{}'", engine, packing_engine()));
  }
  if (header.sources != files.size()) refuse("was packed from another model");
  for (size_t i = 0; i < files.size(); ++i) {
    Source source;
    std::memcpy(&source, tail.data() + engine_bytes + i * sizeof(source), sizeof(source));
    check_source(source, *files[i]);
  }

  std::vector<Section> table(header.sections);
  if (!table.empty()) std::memcpy(table.data(), tail.data() + engine_bytes + sources_bytes, table_bytes);
  const ContentDigest* previous = nullptr;
  for (const Section& section : table) {
    const bool fits = section.offset >= sizeof(header) && section.offset % kAlignment == 0 &&
                      section.offset <= header.tail_offset &&
                      section.floats <= (header.tail_offset - section.offset) / sizeof(float);
    if (!fits || (previous != nullptr && !(*previous < section.key))) refuse("is damaged: its table makes no sense");
    previous = &section.key;
  }
  table_ = std::move(table);
}

PackedWeights PackedFile::find(const ContentDigest& key, size_t floats, Parallel& parallel) const {
  const auto section = std::lower_bound(table_.begin(), table_.end(), key,
                                        [](const Section& s, const ContentDigest& wanted) { return s.key < wanted; });
  if (section == table_.end() || section->key != key || section->floats != floats) return nullptr;
  const auto bytes = file_.bytes().subspan(section->offset, floats * sizeof(float));
  if (digest_of(bytes, parallel) != section->contents) return nullptr;
  return {shared_from_this(), reinterpret_cast<const float*>(bytes.data())};
}

PackedFileWriter::PackedFileWriter(const std::filesystem::path& target) : file_(target) {
  file_.append(bytes_of(Header{}));
}

void PackedFileWriter::add(const ContentDigest& key, std::span<const float> weights, Parallel& parallel) {
  if (failure_ || sections_.contains(key)) return;
  const auto bytes = std::as_bytes(weights);
  const std::array<std::byte, kAlignment> padding{};
  try {
    const uint64_t offset = file_.size();
    file_.append(bytes);
    file_.append(std::span(padding).first(round_up(file_.size(), kAlignment) - file_.size()));
    sections_[key] = {key, offset, weights.size(), digest_of(bytes, parallel)};
  } catch (const Error& error) {
    failure_ = error.text();
  }
}

void PackedFileWriter::finish(const ModelFiles& files) {
  if (failure_) throw Error(ErrorCode::kRuntimeException, *failure_);
  std::string engine = packing_engine();
  Header header;
  header.engine_bytes = static_cast<uint32_t>(engine.size());
  header.sources = static_cast<uint32_t>(files.size());
  header.sections = static_cast<uint32_t>(sections_.size());
  header.tail_offset = file_.size();

  engine.resize(round_up(engine.size(), 8));
  std::vector<std::byte> tail;
  const auto append = [&tail](std::span<const std::byte> bytes) {
    tail.insert(tail.end(), bytes.begin(), bytes.end());
  };
  append(std::as_bytes(std::span(engine)));
  for (const auto& file : files) {
    append(bytes_of(
        Source{file->bytes().size(), file->identity().modified_ns, sampled_digest(*file), content_digest(*file)}));
  }
  for (const auto& [key, section] : sections_) append(bytes_of(section));
  header.file_bytes = header.tail_offset + tail.size();
  header.digest = digest_of(header, tail);
  file_.append(tail);
  file_.write_at(0, bytes_of(header));
  file_.keep();
}

}  // namespace attune
