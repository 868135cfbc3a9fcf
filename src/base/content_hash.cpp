#include "base/content_hash.h"

#include <fmt/format.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

namespace attune {
namespace {

constexpr size_t kPiece = size_t{4} << 20;

constexpr size_t kSampleBytes = 4096;
constexpr size_t kSamples = 64;

ContentDigest digest_of(XXH128_hash_t hash) { return {hash.high64, hash.low64}; }

std::string digits_of(const ContentDigest& digest) { return fmt::format("{:016x}{:016x}", digest.high, digest.low); }

}  // namespace

ContentDigest content_digest(std::span<const std::byte> bytes) {
  return digest_of(XXH3_128bits(bytes.data(), bytes.size()));
}

ContentDigest content_digest(const FileMapping& file) {
  const std::span<const std::byte> bytes = file.bytes();
  XXH3_state_t state;
  XXH3_128bits_reset(&state);
  for (size_t offset = 0; offset < bytes.size(); offset += kPiece) {
    const auto piece = bytes.subspan(offset, std::min(kPiece, bytes.size() - offset));
    XXH3_128bits_update(&state, piece.data(), piece.size());
    file.drop_pages(offset, piece.size());
  }
  return digest_of(XXH3_128bits_digest(&state));
}

ContentDigest sampled_digest(const FileMapping& file) {
  const std::span<const std::byte> bytes = file.bytes();
  XXH3_state_t state;
  XXH3_128bits_reset(&state);
  const uint64_t size = bytes.size();
  XXH3_128bits_update(&state, &size, sizeof(size));
  if (bytes.size() <= kSamples * kSampleBytes) {
    XXH3_128bits_update(&state, bytes.data(), bytes.size());
  } else {
    // Whole pages, so that none is read for a part of it alone; the last sample ends with the file.
    const size_t pages = bytes.size() / kSampleBytes;
    for (size_t k = 0; k + 1 < kSamples; ++k) {
      const size_t offset = pages * k / (kSamples - 1) * kSampleBytes;
      XXH3_128bits_update(&state, bytes.data() + offset, kSampleBytes);
    }
    XXH3_128bits_update(&state, bytes.data() + bytes.size() - kSampleBytes, kSampleBytes);
  }
  file.drop_pages(0, bytes.size());
  return digest_of(XXH3_128bits_digest(&state));
}

std::string content_hash(std::span<const std::byte> bytes) { return digits_of(content_digest(bytes)); }

std::string content_hash(const FileMapping& file) { return digits_of(content_digest(file)); }

}  // namespace attune
