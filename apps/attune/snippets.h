// What to paste into a program so that it uses given settings. Thread safety: pure functions.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "report/texts.h"
#include "tune/result.h"

namespace attune {

/// `module` is what to import: attune, or onnxruntime.
std::string python_snippet(const std::string& module, const std::string& model, const nlohmann::json& settings);
std::string cpp_snippet(const std::string& model, const nlohmann::json& settings);

struct RapidocrSnippet {
  std::string yaml;
  std::vector<std::string> left_out;  ///< Settings that RapidOCR has no key for.
};
/// The keys of RapidOCR's config.yaml (rapidocr 3), all of those that its session has: some of its defaults are not
/// onnxruntime's.
RapidocrSnippet rapidocr_snippet(const nlohmann::json& settings);

struct Snippet {
  std::string title;
  std::string code;
  std::vector<std::string> notes;  ///< What a reader should know, in words.
};
/// For what was recommended: the engine that was measured first. `file` is where the result is saved.
std::vector<Snippet> make_snippets(const TuneResult& result, const std::string& file, const Texts& texts);

}  // namespace attune
