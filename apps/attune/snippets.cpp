#include "snippets.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "attune/options.h"

namespace attune {
namespace {

using nlohmann::json;

const OptionInfo* find_option(std::string_view name) {
  const auto table = session_option_table();
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const OptionInfo& info) { return info.name == name; });
  return found == table.end() ? nullptr : &*found;
}

/// An option of onnxruntime's arena, not of its sessions.
constexpr const char* kArenaExtendStrategy = "arena_extend_strategy";

// A JSON string is a string of Python and C++ too.
std::string quote(const std::string& text) { return json(text).dump(); }

std::string python_class(std::string_view option) {
  return option == "execution_mode" ? "ExecutionMode" : "GraphOptimizationLevel";
}

}  // namespace

std::string python_snippet(const std::string& module, const std::string& model, const json& settings) {
  std::string code = fmt::format("import {0}\n\noptions = {0}.SessionOptions()\n", module);
  for (const auto& [name, value] : settings.items()) {
    const OptionInfo* option = find_option(name);
    if (name == kArenaExtendStrategy) {
      if (module != "onnxruntime") continue;  // Attune plans its memory
      // The CPU provider has no option for it: an arena that sessions share takes it, and the first one makes it.
      code += fmt::format(
          "memory = {0}.OrtMemoryInfo(\"Cpu\", {0}.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, {0}.OrtMemType.DEFAULT)\n"
          "{0}.create_and_register_allocator(memory, {0}.OrtArenaCfg({{{1}: {2}}}))\n"
          "options.add_session_config_entry(\"session.use_env_allocators\", \"1\")\n",
          module, quote(name), value == "kSameAsRequested" ? 1 : 0);
    } else if (name == "free_dimension_overrides") {
      for (const auto& [dim, size] : value.items()) {
        code += fmt::format("options.add_free_dimension_override_by_name({}, {})\n", quote(dim), size.get<int64_t>());
      }
    } else if (option == nullptr) {
      code += fmt::format("options.add_session_config_entry({}, {})\n", quote(name), quote(value.get<std::string>()));
    } else if (option->type == OptionType::kEnum) {
      code += fmt::format("options.{} = {}.{}.{}\n", name, module, python_class(name), value.get<std::string>());
    } else if (option->type == OptionType::kBool) {
      code += fmt::format("options.{} = {}\n", name, value.get<bool>() ? "True" : "False");
    } else {
      code += fmt::format("options.{} = {}\n", name, value.dump());
    }
  }
  return code + fmt::format("session = {}.InferenceSession({}, options)\n", module, quote(model));
}

std::string cpp_snippet(const std::string& model, const json& settings) {
  std::string code = "#include <attune/attune.h>\n\nattune::SessionOptions options;\n";
  for (const auto& [name, value] : settings.items()) {
    const OptionInfo* option = find_option(name);
    if (name == kArenaExtendStrategy) continue;
    if (name == "free_dimension_overrides") {
      for (const auto& [dim, size] : value.items()) {
        code += fmt::format("options.free_dimension_overrides[{}] = {};\n", quote(dim), size.get<int64_t>());
      }
    } else if (option == nullptr) {
      code += fmt::format("options.config_entries[{}] = {};\n", quote(name), quote(value.get<std::string>()));
    } else if (option->type == OptionType::kEnum) {
      code += fmt::format("attune::set_option(options, {}, std::string({}));\n", quote(name), value.dump());
    } else {
      code += fmt::format("options.{} = {};\n", name, value.dump());
    }
  }
  return code + fmt::format("attune::InferenceSession session({}, options);\n", quote(model));
}

RapidocrSnippet rapidocr_snippet(const json& settings) {
  RapidocrSnippet snippet;
  const auto threads = [&](const char* name) {
    const int64_t wanted = settings.value(name, int64_t{0});
    return wanted > 0 ? wanted : -1;
  };
  const bool has_arena = settings.value("enable_cpu_mem_arena", true);
  snippet.yaml = fmt::format(
      "EngineConfig:\n"
      "    onnxruntime:\n"
      "        intra_op_num_threads: {}\n"
      "        inter_op_num_threads: {}\n"
      "        enable_cpu_mem_arena: {}\n"
      "        cpu_ep_cfg:\n"
      "            arena_extend_strategy: {}\n",
      threads("intra_op_num_threads"), threads("inter_op_num_threads"), has_arena,
      quote(settings.value(kArenaExtendStrategy, "kNextPowerOfTwo")));
  constexpr std::array<std::string_view, 4> kKeys = {"intra_op_num_threads", "inter_op_num_threads",
                                                     "enable_cpu_mem_arena", kArenaExtendStrategy};
  for (const auto& [name, value] : settings.items()) {
    const bool is_its_own = name == "graph_optimization_level" && value == "ORT_ENABLE_ALL";
    if (!is_its_own && std::find(kKeys.begin(), kKeys.end(), name) == kKeys.end()) snippet.left_out.push_back(name);
  }
  return snippet;
}

std::vector<Snippet> make_snippets(const TuneResult& result, const std::string& file, const Texts& texts) {
  const std::string& engine = result.fingerprint.engine.name;
  const std::string& model = result.fingerprint.model.path;
  const json& settings = result.verdict.settings;
  const bool is_attune = engine != "onnxruntime";
  const std::string other = texts.say("snippet.note.other_engine", {{"engine", engine}});
  std::vector<std::string> notes;
  if (result.verdict.callers > 1) {
    notes.push_back(texts.say("snippet.note.callers", {{"n", std::to_string(result.verdict.callers)}}));
  }
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), notes.begin(), notes.end());
    return more;
  };
  std::vector<Snippet> snippets;
  if (is_attune) {
    snippets.push_back({texts.say("snippet.file"),
                        fmt::format("import attune\n\noptions = attune.SessionOptions.from_tuned({})\nsession = "
                                    "attune.InferenceSession({}, options)\n",
                                    quote(file), quote(model)),
                        with({texts.say("snippet.note.file")})});
  }
  Snippet attune = {"Python · attune", python_snippet("attune", model, settings), is_attune ? notes : with({other})};
  Snippet onnxruntime = {"Python · onnxruntime", python_snippet("onnxruntime", model, settings),
                         is_attune ? with({other}) : notes};
  snippets.push_back(is_attune ? attune : onnxruntime);
  snippets.push_back(is_attune ? onnxruntime : attune);
  snippets.push_back({"C++ · attune", cpp_snippet(model, settings), is_attune ? notes : with({other})});
  const RapidocrSnippet rapidocr = rapidocr_snippet(settings);
  std::vector<std::string> remarks = {texts.say("snippet.note.rapidocr_all")};
  if (!rapidocr.left_out.empty()) {
    remarks.push_back(
        texts.say("snippet.note.rapidocr", {{"names", fmt::format("{}", fmt::join(rapidocr.left_out, ", "))}}));
  }
  if (settings.contains("intra_op_num_threads")) remarks.push_back(texts.say("snippet.note.rapidocr_threads"));
  snippets.push_back({"RapidOCR · config.yaml", rapidocr.yaml, remarks});
  return snippets;
}

}  // namespace attune
