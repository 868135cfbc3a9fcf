#include "terminal_text.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <vector>

namespace attune {
namespace {

/// Calls `visit(offset, bytes, columns)` for each character until it returns false; bytes that are no UTF-8 count as
/// characters of one column.
template <class Visit>
void for_characters(std::string_view text, const Visit& visit) {
  for (size_t offset = 0; offset < text.size();) {
    utf8proc_int32_t character = 0;
    const auto read = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + offset,
                                       static_cast<utf8proc_ssize_t>(text.size() - offset), &character);
    const size_t bytes = read > 0 ? static_cast<size_t>(read) : 1;
    const size_t columns = read > 0 ? static_cast<size_t>(std::max(0, utf8proc_charwidth(character))) : 1;
    if (!visit(offset, bytes, columns)) return;
    offset += bytes;
  }
}

/// The longest beginning of `text` that fits into `width` columns.
std::string_view front_of(std::string_view text, size_t width) {
  size_t used = 0;
  size_t end = 0;
  for_characters(text, [&](size_t offset, size_t bytes, size_t columns) {
    if (used + columns > width) return false;
    used += columns;
    end = offset + bytes;
    return true;
  });
  return text.substr(0, end);
}

/// The longest end of `text` that fits into `width` columns.
std::string_view back_of(std::string_view text, size_t width) {
  size_t left = width_of(text);
  size_t start = 0;
  for_characters(text, [&](size_t offset, size_t bytes, size_t columns) {
    if (left <= width) return false;
    left -= columns;
    start = offset + bytes;
    return true;
  });
  return text.substr(start);
}

/// What stays on one line.
struct Piece {
  std::string text;
  bool follows_space = false;
};

bool ends_open(const std::string& text) { return text.ends_with("\uFF08") || text.ends_with("\u201C"); }

bool is_closing(std::string_view character) {
  constexpr std::string_view kClosing = "\uFF0C\u3002\uFF1B\uFF1A\uFF09\uFF01\uFF1F\u3001\u201D";
  return kClosing.find(character) != std::string_view::npos;
}

std::vector<Piece> pieces_of(std::string_view text) {
  std::vector<Piece> pieces;
  bool follows_space = false;
  bool may_join = false;  // the piece before ends with a character that words are made of
  for_characters(text, [&](size_t offset, size_t bytes, size_t columns) {
    const std::string_view character = text.substr(offset, bytes);
    if (character == " " || character == "\n" || character == "\t") {
      follows_space = true;
      return true;
    }
    const bool is_wide = columns > 1;
    const bool joins = !pieces.empty() && !follows_space &&
                       ((!is_wide && may_join) || (is_wide && is_closing(character)) || ends_open(pieces.back().text));
    if (joins) {
      pieces.back().text += character;
    } else {
      pieces.push_back({std::string(character), follows_space});
    }
    follows_space = false;
    may_join = !is_wide;
    return true;
  });
  return pieces;
}

}  // namespace

size_t width_of(std::string_view text) {
  size_t width = 0;
  for_characters(text, [&](size_t, size_t, size_t columns) {
    width += columns;
    return true;
  });
  return width;
}

std::string shorten(std::string_view text, size_t width) {
  if (width_of(text) <= width) return std::string(text);
  if (width < 4) return std::string(front_of(text, width));
  const size_t front = (width - 2 + 1) / 2;
  return fmt::format("{}..{}", front_of(text, front), back_of(text, width - 2 - front));
}

std::string wrap(std::string_view text, size_t width) {
  std::string lines;
  size_t used = 0;
  for (const Piece& piece : pieces_of(text)) {
    const size_t columns = width_of(piece.text);
    const size_t space = piece.follows_space && used > 0 ? 1 : 0;
    if (used > 0 && used + space + columns > width) {
      lines += '\n';
      used = 0;
    } else if (space > 0) {
      lines += ' ';
      ++used;
    }
    lines += piece.text;
    used += columns;
  }
  return lines;
}

}  // namespace attune
