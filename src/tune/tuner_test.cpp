#include "tune/tuner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

#include "attune/error.h"
#include "base/interrupt.h"

namespace attune {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr double kMiB = 1 << 20;

/// What a setting does to an imaginary engine whose default takes 10 ms on 4 threads and holds 100 MiB.
struct Behaviour {
  double time_ratio = 1;
  int threads = 4;
  double cpu_ratio = 1;
  double held_mib = 100;
  std::string difference = "";
  std::string load_error = "";
  bool hangs = false;
};
using Engine = std::function<Behaviour(const json& settings)>;

/// Noise like that of a shared machine: each process is lucky or not, each round too, and now and then one is slow.
struct Noise {
  double process = 0.005;
  double pass = 0.03;
  double outlier_share = 0.05;
};

class FakeLaboratory;

class FakeTrial : public Trial {
 public:
  FakeTrial(FakeLaboratory& laboratory, Behaviour behaviour, double luck)
      : laboratory_(laboratory), behaviour_(std::move(behaviour)), luck_(luck) {}

  double load_ms() const override { return 50; }
  int threads() const override { return behaviour_.threads; }
  TimedPasses measure(int passes, double seconds) override;
  TrialMemory memory() const override { return {behaviour_.held_mib * kMiB, (behaviour_.held_mib + 10) * kMiB}; }
  std::string compare_outputs(double) override { return behaviour_.difference; }

 private:
  FakeLaboratory& laboratory_;
  Behaviour behaviour_;
  double luck_;
};

class FakeLaboratory : public Laboratory {
 public:
  FakeLaboratory(Engine engine, uint64_t seed, Noise noise = {})
      : engine_(std::move(engine)), random_(seed), noise_(noise) {}

  std::unique_ptr<Trial> start(const json& settings, double) override {
    now_ += 0.05;
    const Behaviour behaviour = engine_(settings);
    if (!behaviour.load_error.empty()) throw Error(ErrorCode::kFail, behaviour.load_error);
    return std::make_unique<FakeTrial>(*this, behaviour, factor(noise_.process));
  }
  double now() override { return now_; }

  double pass_ms(double usual_ms) {
    double ms = usual_ms * factor(noise_.pass);
    if (std::uniform_real_distribution<double>()(random_) < noise_.outlier_share) ms *= 2;
    return ms;
  }
  void advance(double seconds) { now_ += seconds; }

 private:
  double factor(double spread) { return std::exp(std::normal_distribution<double>(0, spread)(random_)); }

  Engine engine_;
  std::mt19937_64 random_;
  Noise noise_;
  double now_ = 1000;
};

TimedPasses FakeTrial::measure(int passes, double seconds) {
  if (behaviour_.hangs) {
    laboratory_.advance(seconds);
    throw Error(ErrorCode::kFail, "No answer.");
  }
  TimedPasses timed;
  double sum = 0;
  for (int k = 0; k < passes; ++k) {
    timed.pass_ms.push_back(laboratory_.pass_ms(10 * behaviour_.time_ratio * luck_));
    sum += timed.pass_ms.back();
  }
  laboratory_.advance(sum * 1e-3);
  timed.cpu_ms = sum * 3.5 * behaviour_.cpu_ratio;
  return timed;
}

Candidate set(const std::string& option, const json& value) { return {option, {{option, value}}}; }

SearchResult run(const Engine& engine, const std::vector<Candidate>& candidates, uint64_t seed = 1, Noise noise = {},
                 TunePolicy policy = {}) {
  FakeLaboratory laboratory(engine, seed, noise);
  const double start = laboratory.now();
  SearchResult result = tune(laboratory, policy, json::object(), candidates);
  EXPECT_LE(laboratory.now() - start, policy.budget_seconds + 1);
  return result;
}

const std::vector<Candidate> kTwo = {set("arena", false), set("spinning", "0")};

TEST(Tuner, FindsAGainOfFivePercent) {
  const Engine engine = [](const json& settings) {
    return Behaviour{.time_ratio = settings.contains("arena") ? 0.95 : 1.0};
  };
  int found = 0;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    const SearchResult result = run(engine, kTwo, seed);
    if (result.kind == SearchVerdict::kFaster && result.settings == json{{"arena", false}}) ++found;
  }
  EXPECT_GE(found, 47);
}

TEST(Tuner, KeepsTheDefaultWhenNothingDiffers) {
  const Engine engine = [](const json&) { return Behaviour{}; };
  int kept = 0;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    const SearchResult result = run(engine, kTwo, seed);
    if (result.kind == SearchVerdict::kKeepDefault && result.settings == json::object()) ++kept;
  }
  EXPECT_EQ(kept, 50);
}

// The luck of one process must not become advice.
TEST(Tuner, KeepsTheDefaultWhenOnlyProcessesDiffer) {
  const Engine engine = [](const json&) { return Behaviour{}; };
  int kept = 0;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    if (run(engine, kTwo, seed, {.process = 0.03}).kind == SearchVerdict::kKeepDefault) ++kept;
  }
  EXPECT_GE(kept, 190);
}

TEST(Tuner, RejectsDifferingOutputs) {
  const Engine engine = [](const json& settings) {
    return settings.contains("arena") ? Behaviour{.time_ratio = 0.5, .difference = "1 of 9 elements"} : Behaviour{};
  };
  const SearchResult result = run(engine, kTwo);
  EXPECT_EQ(result.kind, SearchVerdict::kKeepDefault);
  EXPECT_EQ(result.screening[0].outcome, EvidenceOutcome::kDiffers);
  EXPECT_THAT(result.screening[0].reason, HasSubstr("1 of 9 elements"));
  EXPECT_EQ(result.screening[1].outcome, EvidenceOutcome::kMeasured);
}

TEST(Tuner, CombinesGainsOfDifferentOptions) {
  const Engine engine = [](const json& settings) {
    return Behaviour{.time_ratio =
                         (settings.contains("arena") ? 0.85 : 1.0) * (settings.contains("spinning") ? 0.8 : 1.0)};
  };
  const SearchResult result = run(engine, kTwo);
  EXPECT_EQ(result.kind, SearchVerdict::kFaster);
  EXPECT_EQ(result.settings, (json{{"arena", false}, {"spinning", "0"}}));
  EXPECT_NEAR(result.confirmation[0].ratio.median, 0.68, 0.03);
  EXPECT_THAT(result.sentence, HasSubstr("Use arena=false, spinning=0: a run takes 3"));
}

TEST(Tuner, TakesTheBestPartWhenTheCombinationIsNoBetter) {
  const Engine engine = [](const json& settings) {
    return Behaviour{.time_ratio = settings.contains("spinning") ? 0.8 : settings.contains("arena") ? 0.85 : 1.0};
  };
  EXPECT_EQ(run(engine, kTwo).settings, (json{{"spinning", "0"}}));
}

TEST(Tuner, FallsBackWhenTheCombinationIsWorse) {
  const Engine engine = [](const json& settings) {
    return Behaviour{.time_ratio = settings.size() == 2 ? 1.3 : settings.size() == 1 ? 0.9 : 1.0};
  };
  const SearchResult result = run(engine, kTwo);
  EXPECT_EQ(result.kind, SearchVerdict::kFaster);
  EXPECT_EQ(result.settings.size(), 1U);
}

TEST(Tuner, TiesGoToFewerThreads) {
  const Engine engine = [](const json& settings) {
    const int threads = settings.value("threads", 4);
    return Behaviour{.time_ratio = threads == 1 ? 0.905 : threads == 2 ? 0.9 : 1.0, .threads = threads};
  };
  EXPECT_EQ(run(engine, {set("threads", 2), set("threads", 1)}).settings, (json{{"threads", 1}}));
}

TEST(Tuner, PrefersWhatIsAsFastWithLess) {
  const Engine engine = [](const json& settings) {
    return settings.contains("arena") ? Behaviour{.held_mib = 20} : Behaviour{};
  };
  const SearchResult result = run(engine, kTwo, 1, {.process = 0.001, .pass = 0.01});
  EXPECT_EQ(result.kind, SearchVerdict::kLighter);
  EXPECT_EQ(result.settings, (json{{"arena", false}}));
  EXPECT_THAT(result.sentence, HasSubstr("-80 % memory held"));
}

TEST(Tuner, ReportsFailuresAndHangsAndGoesOn) {
  const Engine engine = [](const json& settings) {
    if (settings.contains("bad")) return Behaviour{.load_error = "It does not load."};
    if (settings.contains("stuck")) return Behaviour{.hangs = true};
    return Behaviour{.time_ratio = settings.contains("arena") ? 0.9 : 1.0};
  };
  const SearchResult result = run(engine, {set("bad", 1), set("stuck", 1), set("arena", false)});
  EXPECT_EQ(result.screening[0].outcome, EvidenceOutcome::kFailed);
  EXPECT_EQ(result.screening[0].reason, "It does not load.");
  EXPECT_EQ(result.screening[1].outcome, EvidenceOutcome::kFailed);
  EXPECT_EQ(result.settings, (json{{"arena", false}}));
}

TEST(Tuner, AFailingDefaultIsAnError) {
  const Engine engine = [](const json&) { return Behaviour{.load_error = "It does not load."}; };
  FakeLaboratory laboratory(engine, 1);
  EXPECT_THROW(tune(laboratory, {}, json::object(), kTwo), Error);
}

TEST(Tuner, SaysThatTheBudgetWasTooShort) {
  const Engine engine = [](const json&) { return Behaviour{}; };
  TunePolicy policy;
  policy.budget_seconds = 0.2;
  const SearchResult result = run(engine, kTwo, 1, {}, policy);
  EXPECT_EQ(result.kind, SearchVerdict::kKeepDefault);
  EXPECT_EQ(result.screening[1].outcome, EvidenceOutcome::kNotMeasured);
  EXPECT_THAT(result.sentence, HasSubstr("budget was too short"));
}

TEST(Tuner, GivesUpEarlyOnWhatIsMuchSlower) {
  const Engine engine = [](const json& settings) {
    return Behaviour{.time_ratio = settings.contains("arena") ? 3.0 : 1.0};
  };
  const SearchResult result = run(engine, kTwo);
  EXPECT_EQ(result.screening[0].outcome, EvidenceOutcome::kDropped);
  EXPECT_EQ(result.screening[0].ratios.size(), 3U);
}

TEST(Tuner, TheFileHasAllEvidence) {
  const Engine engine = [](const json& settings) {
    return Behaviour{.time_ratio = settings.contains("arena") ? 0.9 : 1.0};
  };
  const json report = to_json(run(engine, kTwo));
  EXPECT_EQ(report.at("verdict"), "faster");
  EXPECT_EQ(report.at("evidence").at("screening").size(), 2U);
  EXPECT_EQ(report.at("evidence").at("confirmation").at(0).at("pair_medians").size(), 4U);
  EXPECT_GT(report.at("evidence").at("default_beside_itself").at("ratios").size(), 5U);
}

TEST(Tuner, AnInterruptKeepsWhatIsKnown) {
  const auto interrupt_at = [](int start) {
    return [start, count = 0](const json& settings) mutable {
      if (++count == start) throw Interrupted();
      return Behaviour{.time_ratio = settings.contains("arena") ? 0.8 : 1.0};
    };
  };
  EXPECT_THROW(run(interrupt_at(1), kTwo), Interrupted);
  const SearchResult result = run(interrupt_at(6), kTwo);  // while the second candidate starts
  EXPECT_TRUE(result.is_interrupted);
  EXPECT_EQ(result.kind, SearchVerdict::kKeepDefault);
  ASSERT_EQ(result.screening.size(), 1);
  EXPECT_EQ(result.screening[0].outcome, EvidenceOutcome::kMeasured);
  EXPECT_EQ(result.sentence,
            "Interrupted: keep the default until a whole search has been made; 1 of 2 settings were measured, "
            "arena=false seemed faster.");
  EXPECT_TRUE(to_json(result).at("is_interrupted"));
}

}  // namespace
}  // namespace attune
