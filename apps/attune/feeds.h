// What a model is fed with: files of the user, or random tensors of its shapes. Thread safety: values and pure
// functions; FeedFlags belongs to the command line that fills it.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attune/session.h"

namespace attune {

using Feeds = std::vector<NamedTensor>;

/// The flags that choose inputs, as they were given.
struct FeedFlags {
  std::vector<std::string> inputs;  ///< "name=x.npy", "x.npz", or a folder of .npz files.
  std::vector<std::string> shapes;  ///< "name=1x3x224x224"
  std::vector<std::string> dims;    ///< "batch=8", for symbolic dimensions.
  std::string int_range = "0:1000";
  uint64_t seed = 0;
};

/// Adds --input, --shape, --dim, --int-range and --seed; `with_data` false leaves out all but shapes and dims.
void add_feed_flags(CLI::App& command, FeedFlags& flags, bool with_data = true);

/// "1x3x224x224" or "1,3,224,224"; "" and "scalar" are rank 0. Throws Error(kInvalidArgument).
Shape parse_shape(std::string_view text);

/// A half-open range of integers: "0:1000". Throws Error(kInvalidArgument).
std::pair<int64_t, int64_t> parse_int_range(std::string_view text);

/// The two sides of the last '='. Throws Error(kInvalidArgument), naming `flag`, when there is none or a side is empty.
std::pair<std::string, std::string> split_assignment(std::string_view text, std::string_view flag);

/// A concrete shape for every input: --shape; else its own, symbolic dimensions replaced by --dim, by what --shape,
/// `fed` or an earlier input gave a dimension of the same name, or by a usual size: 1 for the first dimension and for
/// one named "batch", 224 for an image's height and width, 128 for others that have a name, 1 for the rest. Throws
/// Error(kInvalidArgument) for a name that is no input, a shape of another rank, or an input of unknown rank without
/// --shape.
std::map<std::string, Shape> resolve_shapes(const FeedFlags& flags, std::span<const ValueDescription> inputs,
                                            const Feeds& fed = {});

/// A random tensor: floats from [-1, 1); integers from `int_range` (half open), but ones where the name contains "mask"
/// and zeros where it contains "token_type"; booleans either way, true for masks; text of a letter.
Tensor random_tensor(std::string_view name, DataType type, const Shape& shape, std::pair<int64_t, int64_t> int_range,
                     uint64_t seed);

/// The sets of feeds to run with, at least one: each .npz is a set, a "name=x.npy" belongs to all. Inputs that no file
/// gives are random.
std::vector<Feeds> make_feed_sets(const FeedFlags& flags, std::span<const ValueDescription> inputs);

/// One set of the load that a measurement is made of.
struct FeedSet {
  Feeds feeds;
  int weight = 1;      ///< How often it comes up, beside the others' weights.
  std::string source;  ///< "random", or the file.
};

/// As make_feed_sets, but --shape may describe a mix of shapes: an input's name that comes up again begins the next
/// set, and NAME=SHAPE@W gives the set the weight W from 1 to kMostWeight. Throws Error(kInvalidArgument), for a mix
/// with files, too.
std::vector<FeedSet> make_load(const FeedFlags& flags, std::span<const ValueDescription> inputs);
constexpr int kMostWeight = 1000;

/// The same with all files in one set: a later .npz wins over an earlier one, a "name=x.npy" over both.
Feeds make_feeds(const FeedFlags& flags, std::span<const ValueDescription> inputs);

/// What `model` wants, read from its file without making a session.
std::vector<ValueDescription> read_model_inputs(const std::string& model);

std::map<std::string, Shape> shapes_of(const Feeds& feeds);

/// "images float 1x3x224x224, ..." for headings.
std::string describe_feeds(const Feeds& feeds);
/// The first set, and how many more there are.
std::string describe_feed_sets(const std::vector<Feeds>& sets);

}  // namespace attune
