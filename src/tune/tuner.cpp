#include "tune/tuner.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "base/interrupt.h"

namespace attune {
namespace {

using nlohmann::json;

// The end of the budget is kept for confirming.
constexpr double kScreeningShare = 0.65;

class Tuner {
 public:
  Tuner(Laboratory& laboratory, const TunePolicy& policy, const json& default_settings,
        const std::vector<Candidate>& candidates, const TuneProgress& progress)
      : laboratory_(laboratory),
        policy_(policy),
        default_settings_(default_settings),
        candidates_(candidates),
        progress_(progress),
        start_(laboratory.now()),
        deadline_(start_ + policy.budget_seconds) {}

  SearchResult run() {
    result_.settings = default_settings_;
    try {
      search();
    } catch (const Interrupted&) {
      if (result_.screening.empty()) throw;
      result_.is_interrupted = true;
      if (accepted_) {
        accept(SearchVerdict::kFaster);
      } else {
        keep(choose_faster(), {});
      }
    }
    return std::move(result_);
  }

 private:
  void search() {
    screen();
    const std::vector<Candidate> faster = choose_faster();
    for (const Candidate& candidate : faster) {
      if (confirm(candidate, &Evidence::is_faster, result_.least_gain)) break;
    }
    if (accepted_) {
      prefer_single(faster);
      accept(SearchVerdict::kFaster);
      return;
    }
    const std::vector<Candidate> lighter = choose_lighter();
    for (const Candidate& candidate : lighter) {
      if (confirm(candidate, &Evidence::is_lighter, policy_.least_gain)) break;
    }
    if (accepted_) {
      accept(SearchVerdict::kLighter);
    } else {
      keep(faster, lighter);
    }
  }

  // The rest of compare_with_default, which tells its rounds of `step`.
  Evidence measure(const std::string& step, const Candidate& candidate, int pairs, double deadline) {
    const auto tick = [&] {
      if (progress_) progress_(std::clamp((laboratory_.now() - start_) / policy_.budget_seconds, 0.0, 1.0), step);
    };
    return compare_with_default(laboratory_, policy_, default_settings_, candidate, pairs, deadline, tick);
  }

  void screen() {
    const double screening_end = start_ + kScreeningShare * policy_.budget_seconds;
    // Each gets the same part of what is left, so that what one does not need goes to the next.
    const auto share = [&](size_t waiting) {
      const double now = laboratory_.now();
      return now + (screening_end - now) / static_cast<double>(waiting);
    };
    result_.itself = measure("the default beside itself", {"", default_settings_}, 1, share(candidates_.size() + 1));
    result_.noise = result_.itself.ratio.is_known ? std::abs(result_.itself.ratio.median - 1) : 0;
    result_.least_gain = std::max(policy_.least_gain, result_.noise);
    for (size_t k = 0; k < candidates_.size(); ++k) {
      result_.screening.push_back(measure(describe_difference(candidates_[k].settings, default_settings_),
                                          candidates_[k], 1, share(candidates_.size() - k)));
    }
  }

  // Whether `a` is to be preferred to `b` of the same option.
  bool is_better(const Evidence& a, const Evidence& b) const {
    if (std::abs(a.ratio.median - b.ratio.median) > policy_.least_gain) return a.ratio.median < b.ratio.median;
    if (a.threads != b.threads) return a.threads < b.threads;
    return a.memory.held_bytes < b.memory.held_bytes;
  }

  /// The combination of each option's best, then those by themselves, the fastest first.
  std::vector<Candidate> choose_faster() {
    std::map<std::string, const Evidence*> best;
    for (const Evidence& found : result_.screening) {
      if (!found.is_faster(result_.least_gain)) continue;
      const Evidence*& present = best[found.candidate.option];
      if (present == nullptr || is_better(found, *present)) present = &found;
    }
    std::vector<const Evidence*> order;
    json combined = default_settings_;
    for (const auto& [option, found] : best) {
      order.push_back(found);
      combined[option] = found->candidate.settings.at(option);
    }
    std::stable_sort(order.begin(), order.end(),
                     [](const Evidence* a, const Evidence* b) { return a->ratio.median < b->ratio.median; });
    std::vector<Candidate> chosen;
    if (order.size() > 1) chosen.push_back({"", combined});
    for (const Evidence* found : order) chosen.push_back(found->candidate);
    if (!order.empty()) best_single_ = order[0]->ratio.median;
    return chosen;
  }

  std::vector<Candidate> choose_lighter() const {
    std::vector<const Evidence*> order;
    for (const Evidence& found : result_.screening) {
      if (found.is_lighter(policy_.least_gain)) order.push_back(&found);
    }
    std::stable_sort(order.begin(), order.end(), [](const Evidence* a, const Evidence* b) {
      return std::pair(a->cpu_ms, a->memory.held_bytes) < std::pair(b->cpu_ms, b->memory.held_bytes);
    });
    std::vector<Candidate> chosen;
    for (const Evidence* found : order) chosen.push_back(found->candidate);
    return chosen;
  }

  // Half of what is left: another candidate may have to be confirmed.
  bool confirm(const Candidate& candidate, bool (Evidence::*is_good)(double) const, double margin) {
    const double now = laboratory_.now();
    if (now >= deadline_) return false;
    Evidence found = measure("confirming " + describe_difference(candidate.settings, default_settings_), candidate,
                             policy_.confirming_pairs, now + (deadline_ - now) / 2);
    const bool in_all_pairs = static_cast<int>(found.pair_medians.size()) == policy_.confirming_pairs;
    const bool is_confirmed = in_all_pairs && (found.*is_good)(margin);
    result_.confirmation.push_back(std::move(found));
    if (is_confirmed) accepted_ = result_.confirmation.size() - 1;
    return is_confirmed;
  }

  // A combination that is no faster than its best part gives way to that part.
  void prefer_single(const std::vector<Candidate>& faster) {
    const size_t combined = *accepted_;
    if (faster.size() < 2 || combined != 0) return;
    if (result_.confirmation[combined].ratio.median < best_single_ * (1 - policy_.least_gain)) return;
    if (!confirm(faster[1], &Evidence::is_faster, result_.least_gain)) return;
    const double single = result_.confirmation[*accepted_].ratio.median;
    if (single > result_.confirmation[combined].ratio.median + policy_.least_gain) accepted_ = combined;
  }

  void accept(SearchVerdict kind) {
    const Evidence& found = result_.confirmation[*accepted_];
    result_.kind = kind;
    result_.settings = found.candidate.settings;
    const std::string settings = describe_difference(found.candidate.settings, default_settings_);
    const auto percent = [](double ratio) { return 100 * (1 - ratio); };
    const double confidence = 100 * policy_.confidence;
    const size_t pairs = found.pair_medians.size();
    if (kind == SearchVerdict::kFaster) {
      result_.sentence = fmt::format(
          "Use {}: a run takes {:.1f} % less time than with the default ({:.0f} % confidence: {:.1f} to {:.1f} %), "
          "confirmed in {} new pairs of processes.",
          settings, percent(found.ratio.median), confidence, percent(found.ratio.high), percent(found.ratio.low),
          pairs);
      return;
    }
    const double held = found.default_memory.held_bytes;
    result_.sentence = fmt::format(
        "Use {}: as fast as the default (time {:+.1f} %, {:.0f} % confidence: {:+.1f} to {:+.1f} %) with {:+.0f} % CPU "
        "time and {:+.0f} % memory held, confirmed in {} new pairs of processes.",
        settings, -percent(found.ratio.median), confidence, -percent(found.ratio.low), -percent(found.ratio.high),
        found.default_cpu_ms > 0 ? -percent(found.cpu_ms / found.default_cpu_ms) : 0.0,
        held > 0 ? -percent(found.memory.held_bytes / held) : 0.0, pairs);
  }

  void keep(const std::vector<Candidate>& faster, const std::vector<Candidate>& lighter) {
    const auto measured = std::count_if(result_.screening.begin(), result_.screening.end(), [](const Evidence& found) {
      return found.outcome != EvidenceOutcome::kNotMeasured;
    });
    if (result_.is_interrupted) {
      result_.sentence = fmt::format(
          "Interrupted: keep the default until a whole search has been made; {} of {} settings were measured{}.",
          measured, candidates_.size(),
          faster.empty() ? "" : ", " + describe_difference(faster[0].settings, default_settings_) + " seemed faster");
      return;
    }
    if (measured == 0 && !result_.screening.empty()) {
      result_.sentence = "Keep the default: the budget was too short to measure anything else.";
    } else if (!faster.empty()) {
      result_.sentence = fmt::format("Keep the default: {} seemed faster, but not reliably so in new processes.",
                                     describe_difference(faster[0].settings, default_settings_));
    } else if (!lighter.empty()) {
      result_.sentence =
          fmt::format("Keep the default: {} seemed as fast with less, but not reliably so in new processes.",
                      describe_difference(lighter[0].settings, default_settings_));
    } else {
      result_.sentence = fmt::format("Keep the default: nothing else is reliably faster by {:.1f} % or more.",
                                     100 * result_.least_gain);
    }
    if (measured > 0 && measured < static_cast<int64_t>(result_.screening.size())) {
      result_.sentence +=
          fmt::format(" {} of {} settings were not measured for want of time.",
                      static_cast<int64_t>(result_.screening.size()) - measured, result_.screening.size());
    }
  }

  Laboratory& laboratory_;
  const TunePolicy& policy_;
  const json& default_settings_;
  const std::vector<Candidate>& candidates_;
  const TuneProgress& progress_;
  double start_;
  double deadline_;
  double best_single_ = 1;
  std::optional<size_t> accepted_;  ///< Index into result_.confirmation.
  SearchResult result_;
};

json to_json(const Evidence& found) {
  const auto memory = [](const TrialMemory& m) {
    return json{{"held_bytes", m.held_bytes}, {"peak_bytes", m.peak_bytes}};
  };
  return {{"settings", found.candidate.settings},
          {"outcome", outcome_name(found.outcome)},
          {"reason", found.reason},
          {"ratio", {{"median", found.ratio.median}, {"low", found.ratio.low}, {"high", found.ratio.high}}},
          {"ratios", found.ratios},
          {"pair_medians", found.pair_medians},
          {"pass_ms", found.pass_ms},
          {"default_pass_ms", found.default_pass_ms},
          {"cpu_ms", found.cpu_ms},
          {"default_cpu_ms", found.default_cpu_ms},
          {"load_ms", found.load_ms},
          {"threads", found.threads},
          {"memory", memory(found.memory)},
          {"default_memory", memory(found.default_memory)}};
}

json to_json(const std::vector<Evidence>& list) {
  json items = json::array();
  for (const Evidence& found : list) items.push_back(to_json(found));
  return items;
}

const char* name_of(SearchVerdict kind) {
  switch (kind) {
    case SearchVerdict::kFaster:
      return "faster";
    case SearchVerdict::kLighter:
      return "lighter";
    case SearchVerdict::kKeepDefault:
      break;
  }
  return "keep default";
}

}  // namespace

SearchResult tune(Laboratory& laboratory, const TunePolicy& policy, const json& default_settings,
                  const std::vector<Candidate>& candidates, const TuneProgress& progress) {
  return Tuner(laboratory, policy, default_settings, candidates, progress).run();
}

json to_json(const SearchResult& result) {
  return {{"verdict", name_of(result.kind)},
          {"settings", result.settings},
          {"sentence", result.sentence},
          {"is_interrupted", result.is_interrupted},
          {"least_gain", result.least_gain},
          {"evidence",
           {{"default_beside_itself", to_json(result.itself)},
            {"screening", to_json(result.screening)},
            {"confirmation", to_json(result.confirmation)}}}};
}

}  // namespace attune
