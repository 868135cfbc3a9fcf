#include "feeds.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <random>

#include "attune/error.h"
#include "npy.h"
#include "onnx/reader.h"
#include "session/feeds.h"
#include "table.h"
#include "tensor/float16.h"

namespace attune {
namespace {

[[noreturn]] void refuse(const std::string& text) { throw Error(ErrorCode::kInvalidArgument, text); }

bool parse_integer(std::string_view text, int64_t& value) {
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  return failed == std::errc() && end == text.data() + text.size();
}

const ValueDescription* find_input(std::span<const ValueDescription> inputs, std::string_view name) {
  const auto found = std::find_if(inputs.begin(), inputs.end(), [&](const auto& input) { return input.name == name; });
  return found == inputs.end() ? nullptr : &*found;
}

std::string list_names(std::span<const ValueDescription> inputs) {
  std::string names;
  for (const ValueDescription& input : inputs) names += (names.empty() ? "" : ", ") + input.name;
  return names;
}

void check_is_input(std::span<const ValueDescription> inputs, std::string_view name, std::string_view where) {
  if (find_input(inputs, name) != nullptr) return;
  refuse(fmt::format("{}: the model has no input '{}'; it has: {}.", where, name, list_names(inputs)));
}

template <class T, class Make>
void fill(Tensor& tensor, const Make& make) {
  auto* values = static_cast<T*>(tensor.raw());
  for (int64_t k = 0; k < tensor.elements(); ++k) values[k] = make();
}

/// Named files of a folder or a single one.
std::vector<std::filesystem::path> npz_files(const std::string& argument) {
  if (!std::filesystem::is_directory(argument)) return {argument};
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(argument)) {
    if (entry.path().extension() == ".npz") files.push_back(entry.path());
  }
  if (files.empty()) refuse(fmt::format("There is no .npz file in '{}'.", argument));
  std::sort(files.begin(), files.end());
  return files;
}

void put(Feeds& feeds, NamedTensor tensor) {
  const auto same =
      std::find_if(feeds.begin(), feeds.end(), [&](const auto& feed) { return feed.name == tensor.name; });
  if (same == feeds.end()) {
    feeds.push_back(std::move(tensor));
  } else {
    *same = std::move(tensor);
  }
}

/// What the arguments of --input hold.
struct GivenInputs {
  std::vector<Feeds> archives;  ///< One for each .npz.
  Feeds arrays;                 ///< The "name=x.npy".
};

GivenInputs load_given(const FeedFlags& flags, std::span<const ValueDescription> inputs) {
  GivenInputs given;
  for (const std::string& argument : flags.inputs) {
    if (std::filesystem::is_directory(argument) || argument.ends_with(".npz")) {
      for (const std::filesystem::path& file : npz_files(argument)) {
        given.archives.push_back(load_npz(file));
        for (const NamedTensor& tensor : given.archives.back()) check_is_input(inputs, tensor.name, file.string());
      }
      continue;
    }
    auto [name, file] = split_assignment(argument, "--input");
    check_is_input(inputs, name, "--input");
    put(given.arrays, {name, load_npy(file)});
  }
  return given;
}

std::vector<std::string> list_archives(const FeedFlags& flags) {
  std::vector<std::string> names;
  for (const std::string& argument : flags.inputs) {
    if (!std::filesystem::is_directory(argument) && !argument.ends_with(".npz")) continue;
    for (const std::filesystem::path& file : npz_files(argument)) names.push_back(file.string());
  }
  return names;
}

/// The --shape arguments of one set of a mix, without its weight.
struct MixedShapes {
  std::vector<std::string> arguments;
  int weight = 1;
};

std::vector<MixedShapes> split_mix(const std::vector<std::string>& arguments) {
  std::vector<MixedShapes> mix;
  std::vector<std::string> names;
  for (const std::string& argument : arguments) {
    const size_t at = argument.rfind('@');
    const size_t assignment = argument.rfind('=');
    const bool has_weight = at != std::string::npos && assignment != std::string::npos && at > assignment;
    std::string text = has_weight ? argument.substr(0, at) : argument;
    std::string name = text.substr(0, text.rfind('='));
    if (mix.empty() || std::find(names.begin(), names.end(), name) != names.end()) {
      mix.emplace_back();
      names.clear();
    }
    names.push_back(std::move(name));
    if (has_weight) {
      int64_t weight = 0;
      if (!parse_integer(std::string_view(argument).substr(at + 1), weight) || weight < 1 || weight > kMostWeight) {
        refuse(fmt::format("--shape: the weight in '{}' is not a number from 1 to {}.", argument, kMostWeight));
      }
      mix.back().weight = static_cast<int>(weight);
    }
    mix.back().arguments.push_back(std::move(text));
  }
  return mix;
}

void add_random(Feeds& feeds, const FeedFlags& flags, std::span<const ValueDescription> inputs) {
  const std::map<std::string, Shape> shapes = resolve_shapes(flags, inputs, feeds);
  const std::pair<int64_t, int64_t> range = parse_int_range(flags.int_range);
  uint64_t seed = flags.seed;
  for (const ValueDescription& input : inputs) {
    ++seed;
    const bool given =
        std::any_of(feeds.begin(), feeds.end(), [&](const NamedTensor& feed) { return feed.name == input.name; });
    if (given) continue;
    if (!input.type.starts_with("tensor(")) {
      refuse(fmt::format("Input '{}' is {}: only tensors can be made up or read from files.", input.name, input.type));
    }
    feeds.push_back({input.name, random_tensor(input.name, input.element_type, shapes.at(input.name), range, seed)});
  }
}

// Four dimensions, one, three or four channels before or behind two axes that the model leaves open.
bool is_image_axis(const ValueDescription& input, size_t axis) {
  if (input.shape.size() != 4) return false;
  const auto is_channels = [&](size_t at) {
    const auto* size = std::get_if<int64_t>(&input.shape[at]);
    return size != nullptr && (*size == 1 || *size == 3 || *size == 4);
  };
  return (is_channels(1) && axis >= 2) || (is_channels(3) && (axis == 1 || axis == 2));
}

// See resolve_shapes().
int64_t usual_size(const ValueDescription& input, size_t axis) {
  const auto& symbol = std::get<std::string>(input.shape[axis]);
  if (axis == 0 || symbol.find("batch") != std::string::npos) return 1;
  if (is_image_axis(input, axis)) return 224;
  return symbol.empty() ? 1 : 128;
}

}  // namespace

void add_feed_flags(CLI::App& command, FeedFlags& flags, bool with_data) {
  const auto add = [&](const char* name, auto& target, const char* help) {
    return command.add_option(name, target, help)->group("Inputs");
  };
  add("--shape", flags.shapes, "Shape of an input, name=1x3x224x224")->type_name("NAME=SHAPE")->allow_extra_args(false);
  add("--dim", flags.dims,
      "Size of a symbolic dimension, batch=8; when not given, 224 for an image's height and width, 1 for the "
      "first dimension and for one without a name, else 128")
      ->type_name("NAME=N")
      ->allow_extra_args(false);
  if (!with_data) return;
  add("--input", flags.inputs, "An input's array, name=x.npy, or several, x.npz; random when not given")
      ->type_name("FILE")
      ->allow_extra_args(false);
  add("--int-range", flags.int_range, "Random integers are from this half-open range, FROM:TO")
      ->type_name("RANGE")
      ->capture_default_str();
  add("--seed", flags.seed, "Of random inputs")->capture_default_str();
}

Shape parse_shape(std::string_view text) {
  Shape shape;
  if (text.empty() || text == "scalar") return shape;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find_first_of("x,", at), text.size());
    int64_t dim = 0;
    if (!parse_integer(text.substr(at, end - at), dim) || dim < 0 || shape.rank() == Shape::kMaxRank) {
      refuse(fmt::format("'{}' is not a shape; one looks like 1x3x224x224.", text));
    }
    shape.push_back(dim);
    at = end + 1;
  }
  return shape;
}

std::pair<int64_t, int64_t> parse_int_range(std::string_view text) {
  const size_t colon = std::min(text.find(':'), text.size());
  int64_t from = 0;
  int64_t to = 0;
  if (colon == text.size() || !parse_integer(text.substr(0, colon), from) ||
      !parse_integer(text.substr(colon + 1), to) || from >= to) {
    refuse(fmt::format("'{}' is not a range of integers; one looks like 0:1000.", text));
  }
  return {from, to};
}

std::pair<std::string, std::string> split_assignment(std::string_view text, std::string_view flag) {
  const size_t sign = text.rfind('=');
  if (sign == std::string_view::npos || sign == 0 || sign + 1 == text.size()) {
    refuse(fmt::format("{}: '{}' is not of the form NAME=VALUE.", flag, text));
  }
  return {std::string(text.substr(0, sign)), std::string(text.substr(sign + 1))};
}

std::map<std::string, Shape> resolve_shapes(const FeedFlags& flags, std::span<const ValueDescription> inputs,
                                            const Feeds& fed) {
  std::map<std::string, Shape> shapes = shapes_of(fed);
  for (const std::string& argument : flags.shapes) {
    const auto [name, text] = split_assignment(argument, "--shape");
    check_is_input(inputs, name, "--shape");
    shapes[name] = parse_shape(text);
  }
  // What the given shapes say about the dimensions that have a name.
  std::map<std::string, int64_t> sizes;
  for (const auto& [name, shape] : shapes) {
    const ValueDescription* input = find_input(inputs, name);
    if (input == nullptr) continue;
    check_shape(*input, shape);
    for (int axis = 0; input->has_shape && axis < shape.rank(); ++axis) {
      const auto* symbol = std::get_if<std::string>(&input->shape[static_cast<size_t>(axis)]);
      if (symbol != nullptr && !symbol->empty()) sizes.try_emplace(*symbol, shape[axis]);
    }
  }
  for (const std::string& argument : flags.dims) {
    const auto [name, text] = split_assignment(argument, "--dim");
    int64_t size = 0;
    if (!parse_integer(text, size) || size < 0) refuse(fmt::format("--dim: '{}' is not a size.", argument));
    sizes[name] = size;
  }
  for (const ValueDescription& input : inputs) {
    if (shapes.contains(input.name)) continue;
    if (!input.has_shape) {
      refuse(fmt::format("The model does not state the shape of input '{}': give it, --shape {}=1x3x224x224.",
                         input.name, input.name));
    }
    Shape shape;
    for (size_t axis = 0; axis < input.shape.size(); ++axis) {
      if (const auto* fixed = std::get_if<int64_t>(&input.shape[axis])) {
        shape.push_back(*fixed);
        continue;
      }
      const auto& symbol = std::get<std::string>(input.shape[axis]);
      const auto bound = sizes.find(symbol);
      const int64_t size = bound != sizes.end() ? bound->second : usual_size(input, axis);
      if (!symbol.empty()) sizes.try_emplace(symbol, size);
      shape.push_back(size);
    }
    shapes[input.name] = shape;
  }
  return shapes;
}

Tensor random_tensor(std::string_view name, DataType type, const Shape& shape, std::pair<int64_t, int64_t> int_range,
                     uint64_t seed) {
  Tensor tensor = Tensor::allocate(type, shape);
  std::mt19937_64 random(seed);
  const bool is_mask = name.find("mask") != std::string_view::npos;
  const bool is_segment = name.find("token_type") != std::string_view::npos;
  const auto span = static_cast<uint64_t>(int_range.second) - static_cast<uint64_t>(int_range.first);
  const auto real = [&] { return static_cast<float>(random() >> 40) * 0x1p-23F - 1.0F; };
  const auto integer = [&]() -> int64_t {
    if (is_mask) return 1;
    if (is_segment) return 0;
    return static_cast<int64_t>(static_cast<uint64_t>(int_range.first) + random() % span);
  };
  switch (type) {
    case DataType::kFloat:
      fill<float>(tensor, real);
      break;
    case DataType::kDouble:
      fill<double>(tensor, real);
      break;
    case DataType::kFloat16:
      fill<Float16>(tensor, [&] { return to_float16(real()); });
      break;
    case DataType::kBfloat16:
      fill<Bfloat16>(tensor, [&] { return to_bfloat16(real()); });
      break;
    case DataType::kBool:
      fill<bool>(tensor, [&] { return is_mask || (random() & 1U) != 0; });
      break;
    case DataType::kInt8:
    case DataType::kUint8:
      fill<uint8_t>(tensor, [&] { return static_cast<uint8_t>(integer()); });
      break;
    case DataType::kInt16:
    case DataType::kUint16:
      fill<uint16_t>(tensor, [&] { return static_cast<uint16_t>(integer()); });
      break;
    case DataType::kInt32:
    case DataType::kUint32:
      fill<uint32_t>(tensor, [&] { return static_cast<uint32_t>(integer()); });
      break;
    case DataType::kInt64:
    case DataType::kUint64:
      fill<int64_t>(tensor, integer);
      break;
    case DataType::kString:
      fill<std::string>(tensor, [&] { return std::string(1, static_cast<char>('a' + random() % 26)); });
      break;
    default:
      throw Error(
          ErrorCode::kNotImplemented,
          fmt::format("Input '{}' is {}: no random values of this type; give an array.", name, tensor_type_name(type)));
  }
  return tensor;
}

std::vector<Feeds> make_feed_sets(const FeedFlags& flags, std::span<const ValueDescription> inputs) {
  GivenInputs given = load_given(flags, inputs);
  if (given.archives.empty()) given.archives.emplace_back();
  for (Feeds& set : given.archives) {
    for (const NamedTensor& tensor : given.arrays) put(set, tensor);
    add_random(set, flags, inputs);
  }
  return std::move(given.archives);
}

std::vector<FeedSet> make_load(const FeedFlags& flags, std::span<const ValueDescription> inputs) {
  std::vector<MixedShapes> mix = split_mix(flags.shapes);
  std::vector<FeedSet> load;
  FeedFlags part = flags;
  if (mix.size() > 1) {
    if (!flags.inputs.empty()) refuse("--shape describes a mix of shapes; --input has its own: give one of them.");
    for (MixedShapes& shapes : mix) {
      part.shapes = std::move(shapes.arguments);
      load.push_back({make_feeds(part, inputs), shapes.weight, "random"});
      part.seed += inputs.size();
    }
    return load;
  }
  if (!mix.empty()) part.shapes = std::move(mix[0].arguments);
  std::vector<Feeds> sets = make_feed_sets(part, inputs);
  const std::vector<std::string> sources = list_archives(flags);
  for (size_t k = 0; k < sets.size(); ++k) {
    load.push_back({std::move(sets[k]), 1,
                    k < sources.size()     ? sources[k]
                    : flags.inputs.empty() ? "random"
                                           : "files"});
  }
  return load;
}

Feeds make_feeds(const FeedFlags& flags, std::span<const ValueDescription> inputs) {
  GivenInputs given = load_given(flags, inputs);
  Feeds feeds;
  for (Feeds& set : given.archives) {
    for (NamedTensor& tensor : set) put(feeds, std::move(tensor));
  }
  for (NamedTensor& tensor : given.arrays) put(feeds, std::move(tensor));
  add_random(feeds, flags, inputs);
  return feeds;
}

std::vector<ValueDescription> read_model_inputs(const std::string& model) { return describe_inputs(load_graph(model)); }

std::map<std::string, Shape> shapes_of(const Feeds& feeds) {
  std::map<std::string, Shape> shapes;
  for (const NamedTensor& feed : feeds) shapes[feed.name] = feed.tensor.shape();
  return shapes;
}

std::string describe_feeds(const Feeds& feeds) {
  std::string text;
  for (const NamedTensor& feed : feeds) {
    if (!text.empty()) text += ", ";
    text += fmt::format("{} {} {}", feed.name, data_type_name(feed.tensor.type()), format_shape(feed.tensor.shape()));
  }
  return text;
}

std::string describe_feed_sets(const std::vector<Feeds>& sets) {
  return describe_feeds(sets[0]) + (sets.size() > 1 ? fmt::format(" and {} more sets", sets.size() - 1) : "");
}

}  // namespace attune
