#include "base/content_hash.h"

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

namespace attune {
namespace {

constexpr size_t kPiece = size_t{4} << 20;

std::string digits_of(XXH128_hash_t hash) { return fmt::format("{:016x}{:016x}", hash.high64, hash.low64); }

}  // namespace

std::string content_hash(std::span<const std::byte> bytes) {
  return digits_of(XXH3_128bits(bytes.data(), bytes.size()));
}

std::string content_hash(const FileMapping& file) {
  const std::span<const std::byte> bytes = file.bytes();
  XXH3_state_t state;
  XXH3_128bits_reset(&state);
  for (size_t offset = 0; offset < bytes.size(); offset += kPiece) {
    const auto piece = bytes.subspan(offset, std::min(kPiece, bytes.size() - offset));
    XXH3_128bits_update(&state, piece.data(), piece.size());
    file.drop_pages(offset, piece.size());
  }
  return digits_of(XXH3_128bits_digest(&state));
}

}  // namespace attune
