#include "snippets.h"

#include <gtest/gtest.h>

namespace attune {
namespace {

const nlohmann::json kSettings = {{"enable_cpu_mem_arena", false},
                                  {"execution_mode", "ORT_PARALLEL"},
                                  {"free_dimension_overrides", {{"batch", 4}}},
                                  {"intra_op_num_threads", 2},
                                  {"session.intra_op.allow_spinning", "0"}};

TEST(Snippets, PythonSetsEverything) {
  EXPECT_EQ(python_snippet("attune", "a\"b.onnx", kSettings),
            "import attune\n"
            "\n"
            "options = attune.SessionOptions()\n"
            "options.enable_cpu_mem_arena = False\n"
            "options.execution_mode = attune.ExecutionMode.ORT_PARALLEL\n"
            "options.add_free_dimension_override_by_name(\"batch\", 4)\n"
            "options.intra_op_num_threads = 2\n"
            "options.add_session_config_entry(\"session.intra_op.allow_spinning\", \"0\")\n"
            "session = attune.InferenceSession(\"a\\\"b.onnx\", options)\n");
}

TEST(Snippets, CppSetsEverything) {
  EXPECT_EQ(cpp_snippet("m.onnx", kSettings),
            "#include <attune/attune.h>\n"
            "\n"
            "attune::SessionOptions options;\n"
            "options.enable_cpu_mem_arena = false;\n"
            "attune::set_option(options, \"execution_mode\", std::string(\"ORT_PARALLEL\"));\n"
            "options.free_dimension_overrides[\"batch\"] = 4;\n"
            "options.intra_op_num_threads = 2;\n"
            "options.config_entries[\"session.intra_op.allow_spinning\"] = \"0\";\n"
            "attune::InferenceSession session(\"m.onnx\", options);\n");
}

TEST(Snippets, HowTheArenaGrowsIsAnOptionOfTheProvider) {
  const nlohmann::json settings = {{"arena_extend_strategy", "kSameAsRequested"}};
  EXPECT_EQ(python_snippet("onnxruntime", "m.onnx", settings),
            "import onnxruntime\n"
            "\n"
            "options = onnxruntime.SessionOptions()\n"
            "memory = onnxruntime.OrtMemoryInfo(\"Cpu\", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, "
            "onnxruntime.OrtMemType.DEFAULT)\n"
            "onnxruntime.create_and_register_allocator(memory, onnxruntime.OrtArenaCfg({\"arena_extend_strategy\": "
            "1}))\n"
            "options.add_session_config_entry(\"session.use_env_allocators\", \"1\")\n"
            "session = onnxruntime.InferenceSession(\"m.onnx\", options)\n");
  EXPECT_EQ(cpp_snippet("m.onnx", settings),
            "#include <attune/attune.h>\n"
            "\n"
            "attune::SessionOptions options;\n"
            "attune::InferenceSession session(\"m.onnx\", options);\n");
}

TEST(Snippets, RapidocrGetsItsKeysAndTheRestIsNamed) {
  const RapidocrSnippet snippet = rapidocr_snippet(kSettings);
  EXPECT_EQ(snippet.yaml,
            "EngineConfig:\n"
            "    onnxruntime:\n"
            "        intra_op_num_threads: 2\n"
            "        inter_op_num_threads: -1\n"
            "        enable_cpu_mem_arena: false\n"
            "        cpu_ep_cfg:\n"
            "            arena_extend_strategy: \"kNextPowerOfTwo\"\n");
  EXPECT_EQ(snippet.left_out, (std::vector<std::string>{"execution_mode", "free_dimension_overrides",
                                                        "session.intra_op.allow_spinning"}));
}

}  // namespace
}  // namespace attune
