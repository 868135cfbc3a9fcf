// `attune pack`: write a model's weights in the form that kernels read, for sessions that map them.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>

#include "attune/session.h"
#include "base/cpu.h"
#include "command.h"
#include "settings.h"
#include "table.h"

namespace attune {
namespace {

constexpr const char* kExamples = R"(Examples:
  attune pack model.onnx
  attune pack model.onnx -o /var/lib/service/model.packed
  attune bench model.onnx --config attune.packed_weights=model.onnx.packed
  ATTUNE_PACKED_WEIGHTS=$HOME/.cache/attune program

Sessions that are told of the file, by the configuration entry
attune.packed_weights or the variable ATTUNE_PACKED_WEIGHTS, map it instead of
packing weights: they start sooner, and processes share its memory. It serves
the model that it was made from, copies of it too, on the same version of
Attune and the same instruction set, under the same options.
A session that finds something else says so in a warning and packs as ever.
Where entry or variable name a folder, sessions make the files in it
themselves.)";

struct PackFlags {
  std::string model;
  std::string target;
  SessionOptions options;
};

void pack(PackFlags& flags) {
  if (flags.target.empty()) flags.target = flags.model + ".packed";
  const int64_t start = monotonic_ns();
  const size_t bytes = InferenceSession::write_packed_weights(flags.model, flags.target, flags.options);
  fmt::print("Packed {:.1f} MiB of weights in {} ms\n", static_cast<double>(bytes) / (1 << 20),
             format_ms(static_cast<double>(monotonic_ns() - start) * 1e-6));
  fmt::print("Saved in {}\n", flags.target);
}

}  // namespace

void add_pack_command(CLI::App& app) {
  auto flags = std::make_shared<PackFlags>();
  CLI::App* command = app.add_subcommand("pack", "Pack a model's weights into a file that sessions map");
  command->add_option("MODEL", flags->model, "The ONNX file")->required();
  command->add_option("-o,--output", flags->target, "The file to write; MODEL.packed if not given")->type_name("FILE");
  add_session_flags(*command, flags->options);
  command->footer(kExamples);
  command->callback([flags] { pack(*flags); });
}

}  // namespace attune
