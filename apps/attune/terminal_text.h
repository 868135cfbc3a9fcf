// Text in a terminal, which counts columns: two for a Chinese character. Thread safety: pure functions of UTF-8.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace attune {

/// Columns that a terminal needs for the text; none for a character that joins another.
size_t width_of(std::string_view text);

/// At most `width` columns of `text`: the middle is replaced by "..".
std::string shorten(std::string_view text, size_t width);

/// `text` in lines of at most `width` columns where its words permit. Lines may end behind any Chinese character, but
/// none begins with a closing mark.
std::string wrap(std::string_view text, size_t width);

}  // namespace attune
