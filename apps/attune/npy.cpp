#include "npy.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <fstream>
#include <memory>
#include <set>

#include "attune/error.h"
#include "base/file_mapping.h"
#include "base/memory.h"
#include "zip_archive.h"

namespace attune {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
static_assert(std::endian::native == std::endian::little, "dtypes are written as little-endian");

[[noreturn]] void refuse(std::string_view name, std::string_view why) {
  throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: {}", name, why));
}

// ---- The header: a Python dictionary such as {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }

struct Header {
  std::string descr;
  bool fortran_order = false;
  Shape shape;
};

class HeaderParser {
 public:
  HeaderParser(std::string_view text, std::string_view name) : text_(text), name_(name) {}

  Header parse() {
    Header header;
    std::set<std::string> seen;
    expect('{');
    while (!accept('}')) {
      const std::string key = parse_string();
      expect(':');
      if (key == "descr") {
        if (peek() == '[') refuse(name_, "arrays of structures are not supported.");
        header.descr = parse_string();
      } else if (key == "fortran_order") {
        header.fortran_order = parse_bool();
      } else if (key == "shape") {
        header.shape = parse_tuple();
      } else {
        refuse(name_, "not a NumPy array: unknown key in its header.");
      }
      seen.insert(key);
      if (!accept(',') && peek() != '}') refuse(name_, "not a NumPy array: its header is damaged.");
    }
    if (seen.size() != 3) refuse(name_, "not a NumPy array: its header is incomplete.");
    return header;
  }

 private:
  char peek() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool accept(char wanted) {
    if (peek() != wanted) return false;
    ++at_;
    return true;
  }
  void expect(char wanted) {
    if (!accept(wanted)) refuse(name_, "not a NumPy array: its header is damaged.");
  }
  std::string parse_string() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') refuse(name_, "not a NumPy array: its header is damaged.");
    const size_t end = text_.find(quote, ++at_);
    if (end == std::string_view::npos) refuse(name_, "not a NumPy array: its header is damaged.");
    std::string value(text_.substr(at_, end - at_));
    at_ = end + 1;
    return value;
  }
  bool parse_bool() {
    peek();
    for (const bool value : {false, true}) {
      const std::string_view word = value ? "True" : "False";
      if (!text_.substr(at_).starts_with(word)) continue;
      at_ += word.size();
      return value;
    }
    refuse(name_, "not a NumPy array: its header is damaged.");
  }
  Shape parse_tuple() {
    Shape shape;
    expect('(');
    while (!accept(')')) {
      peek();
      int64_t dim = -1;
      const auto [end, failed] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), dim);
      if (failed != std::errc() || dim < 0) refuse(name_, "not a NumPy array: its shape is damaged.");
      at_ = static_cast<size_t>(end - text_.data());
      if (text_.substr(at_).starts_with('L')) ++at_;  // Python 2 wrote long integers so
      if (shape.rank() == Shape::kMaxRank) refuse(name_, "the array has too many dimensions.");
      shape.push_back(dim);
      if (!accept(',') && peek() != ')') refuse(name_, "not a NumPy array: its shape is damaged.");
    }
    return shape;
  }

  std::string_view text_;
  std::string_view name_;
  size_t at_ = 0;
};

// ---- Element types

struct NumberType {
  std::string_view code;  ///< The dtype without its byte order.
  DataType type;
};

constexpr NumberType kNumberTypes[] = {
    {"f4", DataType::kFloat},   {"f8", DataType::kDouble}, {"f2", DataType::kFloat16}, {"i1", DataType::kInt8},
    {"i2", DataType::kInt16},   {"i4", DataType::kInt32},  {"i8", DataType::kInt64},   {"u1", DataType::kUint8},
    {"u2", DataType::kUint16},  {"u4", DataType::kUint32}, {"u8", DataType::kUint64},  {"b1", DataType::kBool},
    {"V2", DataType::kBfloat16}};

void append_utf8(std::string& text, uint32_t code) {
  const auto put = [&](uint32_t byte) { text += static_cast<char>(static_cast<unsigned char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | (code >> 18 & 0x07));
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

// Bytes that are no UTF-8 stand for themselves, as Latin-1.
std::vector<uint32_t> decode_utf8(std::string_view text) {
  std::vector<uint32_t> codes;
  for (size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    const size_t length = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    uint32_t code = length == 1 ? first : first & (0x7FU >> length);
    bool whole = i + length <= text.size();
    for (size_t k = 1; whole && k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      whole = (next & 0xC0U) == 0x80U;
      code = code << 6 | (next & 0x3FU);
    }
    codes.push_back(whole ? code : first);
    i += whole ? length : 1;
  }
  return codes;
}

size_t parse_length(std::string_view digits, std::string_view name) {
  size_t length = 0;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (failed != std::errc() || end != digits.data() + digits.size() || length > (size_t{1} << 24)) {
    refuse(name, "not a NumPy array: its dtype is damaged.");
  }
  return length;
}

std::string decode_text(const std::byte* data, size_t length, bool is_unicode, bool swapped) {
  std::string text;
  if (!is_unicode) {
    text.assign(reinterpret_cast<const char*>(data), length);
    text.erase(text.find_last_not_of('\0') + 1);
    return text;
  }
  for (size_t k = 0; k < length; ++k) {
    uint32_t code = 0;
    std::memcpy(&code, data + 4 * k, 4);
    if (swapped) code = __builtin_bswap32(code);
    append_utf8(text, code);
  }
  text.erase(text.find_last_not_of('\0') + 1);
  return text;
}

void swap_bytes(std::byte* data, size_t count, size_t size) {
  for (size_t i = 0; i < count; ++i) std::reverse(data + i * size, data + (i + 1) * size);
}

// Calls put(row-major index, index in the file) for all elements.
template <class Put>
void for_each_element(const Shape& shape, bool fortran_order, const Put& put) {
  const int64_t count = shape.elements();
  Shape index = Shape::filled(shape.rank(), 0);
  for (int64_t k = 0; k < count; ++k) {
    int64_t source = k;
    if (fortran_order) {
      source = 0;
      for (int axis = shape.rank() - 1; axis >= 0; --axis) source = source * shape[axis] + index[axis];
      for (int axis = shape.rank() - 1; axis >= 0 && ++index[axis] == shape[axis]; --axis) index[axis] = 0;
    }
    put(static_cast<size_t>(k), static_cast<size_t>(source));
  }
}

void check_size(const Shape& shape, size_t element, size_t available, std::string_view name) {
  int64_t needed = checked_mul(static_cast<int64_t>(element), 1, name);
  for (const int64_t dim : shape) needed = checked_mul(needed, dim, name);
  if (static_cast<uint64_t>(needed) > available) refuse(name, "the array is cut off.");
}

Tensor read_texts(const Header& header, std::span<const std::byte> data, std::string_view name) {
  const bool is_unicode = header.descr[1] == 'U';
  const size_t length = parse_length(std::string_view(header.descr).substr(2), name);
  const size_t size = is_unicode ? 4 * length : length;
  // Text of no length takes no bytes, so a file's size says nothing about how many there are.
  if (size == 0 && header.shape.elements() > (1 << 20)) refuse(name, "the array is too large.");
  check_size(header.shape, size, data.size(), name);
  Tensor tensor = Tensor::allocate(DataType::kString, header.shape);
  const std::span<std::string> texts = tensor.values<std::string>();
  for_each_element(header.shape, header.fortran_order, [&](size_t to, size_t from) {
    texts[to] = decode_text(data.data() + from * size, length, is_unicode, header.descr[0] == '>');
  });
  return tensor;
}

Tensor read_numbers(const Header& header, std::span<const std::byte> data, std::string_view name) {
  const std::string_view code = std::string_view(header.descr).substr(1);
  const auto* known = std::find_if(std::begin(kNumberTypes), std::end(kNumberTypes),
                                   [&](const NumberType& t) { return t.code == code; });
  if (known == std::end(kNumberTypes))
    refuse(name, fmt::format("arrays of dtype '{}' are not supported.", header.descr));
  const size_t size = element_size(known->type);
  check_size(header.shape, size, data.size(), name);
  Tensor tensor = Tensor::allocate(known->type, header.shape);
  auto* target = static_cast<std::byte*>(tensor.raw());
  if (!header.fortran_order || header.shape.rank() < 2) {
    if (tensor.bytes() > 0) std::memcpy(target, data.data(), tensor.bytes());
  } else {
    for_each_element(header.shape, true,
                     [&](size_t to, size_t from) { std::memcpy(target + to * size, data.data() + from * size, size); });
  }
  if (header.descr[0] == '>' && size > 1) swap_bytes(target, static_cast<size_t>(tensor.elements()), size);
  return tensor;
}

// ---- Writing

/// What goes before the elements, and the elements: a view of the tensor, or text laid out as NumPy has it.
struct NpyParts {
  std::string header;
  std::string text;
  std::span<const std::byte> numbers;

  std::span<const std::byte> data() const { return text.empty() ? numbers : std::as_bytes(std::span(text)); }
};

NpyParts make_npy(const Tensor& tensor) {
  NpyParts parts;
  std::string descr;
  if (tensor.type() == DataType::kString) {
    std::vector<std::vector<uint32_t>> decoded;
    size_t length = 1;
    for (const std::string& text : tensor.values<std::string>()) {
      decoded.push_back(decode_utf8(text));
      length = std::max(length, decoded.back().size());
    }
    descr = fmt::format("<U{}", length);
    parts.text.resize(decoded.size() * length * 4);
    for (size_t i = 0; i < decoded.size(); ++i) {
      if (!decoded[i].empty()) std::memcpy(&parts.text[i * length * 4], decoded[i].data(), decoded[i].size() * 4);
    }
  } else {
    const auto* known = std::find_if(std::begin(kNumberTypes), std::end(kNumberTypes),
                                     [&](const NumberType& t) { return t.type == tensor.type(); });
    if (known == std::end(kNumberTypes)) {
      throw Error(ErrorCode::kNotImplemented, fmt::format("NumPy files have no {}.", tensor_type_name(tensor.type())));
    }
    descr = fmt::format("{}{}", element_size(tensor.type()) == 1 ? '|' : '<', known->code);
    parts.numbers = {static_cast<const std::byte*>(tensor.raw()), tensor.bytes()};
  }
  std::string shape;
  for (const int64_t dim : tensor.shape()) shape += fmt::format("{},", dim);
  if (tensor.shape().rank() > 1) shape.pop_back();
  std::string dictionary = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", descr, shape);
  // The elements begin at a multiple of 64 bytes, after magic, version and length.
  constexpr size_t kPrefix = 10;
  dictionary.append(63 - (kPrefix + dictionary.size()) % 64, ' ');
  dictionary += '\n';
  parts.header = std::string(kMagic) + '\x01' + '\0';
  parts.header += static_cast<char>(static_cast<unsigned char>(dictionary.size() & 0xFFU));
  parts.header += static_cast<char>(static_cast<unsigned char>(dictionary.size() >> 8U));
  parts.header += dictionary;
  return parts;
}

}  // namespace

Tensor parse_npy(std::span<const std::byte> bytes, std::string_view name) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!text.starts_with(kMagic) || text.size() < 12) refuse(name, "not a NumPy array.");
  const auto byte_at = [&](size_t at) { return static_cast<size_t>(static_cast<unsigned char>(text[at])); };
  const size_t version = byte_at(6);
  if (version < 1 || version > 3) refuse(name, fmt::format("version {} of NumPy's format is not known.", version));
  size_t start = 10;
  size_t length = byte_at(8) | byte_at(9) << 8;
  if (version > 1) {
    start = 12;
    length |= byte_at(10) << 16 | byte_at(11) << 24;
  }
  if (length > text.size() - start) refuse(name, "the array is cut off.");
  const Header header = HeaderParser(text.substr(start, length), name).parse();
  if (header.descr.size() < 2 || std::string_view("<>|=").find(header.descr[0]) == std::string_view::npos) {
    refuse(name, fmt::format("arrays of dtype '{}' are not supported.", header.descr));
  }
  const std::span<const std::byte> data = bytes.subspan(start + length);
  const bool is_text = header.descr[1] == 'U' || header.descr[1] == 'S';
  return is_text ? read_texts(header, data, name) : read_numbers(header, data, name);
}

Tensor load_npy(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) {
    throw Error(ErrorCode::kNoSuchFile, fmt::format("'{}' does not exist.", path.string()));
  }
  const FileMapping file(path, FileKind::kData);
  return parse_npy(file.bytes(), fmt::format("'{}'", path.string()));
}

std::vector<NamedTensor> load_npz(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) {
    throw Error(ErrorCode::kNoSuchFile, fmt::format("'{}' does not exist.", path.string()));
  }
  ZipReader archive(path);
  std::vector<NamedTensor> tensors;
  std::set<std::string> names;
  while (archive.next()) {
    std::string name = archive.name();
    const std::string label = fmt::format("'{}' in '{}'", name, path.string());
    if (!name.ends_with(".npy")) refuse(label, "not an array.");
    name.resize(name.size() - 4);
    if (!names.insert(name).second) refuse(label, "there are two arrays of this name.");
    tensors.push_back({name, parse_npy(archive.read(), label)});
  }
  return tensors;
}

void save_npy(const std::filesystem::path& path, const Tensor& tensor) {
  const NpyParts parts = make_npy(tensor);
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << parts.header;
  const std::span<const std::byte> data = parts.data();
  file.write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(data.size()));
  file.close();
  if (!file) {
    throw Error(ErrorCode::kRuntimeException,
                fmt::format("'{}' cannot be written: the disk is full, or the folder does not exist or is not ours.",
                            path.string()));
  }
}

void save_npz(const std::filesystem::path& path, std::span<const NamedTensor> tensors) {
  ZipWriter archive(path);
  for (const NamedTensor& tensor : tensors) {
    const NpyParts parts = make_npy(tensor.tensor);
    archive.add(tensor.name + ".npy", std::as_bytes(std::span(parts.header)), parts.data());
  }
  archive.finish();
}

}  // namespace attune
