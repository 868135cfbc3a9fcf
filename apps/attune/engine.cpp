#include "engine.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>

#include "attune/error.h"
#include "base/subprocess.h"
#include "npy.h"
#include "onnxruntime_worker.h"

namespace attune {
namespace {

// Finding is much quicker than importing, which the worker does.
constexpr const char* kProbe =
    "import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, ('onnxruntime', 'numpy'))))";
constexpr int64_t kProbeMs = 20'000;

bool has_onnxruntime(const std::string& python) {
  try {
    return Subprocess({python, "-c", kProbe}).end(kProbeMs) == "exit code 0";
  } catch (const Error&) {
    return false;  // there is no such program
  }
}

std::vector<std::string> list_pythons() {
  std::vector<std::string> pythons;
  const auto add_file = [&](const std::filesystem::path& path) {
    std::error_code ignored;
    const bool is_new = std::find(pythons.begin(), pythons.end(), path.string()) == pythons.end();
    if (is_new && std::filesystem::exists(path, ignored)) pythons.push_back(path.string());
  };
  if (const char* launcher = std::getenv("ATTUNE_PYTHON")) add_file(launcher);
  add_file(executable_path().parent_path() / "python3");
  if (const char* environment = std::getenv("VIRTUAL_ENV")) {
    add_file(std::filesystem::path(environment) / "bin" / "python3");
  }
  add_file(std::filesystem::current_path() / ".venv" / "bin" / "python3");
  pythons.insert(pythons.end(), {"python3", "python"});
  return pythons;
}

std::string find_python(const std::string& wanted) {
  const std::vector<std::string> pythons = wanted.empty() ? list_pythons() : std::vector{wanted};
  const auto found = std::find_if(pythons.begin(), pythons.end(), has_onnxruntime);
  if (found != pythons.end()) return *found;
  throw Error(
      ErrorCode::kInvalidArgument,
      fmt::format("No onnxruntime: {} {} none. Install it ({} -m pip install onnxruntime) or name the interpreter "
                  "that has it, --python PATH.",
                  fmt::join(pythons, ", "), pythons.size() > 1 ? "have" : "has", pythons.front()));
}

}  // namespace

void add_python_flag(CLI::App& command, EngineFlags& flags) {
  command.add_option("--python", flags.python, "The Python that has onnxruntime; looked for when not given")
      ->type_name("PATH");
}

void add_engine_flags(CLI::App& command, EngineFlags& flags) {
  command.add_option("--engine", flags.engine, "What to measure: attune, or an installed onnxruntime")
      ->check(CLI::IsMember({kAttune, kOnnxruntime}))
      ->capture_default_str();
  add_python_flag(command, flags);
}

namespace {

WorkerSetup prepare_setup(const EngineFlags& flags, const std::string& model, const std::vector<const Feeds*>& sets,
                          const std::filesystem::path& folder) {
  WorkerSetup setup = {flags.engine, {}, std::filesystem::absolute(model), folder / "feeds.npz"};
  if (flags.engine == kAttune) {
    setup.command = {executable_path().string(), "worker"};
  } else {
    setup.command = {find_python(flags.python), "-c", kOnnxruntimeWorker};
  }
  if (std::filesystem::exists(setup.feeds)) return setup;  // written for the other engine
  std::vector<NamedTensor> arrays;
  for (size_t set = 0; set < sets.size(); ++set) {
    for (const NamedTensor& feed : *sets[set]) arrays.push_back({fmt::format("{}/{}", set, feed.name), feed.tensor});
  }
  save_npz(setup.feeds, arrays);
  return setup;
}

}  // namespace

WorkerSetup make_setup(const EngineFlags& flags, const std::string& model, const std::vector<Feeds>& sets,
                       const std::filesystem::path& folder) {
  std::vector<const Feeds*> list;
  for (const Feeds& set : sets) list.push_back(&set);
  return prepare_setup(flags, model, list, folder);
}

WorkerSetup make_setup(const EngineFlags& flags, const std::string& model, const std::vector<FeedSet>& load,
                       const std::filesystem::path& folder) {
  std::vector<const Feeds*> list;
  for (const FeedSet& set : load) list.push_back(&set.feeds);
  WorkerSetup setup = prepare_setup(flags, model, list, folder);
  for (const FeedSet& set : load) setup.weights.push_back(set.weight);
  return setup;
}

}  // namespace attune
