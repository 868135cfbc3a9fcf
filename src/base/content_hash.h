// What tells the contents of two files apart: XXH3 of 128 bits (https://xxhash.com), fast and not cryptographic.
// Thread safety: pure functions.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/file_mapping.h"

namespace attune {

/// A hash as a value; equal ones mean equal contents, for all that is not made to deceive.
struct ContentDigest {
  uint64_t high = 0;
  uint64_t low = 0;

  friend auto operator<=>(const ContentDigest&, const ContentDigest&) = default;
};

ContentDigest content_digest(std::span<const std::byte> bytes);

/// The same of a file, whose pages are let go as they are read: the process's memory does not grow by its size.
ContentDigest content_digest(const FileMapping& file);

/// Of the file's size and of pages spread evenly over it, its first and last among them: it reads at most 256 KiB, and
/// lets their pages go. Tells apart what was trained, converted or written anew; not a file in which a few bytes were
/// changed in place.
ContentDigest sampled_digest(const FileMapping& file);

/// 32 hexadecimal digits, as xxh128sum prints them.
std::string content_hash(std::span<const std::byte> bytes);
std::string content_hash(const FileMapping& file);

}  // namespace attune
