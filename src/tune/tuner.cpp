#include "tune/tuner.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <set>

#include "attune/error.h"
#include "base/interrupt.h"
#include "tune/choice.h"
#include "tune/effects.h"
#include "tune/estimate.h"
#include "tune/race.h"
#include "tune/summary.h"

namespace attune {
namespace {

// Shares of the budget. What a phase does not need goes to the next one.
constexpr double kBaselineShare = 0.08;
constexpr double kMemoryShare = 0.06;
constexpr double kLevelsShare = 0.4;       // ends then
constexpr double kDesignShare = 0.55;      // of what is left before confirming
constexpr double kConfirmingShare = 0.28;  // at least, if that many pairs fit
constexpr double kMostConfirming = 0.5;

constexpr int kMostBaselinePairs = 4;
constexpr size_t kBlock = 5;  // candidates beside one process of the default
constexpr int kRecordedRuns = 5;
constexpr double kHopeless = 0.7;  // log ratio beyond which a level is not combined with others
constexpr double kWorse = 0.1;     // and beyond which it is not measured again
constexpr size_t kMostRivals = 12;
constexpr size_t kMostBlocks = 32;
constexpr int kMostConfirmingPairs = 16;
constexpr int kUsualConfirmingPairs = 8;
constexpr double kSafeShare = 0.9;  // of the time that is left: some pairs take longer
constexpr double kSureGain = 0.03;
constexpr int kMostTests = 2;
constexpr int kLeastConfirmingPairs = 7;  // what signed ranks need for the confidence of two tests

/// Something to confirm, and what for.
struct Claim {
  size_t candidate = 0;
  double value = 0;
  VerdictKind kind = VerdictKind::kBetter;
  VerdictReason reason = VerdictReason::kClear;
};

class Tuner {
 public:
  Tuner(Search& search, Laboratory& laboratory) : search_(search), laboratory_(laboratory) {}

  void run() {
    try {
      measure_baseline();
      measure_levels();
      measure_design();
      race();
      measure_rest();
      confirm();
      record_memory_last();
    } catch (const Interrupted&) {
      if (search_.facts_of(0).pairs.empty()) throw;
      search_.result().is_interrupted = true;
      conclude(VerdictReason::kInterrupted);
    } catch (const Error& error) {
      if (search_.facts_of(0).pairs.empty()) throw;
      search_.result().stopped_by = error.text();
      conclude(VerdictReason::kDefaultFailed);
    }
    summarize(search_, {design_, factors_, champions_, fit_}, laboratory_.machine_use());
  }

 private:
  const TunePolicy& policy() const { return search_.policy(); }
  const Space& space() const { return search_.space(); }
  double budget() const { return policy().budget_seconds; }
  double tie() const { return std::log(1 + policy().least_gain / 2); }

  // When the search has to give way to confirming.
  double search_end() const {
    const double wanted = std::max(kConfirmingShare * budget(), kUsualConfirmingPairs * search_.fresh_cost());
    return budget() - std::min(wanted, kMostConfirming * budget());
  }

  void measure_baseline() {
    const double end = kBaselineShare * budget();
    for (int pair = 0; pair < kMostBaselinePairs; ++pair) {
      if (pair > 0 && search_.elapsed() + search_.fresh_cost() > end) break;
      search_.renew();
      search_.measure(0, Phase::kBaseline, budget());
    }
    if (search_.facts_of(0).pairs.empty()) {
      const std::string& reason = search_.facts_of(0).reason;
      throw Error(ErrorCode::kFail,
                  reason.empty() ? fmt::format("The budget of {:.0f} s is too short to measure the default.", budget())
                                 : "The default: " + reason);
    }
    const double contrasts = static_cast<double>(space().memory_contrasts.size());
    if (contrasts * search_.fresh_cost() < kMemoryShare * budget()) {
      search_.renew();
      search_.record_memory(kRecordedRuns, search_.elapsed() + 3 * kMemoryShare * budget());
    }
  }

  // A model whose processes take long leaves no share of the search for this, but often some of the budget in the end.
  void record_memory_last() {
    if (!search_.result().memory.empty()) return;
    try {
      search_.record_memory(kRecordedRuns, budget());
    } catch (const Interrupted&) {
      search_.result().is_interrupted = true;  // the verdict stands
    }
  }

  Point single(size_t factor, size_t level) const {
    Point point = space().default_point();
    point[factor] = static_cast<int>(level);
    return point;
  }

  // Each option by itself, each of its levels.
  std::vector<size_t> list_singles() {
    std::vector<size_t> singles;
    for (size_t factor = 0; factor < space().factors.size(); ++factor) {
      for (size_t level = 1; level < space().factors[factor].levels.size(); ++level) {
        singles.push_back(search_.candidate_at(single(factor, level)));
      }
    }
    return singles;
  }

  void measure_levels() {
    std::vector<size_t> singles = list_singles();
    const double end = std::min(kLevelsShare * budget(), search_end());
    measure_each(singles, Phase::kLevels, end);
    std::erase_if(singles, [&](size_t k) { return search_.value_of(k).value_or(kWorse) >= kWorse; });
    measure_each(singles, Phase::kLevels, end);
  }

  // One pair each; the values of those that were measured.
  std::vector<std::optional<double>> measure_each(const std::vector<size_t>& candidates, Phase phase, double end) {
    std::vector<std::optional<double>> values;
    for (size_t k = 0; k < candidates.size(); ++k) {
      if (k % kBlock == 0) search_.renew();
      values.push_back(search_.measure(candidates[k], phase, end));
    }
    return values;
  }

  // The factors that a design is worth making of, each with its best other level.
  void choose_champions() {
    std::vector<std::pair<double, size_t>> promising;
    champions_.assign(space().factors.size(), 0);
    for (size_t factor = 0; factor < space().factors.size(); ++factor) {
      double best = kHopeless;
      for (size_t level = 1; level < space().factors[factor].levels.size(); ++level) {
        const size_t candidate = search_.candidate_at(single(factor, level));
        const std::optional<double> value = search_.value_of(candidate);
        if (!value || !search_.is_sound(candidate) || *value >= best) continue;
        best = *value;
        champions_[factor] = static_cast<int>(level);
      }
      if (champions_[factor] != 0) promising.emplace_back(best, factor);
    }
    std::stable_sort(promising.begin(), promising.end());
    for (const auto& [value, factor] : promising) factors_.push_back(factor);
  }

  void measure_design() {
    choose_champions();
    const double end = search_.elapsed() + kDesignShare * (search_end() - search_.elapsed());
    const double affordable = (end - search_.elapsed()) / std::max(search_.shared_cost(), 1e-6);
    const int most_runs = static_cast<int>(std::clamp(affordable, 0.0, 64.0));
    size_t count = std::min<size_t>(factors_.size(), kMostDesignFactors);
    while (count >= 2 && design_.runs == 0) {
      design_ = make_design(static_cast<int>(count), most_runs);
      if (design_.runs == 0) --count;
    }
    if (design_.runs == 0) return;
    std::vector<size_t> design_factors(factors_.begin(), factors_.begin() + static_cast<ptrdiff_t>(count));
    std::sort(design_factors.begin(), design_factors.end());
    factors_ = design_factors;

    std::vector<int> order(static_cast<size_t>(design_.runs));
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), std::mt19937_64(policy().seed));
    std::vector<size_t> candidates;
    for (const int run : order) candidates.push_back(search_.candidate_at(point_of_run(run)));
    DesignValues values(order.size(), std::numeric_limits<double>::quiet_NaN());
    const auto measured = measure_each_but_default(candidates, end + 5 * search_.shared_cost());
    for (size_t k = 0; k < order.size(); ++k) {
      if (measured[k]) values[static_cast<size_t>(order[k])] = *measured[k];
    }
    const auto known = std::count_if(values.begin(), values.end(), [](double v) { return !std::isnan(v); });
    if (known < design_.runs * 3 / 4) {
      design_ = {};
      return;
    }
    fit_ = fit_effects(design_, values, policy().confidence, search_.pair_noise(),
                       static_cast<double>(search_.facts_of(0).pairs.size()));
  }

  // The default's own ratio is 1 and need not be measured.
  std::vector<std::optional<double>> measure_each_but_default(const std::vector<size_t>& candidates, double end) {
    std::vector<size_t> others;
    for (const size_t k : candidates) {
      if (k != 0) others.push_back(k);
    }
    const auto values = measure_each(others, Phase::kDesign, end);
    std::vector<std::optional<double>> all;
    size_t next = 0;
    for (const size_t k : candidates) all.push_back(k == 0 ? std::optional(0.0) : values[next++]);
    return all;
  }

  Point point_of_run(int run) const {
    Point point = space().default_point();
    for (size_t k = 0; k < factors_.size(); ++k) {
      if (design_.is_high(run, static_cast<int>(k))) point[factors_[k]] = champions_[factors_[k]];
    }
    return point;
  }

  // Combinations by what the effects predict, the best first, those that change an option without effect left out.
  std::vector<Point> predict() const {
    std::vector<std::pair<double, Point>> found;
    std::vector<bool> matters(factors_.size(), false);
    for (const Effect& effect : fit_.effects) {
      if (!effect.is_likely()) continue;
      matters[static_cast<size_t>(effect.first)] = true;
      if (effect.second >= 0) matters[static_cast<size_t>(effect.second)] = true;
    }
    for (uint32_t highs = 0; highs < 1U << factors_.size(); ++highs) {
      std::vector<bool> levels;
      bool is_needless = false;
      Point point = space().default_point();
      for (size_t k = 0; k < factors_.size(); ++k) {
        levels.push_back((highs >> k & 1U) != 0);
        is_needless = is_needless || (levels[k] && !matters[k]);
        if (levels[k]) point[factors_[k]] = champions_[factors_[k]];
      }
      if (!is_needless) found.emplace_back(fit_.predict(levels), point);
    }
    std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<Point> points;
    for (const auto& [value, point] : found) points.push_back(point);
    return points;
  }

  // Points that differ from `point` in one factor, hopeless levels left out.
  std::vector<Point> neighbours(const Point& point) const {
    std::vector<Point> found;
    for (size_t factor = 0; factor < space().factors.size(); ++factor) {
      for (size_t level = 0; level < space().factors[factor].levels.size(); ++level) {
        Point other = point;
        other[factor] = static_cast<int>(level);
        if (other == point) continue;
        const size_t alone = search_.candidate_at(single(factor, level));
        const bool is_hopeless =
            level != 0 && (!search_.is_sound(alone) || search_.value_of(alone).value_or(0) >= kHopeless);
        if (!is_hopeless) found.push_back(std::move(other));
      }
    }
    return found;
  }

  // May be recommended, as far as is known.
  bool is_eligible(size_t candidate) const {
    if (!search_.is_sound(candidate) || !search_.keeps_limits(candidate)) return false;
    const Objective objective = policy().objective;
    if (objective != Objective::kMemory && objective != Objective::kPeak) return true;
    double slowdown = 0;
    for (const PairFacts& pair : search_.facts_of(candidate).pairs) {
      slowdown +=
          search_.log_ratio(pair, Objective::kLatency) / static_cast<double>(search_.facts_of(candidate).pairs.size());
    }
    return slowdown <= std::log(kMostSlowdown);
  }

  // Everything measured, the best first.
  std::vector<size_t> ranking() const {
    std::vector<size_t> order;
    for (size_t k = 1; k < search_.result().candidates.size(); ++k) {
      if (search_.value_of(k) && is_eligible(k)) order.push_back(k);
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return *search_.value_of(a) < *search_.value_of(b); });
    return order;
  }

  // The best other level of every option that is better by itself.
  Point combine_singles() const {
    Point point = space().default_point();
    for (size_t factor = 0; factor < point.size(); ++factor) {
      if (champions_[factor] == 0) continue;
      const size_t alone = search_.candidate_at(single(factor, static_cast<size_t>(champions_[factor])));
      if (search_.value_of(alone).value_or(0) < -tie()) point[factor] = champions_[factor];
    }
    return point;
  }

  std::vector<size_t> list_rivals() {
    std::vector<size_t> rivals;
    const auto add = [&](size_t candidate) {
      const bool is_new = std::find(rivals.begin(), rivals.end(), candidate) == rivals.end();
      if (candidate != 0 && is_new && is_eligible(candidate)) rivals.push_back(candidate);
    };
    const std::vector<Point> predicted = predict();
    for (size_t k = 0; k < std::min<size_t>(predicted.size(), 3); ++k) add(search_.candidate_at(predicted[k]));
    add(search_.candidate_at(combine_singles()));
    // Single options that did well; combinations only where they did better than effects explain, because the best of
    // many is mostly luck.
    const std::vector<size_t> order = ranking();
    const double explained = predicted_value(predicted[0]) - std::max(search_.pair_noise(), fit_.noise);
    size_t singles = 0;
    size_t surprises = 0;
    for (const size_t k : order) {
      const double value = *search_.value_of(k);
      if (count_changes(search_.point_of(k)) == 1) {
        if (value < std::log(1 + policy().least_gain) && singles++ < 4) add(k);
      } else if (value < explained && surprises++ < 3) {
        add(k);
      }
    }
    // As good as the default with less.
    const Burden reference = burden_of(search_.default_trials(), space().callers);
    size_t lighter = 0;
    for (const size_t k : order) {
      const bool is_as_good = *search_.value_of(k) < std::log(1 + policy().least_gain);
      const Burden burden = burden_of(search_.trials_of(k), search_.facts_of(k).callers);
      if (is_as_good && is_lighter(burden, reference) && lighter++ < 3) add(k);
    }
    if (!search_.keeps_limits(0)) {
      for (size_t k = 0; k < std::min<size_t>(order.size(), kMostRivals); ++k) add(order[k]);
    }
    for (const Point& point : neighbours(predicted[0])) {
      const size_t candidate = search_.candidate_at(point);
      if (search_.facts_of(candidate).pairs.empty() && is_multilevel(point, predicted[0])) add(candidate);
    }
    if (rivals.size() > kMostRivals) rivals.resize(kMostRivals);
    return rivals;
  }

  double predicted_value(const Point& point) const {
    std::vector<bool> highs;
    for (const size_t factor : factors_) highs.push_back(point[factor] != 0);
    return fit_.predict(highs);
  }

  // Whether they differ in a factor of more levels than a design has.
  bool is_multilevel(const Point& point, const Point& other) const {
    for (size_t k = 0; k < point.size(); ++k) {
      if (point[k] != other[k]) return space().factors[k].levels.size() > 2;
    }
    return false;
  }

  void race() {
    const double end = search_end();
    std::vector<size_t> rivals = list_rivals();
    if (!rivals.empty()) contenders_ = run_race(rivals, search_.elapsed() + 0.6 * (end - search_.elapsed()));
    if (contenders_.empty()) contenders_ = {{0, 0}};
    // One step from the winner there may be something better that no phase has come to.
    std::set<size_t> raced(rivals.begin(), rivals.end());
    for (int step = 0; step < 3; ++step) {
      const Choice best = choose(search_, contenders_, error_);
      std::vector<size_t> fresh;
      for (const Point& point : neighbours(search_.point_of(best.candidate))) {
        const size_t candidate = search_.candidate_at(point);
        if (candidate == 0 || raced.contains(candidate)) continue;
        // What has been seen to be worse is left alone.
        if (search_.value_of(candidate).value_or(best.value) > best.value + policy().least_gain) continue;
        fresh.push_back(candidate);
        raced.insert(candidate);
      }
      const double cost = static_cast<double>(fresh.size() + 1) * search_.shared_cost();
      if (fresh.empty() || search_.elapsed() + 2 * cost > end) break;
      if (best.candidate != 0) fresh.push_back(best.candidate);
      const std::vector<Contender> next = run_race(fresh, end);
      if (next.empty()) break;
      const size_t before = best.candidate;
      contenders_ = next;
      if (choose(search_, contenders_, error_).candidate == before) break;
    }
    search_.set_rivals(0);
  }

  // The time was kept for confirming something that there is not: options that have not had their turn get it.
  void measure_rest() {
    if (!list_claims().empty()) return;
    std::vector<size_t> rest = list_singles();
    std::erase_if(rest, [&](size_t k) { return search_.facts_of(k).outcome != Outcome::kNotMeasured; });
    const std::vector<std::optional<double>> values =
        measure_each(rest, Phase::kLevels, budget() - search_.shared_cost());
    for (size_t k = 0; k < rest.size(); ++k) {
      if (values[k] && is_eligible(rest[k])) contenders_.push_back({rest[k], *values[k]});
    }
  }

  // Those that are left in, the default among them if it is, with their values.
  std::vector<Contender> run_race(const std::vector<size_t>& rivals, double end) {
    std::vector<size_t> entrants = {0};
    entrants.insert(entrants.end(), rivals.begin(), rivals.end());
    Race race(entrants.size());
    if (!search_.keeps_limits(0)) race.put_out(0);
    while (race.blocks() < kMostBlocks) {
      const std::vector<size_t> in = race.list_in();
      if (in.empty() || (in.size() == 1 && race.blocks() > 1) || (in.size() == 1 && in[0] == 0)) break;
      if (search_.elapsed() + static_cast<double>(in.size()) * search_.shared_cost() > end) break;
      if (race.blocks() >= 3 && race.margin(policy().confidence) < tie()) break;
      search_.set_rivals(in.size());
      search_.renew();
      std::vector<double> block(entrants.size(), std::numeric_limits<double>::quiet_NaN());
      block[0] = 0;
      bool is_whole = true;
      for (const size_t k : in) {
        if (entrants[k] == 0) continue;
        const std::optional<double> value = search_.measure(entrants[k], Phase::kRace, end + 2 * search_.shared_cost());
        if (value && is_eligible(entrants[k])) {
          block[k] = *value;
        } else if (search_.is_sound(entrants[k]) && !value) {
          is_whole = false;  // the time is over
        }
      }
      if (!is_whole) break;
      race.add_block(block);
      if (race.blocks() == 1) {
        drop_far_ones(race);
      } else {
        race.drop(policy().confidence, tie());  // equals are for choose() to tell apart
      }
    }
    error_ = race.error();
    std::vector<Contender> left;
    for (size_t k = 0; k < entrants.size(); ++k) {
      CandidateFacts& facts = search_.facts_of(entrants[k]);
      if (race.is_in(k) && race.blocks() > 0) {
        left.push_back({entrants[k], race.value(k)});
      } else if (facts.outcome == Outcome::kMeasured && entrants[k] != 0 && race.blocks() > 0) {
        facts.outcome = Outcome::kDropped;
        facts.reason = "worse than another one beyond doubt";
      }
    }
    return left;
  }

  // After one block: by the noise that is known from elsewhere, generously.
  void drop_far_ones(Race& race) const {
    const double far = 4 * std::max(search_.pair_noise(), fit_.noise) + policy().least_gain;
    if (race.list_in().empty()) return;
    const double best = race.value(race.leader());
    for (const size_t k : race.list_in()) {
      if (race.value(k) > best + far) race.put_out(k);
    }
  }

  // What to confirm, the most wanted first.
  std::vector<Claim> list_claims() const {
    std::vector<Claim> claims;
    std::vector<Contender> left = contenders_;
    const bool is_default_out = !search_.keeps_limits(0);
    const Burden reference = burden_of(search_.default_trials(), space().callers);
    while (!left.empty() && claims.size() < kMostTests) {
      const Choice choice = choose(search_, left, error_);
      std::erase_if(left, [&](const Contender& c) { return c.candidate == choice.candidate; });
      if (choice.candidate == 0) {
        if (claims.empty()) break;  // nothing is better than the default
        continue;
      }
      const Burden burden = burden_of(search_.trials_of(choice.candidate), search_.facts_of(choice.candidate).callers);
      Claim claim = {choice.candidate, choice.value, VerdictKind::kBetter, choice.reason};
      if (is_default_out) {
        claim.kind = VerdictKind::kWithinLimits;
      } else if (choice.value > std::log(1 - policy().least_gain)) {
        claim.kind = VerdictKind::kLighter;
        if (!is_lighter(burden, reference)) continue;
        claim.reason = has_less_memory(burden.held_bytes, reference.held_bytes) ? VerdictReason::kLessMemory
                                                                                : VerdictReason::kFewerThreads;
      }
      claims.push_back(claim);
    }
    return claims;
  }

  // Enough to see a gain (or rule out a loss) of that size nine times in ten, by the noise as it is known.
  int confirming_pairs(const Claim& claim, double seconds) const {
    constexpr double kDeviations = 1.96 + 1.28;
    const double least = std::log(1 + policy().least_gain);
    // The value is the best of several and flatters: a part of it must be enough.
    const double size = claim.kind == VerdictKind::kBetter ? std::clamp(-claim.value, least, kSureGain) : least;
    const double wanted = std::pow(kDeviations * std::max(search_.pair_noise(), fit_.noise) / size, 2);
    const int affordable = static_cast<int>(std::min(kSafeShare * seconds / search_.fresh_cost(), 1000.0));
    const int pairs = std::clamp(static_cast<int>(std::ceil(wanted)), kUsualConfirmingPairs, kMostConfirmingPairs);
    return std::min(pairs, affordable);
  }

  void confirm() {
    const std::vector<Claim> claims = list_claims();
    bool was_time = true;
    for (const Claim& claim : claims) {
      const int pairs = confirming_pairs(claim, budget() - search_.elapsed());
      if (pairs < kLeastConfirmingPairs) {
        was_time = false;
        break;
      }
      const Confirmation& test = test_claim(claim, pairs);
      if (!test.is_passed) continue;
      Verdict& verdict = search_.result().verdict;
      verdict.kind = claim.kind;
      verdict.reason = claim.reason;
      verdict.candidate = static_cast<int>(claim.candidate);
      verdict.ratios = test.ratios;
      return;
    }
    if (!claims.empty()) {
      conclude(was_time || !search_.result().confirmations.empty() ? VerdictReason::kNotConfirmed
                                                                   : VerdictReason::kNoTime);
      return;
    }
    conclude(is_every_option_measured() ? VerdictReason::kNothingBetter : VerdictReason::kNoTime);
  }

  bool is_every_option_measured() const {
    for (size_t k = 1; k < search_.result().candidates.size(); ++k) {
      const bool is_single = count_changes(search_.point_of(k)) == 1;
      if (is_single && search_.facts_of(k).outcome == Outcome::kNotMeasured) return false;
    }
    return true;
  }

  const Confirmation& test_claim(const Claim& claim, int pairs) {
    Confirmation& test = search_.result().confirmations.emplace_back();
    test.candidate = static_cast<int>(claim.candidate);
    double sum = 0;
    for (int pair = 0; pair < pairs && test.reason.empty(); ++pair) {
      search_.renew();
      PairOutcome outcome = search_.measure_apart(claim.candidate, Phase::kConfirm, budget());
      if (outcome.outcome == Outcome::kMeasured) {
        sum += search_.log_ratio(outcome.facts);
        test.pairs.push_back(std::move(outcome.facts));
        // Ending early only ever says no.
        if (claim.kind == VerdictKind::kBetter && pair >= 3 && sum >= 0) test.reason = "not better";
      } else if (outcome.outcome != Outcome::kNotMeasured) {
        test.reason = outcome.reason;
      } else if (pair < kLeastConfirmingPairs) {
        test.reason = "the time was over";
      } else {
        break;  // the clock has no favourites: what there is counts
      }
    }
    test.ratios = estimate_all(test.pairs, policy().confidence);
    if (test.reason.empty()) test.reason = judge(claim, test);
    test.is_passed = test.reason.empty();
    return test;
  }

  // Nothing when the claim holds, otherwise why not.
  std::string judge(const Claim& claim, const Confirmation& test) const {
    std::vector<TrialFacts> trials;
    std::vector<TrialFacts> references;
    for (const PairFacts& pair : test.pairs) {
      trials.push_back(pair.candidate);
      references.push_back(pair.reference);
    }
    std::string why;
    if (!search_.keeps_limits(trials, &why)) return why;
    // Bonferroni's correction for the number of tests; what is shown is the interval without it.
    std::vector<double> logs;
    for (const PairFacts& pair : test.pairs) logs.push_back(search_.log_ratio(pair));
    const Estimate ratio = estimate_ratio(logs, 1 - (1 - policy().confidence) / kMostTests);
    switch (claim.kind) {
      case VerdictKind::kBetter:
        if (!ratio.is_known() || ratio.high >= 1) return "not better beyond doubt";
        return ratio.ratio <= 1 - policy().least_gain ? "" : "better by too little";
      case VerdictKind::kLighter:
        if (!ratio.is_known() || ratio.high > 1 + policy().least_gain) return "may be worse";
        return is_lighter(burden_of(trials, search_.facts_of(claim.candidate).callers),
                          burden_of(references, space().callers))
                   ? ""
                   : "not lighter";
      default:
        return "";
    }
  }

  // Without a confirmed candidate.
  void conclude(VerdictReason reason) {
    Verdict& verdict = search_.result().verdict;
    verdict = {};
    verdict.reason = reason;
    if (!search_.keeps_limits(0)) verdict.kind = VerdictKind::kNoneWithin;
  }

  Search& search_;
  Laboratory& laboratory_;
  std::vector<int> champions_;   ///< The other level of each factor in the design; 0 for none.
  std::vector<size_t> factors_;  ///< Of the space, in the design.
  Design design_;
  EffectsFit fit_;
  std::vector<Contender> contenders_;
  double error_ = 0;  ///< Of the difference of two of them.
};

}  // namespace

TuneResult tune(Laboratory& laboratory, const Space& space, const std::vector<int>& weights, const TunePolicy& policy,
                Journal& journal, const TuneProgress& progress) {
  Search search(laboratory, space, weights, policy, journal, progress);
  Tuner(search, laboratory).run();
  return std::move(search.result());
}

}  // namespace attune
