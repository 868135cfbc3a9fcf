// What tells the contents of two files apart: XXH3 of 128 bits (https://xxhash.com), fast and not cryptographic.
// Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/file_mapping.h"

namespace attune {

/// 32 hexadecimal digits, as xxh128sum prints them.
std::string content_hash(std::span<const std::byte> bytes);

/// The same of a file, whose pages are let go as they are read: the process's memory does not grow by its size.
std::string content_hash(const FileMapping& file);

}  // namespace attune
