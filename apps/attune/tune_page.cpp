#include "tune_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <tuple>

#include "snippets.h"
#include "verdict_words.h"

namespace attune {
namespace {

using nlohmann::json;

/// What a recommendation is for: there is one setting for each.
auto purpose_of(const TuneResult& result) {
  const TunedFingerprint& of = result.fingerprint;
  return std::tuple(of.model.xxh3_128, of.engine.name, machine_type(of.machine));
}

json figures_json(const TrialFacts& facts) {
  return {{"load_ms", facts.load_ms},
          {"threads", facts.threads},
          {"latency_ms", facts.latency_ms},
          {"period_ms", facts.period_ms},
          {"cpu_ms", facts.cpu_ms},
          {"held_bytes", facts.held_bytes},
          {"peak_bytes", facts.peak_bytes},
          {"median_ms", facts.run_ms.median},
          {"p95_ms", facts.run_ms.p95},
          {"p99_ms", facts.run_ms.p99},
          {"quantiles", facts.run_ms.quantiles}};
}

json data_of(const SavedResult& saved, const Texts& texts) {
  const TuneResult& result = saved.result;
  json data = to_json(result);
  const VerdictWords words = describe_verdict(result, texts);
  data["words"] = {{"sentence", words.sentence},
                   {"reasons", words.reasons},
                   {"noise", words.noise},
                   {"load", describe_load(result.load, texts)},
                   {"machine", describe_machine(result.fingerprint.machine, texts)},
                   {"limits", describe_limits(result.limits, texts)}};
  data["report_title"] = texts.say("notebook.report");
  data["snippets"] = json::array();
  for (const Snippet& snippet : make_snippets(result, saved.file, texts)) {
    data["snippets"].push_back({{"title", snippet.title}, {"code", snippet.code}, {"notes", snippet.notes}});
  }
  data["figures"] = json::array();
  for (size_t k = 0; k < result.candidates.size(); ++k) {
    const bool has_pairs = !result.candidates[k].pairs.empty();
    data["figures"].push_back(has_pairs ? figures_json(figures_of(result, static_cast<int>(k)).candidate) : json());
  }
  return data;
}

}  // namespace

std::string machine_type(const TunedMachine& machine) {
  return fmt::format("{}, {} of {} CPUs, quota {:.3g}", machine.cpu, machine.usable_cpus, machine.cpus,
                     machine.quota_cpus);
}

Page make_tune_page(std::vector<SavedResult> results, const Texts& texts) {
  std::stable_sort(results.begin(), results.end(), [](const SavedResult& a, const SavedResult& b) {
    const auto first = purpose_of(a.result);
    const auto second = purpose_of(b.result);
    return first != second ? first < second : a.result.created > b.result.created;
  });
  json list = json::array();
  std::set<decltype(purpose_of(TuneResult()))> seen;
  for (const SavedResult& saved : results) {
    json data = data_of(saved, texts);
    data["is_superseded"] = !seen.insert(purpose_of(saved.result)).second;
    list.push_back(std::move(data));
  }
  const std::string model =
      results.empty() ? "" : std::filesystem::path(results.front().result.fingerprint.model.path).filename().string();
  return {.title = texts.say("title", {{"model", model}}),
          .body = tuning_body(),
          .script = tuning_script(),
          .data = {{"texts", texts.table()}, {"results", list}},
          .language = texts.say("language")};
}

}  // namespace attune
