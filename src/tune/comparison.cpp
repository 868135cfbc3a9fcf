#include "tune/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "attune/error.h"
#include "tune/round.h"

namespace attune {
namespace {

constexpr double kMuchLess = 0.9;
constexpr double kWorthBytes = 1 << 20;

/// Rounds of all pairs so far.
struct Rounds {
  std::vector<double> pass_ms;
  std::vector<double> cpu_ms;

  void add(const Round& round) {
    pass_ms.push_back(round.median_ms());
    cpu_ms.push_back(round.cpu_ms);
  }
};

class Comparison {
 public:
  Comparison(Laboratory& laboratory, const TunePolicy& policy, const nlohmann::json& default_settings,
             const Candidate& candidate, double deadline, const std::function<void()>& tick)
      : laboratory_(laboratory),
        policy_(policy),
        default_settings_(default_settings),
        deadline_(deadline),
        tick_(tick) {
    evidence_.candidate = candidate;
  }

  Evidence run(int pairs) {
    for (int pair = 0; pair < pairs && evidence_.reason.empty(); ++pair) {
      const double share = (deadline_ - laboratory_.now()) / (pairs - pair);
      if (share <= 0) break;
      if (tick_) tick_();
      measure_pair(laboratory_.now() + share);
    }
    summarize();
    return std::move(evidence_);
  }

 private:
  // Runs a step of the candidate; false, with the reason noted, when it fails. `usual_seconds` is what the default
  // took.
  template <class Step>
  bool attempt(double usual_seconds, const Step& step) {
    const double left = deadline_ - laboratory_.now();
    const double patience = std::max(policy_.hang_seconds, kHangFactor * usual_seconds);
    if (left <= 0) return false;
    try {
      step(std::min(left, patience));
      return true;
    } catch (const Error& error) {
      evidence_.reason = error.text();
    } catch (const nlohmann::json::exception&) {
      evidence_.reason = "the worker's answer is incomplete.";
    }
    const bool is_out_of_time = left < patience && laboratory_.now() >= deadline_;
    evidence_.outcome = is_out_of_time ? EvidenceOutcome::kNotMeasured : EvidenceOutcome::kFailed;
    if (is_out_of_time) evidence_.reason = "the time was over";
    return false;
  }

  // The default is waited for as long as the budget lasts: without it there is nothing to compare with.
  double seconds_left() { return std::max(deadline_ - laboratory_.now(), policy_.hang_seconds); }

  void measure_pair(double pair_deadline) {
    double start = laboratory_.now();
    const std::unique_ptr<Trial> reference = laboratory_.start(default_settings_, seconds_left());
    const double load_seconds = laboratory_.now() - start;
    start = laboratory_.now();
    // The first default of the search becomes the reference; another one that differs from it would be a defect.
    const std::string unstable = reference->compare_outputs(seconds_left());
    if (!unstable.empty()) {
      throw Error(ErrorCode::kFail, fmt::format("The default gives different outputs in two processes: {}.", unstable));
    }
    const double outputs_seconds = laboratory_.now() - start;
    const double pass_ms = reference->measure(1, seconds_left()).pass_ms.at(0);
    const int passes = passes_in(policy_.round_seconds, pass_ms);
    const double round_seconds = (passes + 1) * pass_ms * 1e-3;

    std::unique_ptr<Trial> trial;
    std::string difference;
    if (!attempt(load_seconds, [&](double s) { trial = laboratory_.start(evidence_.candidate.settings, s); })) return;
    if (!attempt(outputs_seconds, [&](double s) { difference = trial->compare_outputs(s); })) return;
    if (!difference.empty()) {
      evidence_.outcome = EvidenceOutcome::kDiffers;
      evidence_.reason = "outputs differ: " + difference;
      return;
    }
    if (!attempt(round_seconds, [&](double s) { trial->measure(1, s); })) return;

    std::vector<double> pair_ratios;
    for (int round = 0; round < policy_.most_rounds && laboratory_.now() < pair_deadline; ++round) {
      if (tick_) tick_();
      const size_t had = candidate_.pass_ms.size();
      const auto measure_default = [&] { default_.add(measure_round(*reference, passes, seconds_left())); };
      const auto measure_candidate = [&] {
        return attempt(round_seconds, [&](double s) { candidate_.add(measure_round(*trial, passes, s)); });
      };
      if (round % 2 == 0) measure_default();
      if (!measure_candidate()) {
        default_.pass_ms.resize(had);
        default_.cpu_ms.resize(had);
        break;
      }
      if (round % 2 != 0) measure_default();
      pair_ratios.push_back(candidate_.pass_ms.back() / default_.pass_ms.back());
      evidence_.ratios.push_back(pair_ratios.back());
      if (is_clear(pair_ratios)) break;
    }
    if (!pair_ratios.empty()) evidence_.pair_medians.push_back(median(pair_ratios));
    evidence_.load_ms = trial->load_ms();
    evidence_.threads = trial->threads();
    evidence_.default_threads = reference->threads();
    evidence_.memory = trial->memory();
    evidence_.default_memory = reference->memory();
  }

  // More rounds of this pair would not change the judgement.
  bool is_clear(const std::vector<double>& ratios) const {
    const Interval interval = median_interval(ratios, policy_.confidence);
    const auto rounds = static_cast<int>(ratios.size());
    if (rounds >= 3 && *std::min_element(ratios.begin(), ratios.end()) > 1.5) return true;
    if (rounds < policy_.least_rounds || !interval.is_known) return false;
    if (interval.low > 1 + policy_.least_gain) return true;
    if (rounds < 2 * policy_.least_rounds) return false;
    const bool is_same = interval.low > 1 - policy_.least_gain / 2 && interval.high < 1 + policy_.least_gain / 2;
    return is_same || interval.high < 1 - 2 * policy_.least_gain;
  }

  void summarize() {
    Evidence& found = evidence_;
    found.ratio = median_interval(found.ratios, policy_.confidence);
    if (!found.ratios.empty()) {
      found.pass_ms = median(candidate_.pass_ms);
      found.default_pass_ms = median(default_.pass_ms);
      found.cpu_ms = median(candidate_.cpu_ms);
      found.default_cpu_ms = median(default_.cpu_ms);
    }
    if (!found.reason.empty()) return;
    const bool is_slow = !found.ratios.empty() && found.ratio.low > 1 + policy_.least_gain;
    if (static_cast<int>(found.ratios.size()) >= policy_.least_rounds) {
      found.outcome = EvidenceOutcome::kMeasured;
    } else if (is_slow && found.ratios.size() >= 3) {
      found.outcome = EvidenceOutcome::kDropped;
      found.reason = "clearly slower";
    } else {
      found.outcome = EvidenceOutcome::kNotMeasured;
      found.reason = "the time was over";
    }
  }

  Laboratory& laboratory_;
  const TunePolicy& policy_;
  const nlohmann::json& default_settings_;
  double deadline_;
  const std::function<void()>& tick_;
  Evidence evidence_;
  Rounds candidate_;
  Rounds default_;
};

}  // namespace

std::string_view outcome_name(EvidenceOutcome outcome) {
  switch (outcome) {
    case EvidenceOutcome::kMeasured:
      return "measured";
    case EvidenceOutcome::kDropped:
      return "dropped";
    case EvidenceOutcome::kDiffers:
      return "differs";
    case EvidenceOutcome::kFailed:
      return "failed";
    case EvidenceOutcome::kNotMeasured:
      break;
  }
  return "not measured";
}

bool Evidence::is_faster(double gain) const {
  return outcome == EvidenceOutcome::kMeasured && ratio.is_known && ratio.high < 1 && ratio.median <= 1 - gain &&
         mean_upper_bound(pair_medians) < 1;
}

bool Evidence::is_not_slower(double loss) const {
  return outcome == EvidenceOutcome::kMeasured && ratio.is_known && ratio.high <= 1 + loss &&
         mean_upper_bound(pair_medians) <= 1 + loss;
}

bool Evidence::is_lighter(double loss) const {
  const bool less_cpu = threads < default_threads && cpu_ms <= kMuchLess * default_cpu_ms;
  const bool less_memory = memory.held_bytes <= kMuchLess * default_memory.held_bytes &&
                           memory.held_bytes + kWorthBytes <= default_memory.held_bytes;
  return is_not_slower(loss) && (less_cpu || less_memory);
}

Evidence compare_with_default(Laboratory& laboratory, const TunePolicy& policy, const nlohmann::json& default_settings,
                              const Candidate& candidate, int pairs, double deadline,
                              const std::function<void()>& tick) {
  return Comparison(laboratory, policy, default_settings, candidate, deadline, tick).run(pairs);
}

}  // namespace attune
