// What a search does with engines that fail, hang, differ or break limits, and what it makes of ties.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attune/error.h"
#include "base/interrupt.h"
#include "tune/simulated_laboratory.h"
#include "tune/tuner.h"

namespace attune {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::HasSubstr;

const std::vector<NoiseTrace> kStill = {{1.0, 1.001, 0.999, 1.002, 0.998}, {1.001, 0.999, 1.0, 1.002, 0.999}};

Level set(const std::string& option, const json& value) { return {{{option, value}}}; }

Space small_space() {
  Space space;
  space.thread_factor = 0;
  space.factors = {{"threads", {{}, set("threads", 1), set("threads", 2)}},
                   {"arena", {{}, set("arena", false)}},
                   {"spinning", {{}, set("spinning", "0")}}};
  return space;
}

TuneResult run(const SimulatedEngine& engine, const TunePolicy& policy = {}, const Space& space = small_space()) {
  SimulatedLaboratory laboratory(engine, 1, kStill);
  Journal journal;
  return tune(laboratory, space, {1}, policy, journal);
}

const CandidateFacts& candidate(const TuneResult& result, const json& changes) {
  for (const CandidateFacts& facts : result.candidates) {
    if (facts.changes == changes) return facts;
  }
  throw std::out_of_range("no such candidate");
}

int threads_of(const json& settings) { return settings.value("threads", 4); }

TEST(TunerCases, CombinesGainsOfDifferentOptions) {
  const TuneResult result = run([](const json& settings, int) {
    return Behaviour{.time_ratio =
                         (settings.contains("arena") ? 0.85 : 1.0) * (settings.contains("spinning") ? 0.8 : 1.0)};
  });
  EXPECT_EQ(result.verdict.kind, VerdictKind::kBetter);
  EXPECT_EQ(result.verdict.changes, (json{{"arena", false}, {"spinning", "0"}}));
  EXPECT_NEAR(result.verdict.ratios.at("latency").ratio, 0.68, 0.01);
  EXPECT_EQ(result.verdict.ratios.at("latency").method, "signed-rank");
  ASSERT_FALSE(result.confirmations.empty());
  EXPECT_TRUE(result.confirmations.back().is_passed);
  EXPECT_GE(result.confirmations.back().pairs.size(), 7U);
}

TEST(TunerCases, LeavesOutWhatUndoesAGain) {
  const TuneResult result = run([](const json& settings, int) {
    const bool both = settings.contains("arena") && settings.contains("spinning");
    return Behaviour{.time_ratio = both                            ? 1.3
                                   : settings.contains("spinning") ? 0.88
                                   : settings.contains("arena")    ? 0.9
                                                                   : 1};
  });
  EXPECT_EQ(result.verdict.changes, (json{{"spinning", "0"}}));
}

TEST(TunerCases, ChangesNothingThatHasNoEffect) {
  const TuneResult result =
      run([](const json& settings, int) { return Behaviour{.time_ratio = settings.contains("spinning") ? 0.9 : 1.0}; });
  EXPECT_EQ(result.verdict.changes, (json{{"spinning", "0"}}));
  EXPECT_EQ(result.design.name, "2^3, all combinations");
  const auto is_spinning = [](const OptionEffect& effect) {
    return effect.terms.size() == 1 && effect.terms[0].option == "spinning";
  };
  const auto effect = std::find_if(result.design.effects.begin(), result.design.effects.end(), is_spinning);
  ASSERT_NE(effect, result.design.effects.end());
  EXPECT_NEAR(effect->ratio.ratio, 0.9, 0.005);
  EXPECT_TRUE(effect->is_active);
}

TEST(TunerCases, TiesGoToFewerThreads) {
  const TuneResult result = run([](const json& settings, int) {
    const int threads = threads_of(settings);
    return Behaviour{.time_ratio = threads == 1 ? 0.804 : threads == 2 ? 0.8 : 1.0, .threads = threads};
  });
  EXPECT_EQ(result.verdict.changes, (json{{"threads", 1}}));
}

TEST(TunerCases, PrefersWhatIsAsFastWithLessMemory) {
  const TuneResult result = run(
      [](const json& settings, int) { return settings.contains("arena") ? Behaviour{.held_mib = 20} : Behaviour{}; });
  EXPECT_EQ(result.verdict.kind, VerdictKind::kLighter);
  EXPECT_EQ(result.verdict.changes, (json{{"arena", false}}));
  EXPECT_EQ(result.verdict.reason, VerdictReason::kLessMemory);
  EXPECT_NEAR(result.verdict.ratios.at("memory").ratio, 0.2, 1e-9);
}

TEST(TunerCases, ShowsTheFrontOfTimeAgainstMemory) {
  const TuneResult result = run([](const json& settings, int) {
    Behaviour found = settings.contains("arena") ? Behaviour{.time_ratio = 1.2, .held_mib = 20} : Behaviour{};
    if (settings.contains("spinning")) found.time_ratio *= 0.9;
    return found;
  });
  ASSERT_EQ(result.pareto.size(), 2U);
  EXPECT_EQ(result.candidates[static_cast<size_t>(result.pareto[0].candidate)].changes, (json{{"spinning", "0"}}));
  EXPECT_EQ(result.candidates[static_cast<size_t>(result.pareto[1].candidate)].changes,
            (json{{"arena", false}, {"spinning", "0"}}));
  EXPECT_LT(result.pareto[0].ratio, result.pareto[1].ratio);
  EXPECT_GT(result.pareto[0].held_bytes, result.pareto[1].held_bytes);
}

TEST(TunerCases, DrawsTheThreadCurve) {
  const TuneResult result = run([](const json& settings, int) {
    return Behaviour{.time_ratio = 4.0 / threads_of(settings), .threads = threads_of(settings)};
  });
  ASSERT_EQ(result.threads.size(), 3U);
  EXPECT_EQ(result.threads[0].threads, 1);
  EXPECT_NEAR(result.threads[0].latency_ms, 40, 0.5);
  EXPECT_NEAR(result.threads[1].ratio.ratio, 2, 0.01);
  EXPECT_EQ(result.threads[2].candidate, 0);
  EXPECT_EQ(result.verdict.kind, VerdictKind::kKeepDefault);
}

TEST(TunerCases, RejectsDifferingOutputs) {
  const TuneResult result = run([](const json& settings, int) {
    return settings.contains("arena") ? Behaviour{.time_ratio = 0.5, .difference = "1 of 9 elements"} : Behaviour{};
  });
  EXPECT_EQ(result.verdict.kind, VerdictKind::kKeepDefault);
  EXPECT_EQ(candidate(result, {{"arena", false}}).outcome, Outcome::kDiffers);
  EXPECT_EQ(candidate(result, {{"arena", false}}).reason, "1 of 9 elements");
  EXPECT_TRUE(candidate(result, {{"arena", false}}).pairs.empty());
}

TEST(TunerCases, ReportsFailuresAndHangsAndGoesOn) {
  const TuneResult result = run([](const json& settings, int) {
    if (threads_of(settings) == 1) return Behaviour{.load_error = "It does not load."};
    if (threads_of(settings) == 2) return Behaviour{.run_error = "The process ended: signal 9 (Killed)"};
    if (settings.contains("spinning")) return Behaviour{.hangs = true};
    return Behaviour{.time_ratio = settings.contains("arena") ? 0.9 : 1.0};
  });
  EXPECT_EQ(candidate(result, {{"threads", 1}}).outcome, Outcome::kFailed);
  EXPECT_EQ(candidate(result, {{"threads", 1}}).reason, "It does not load.");
  EXPECT_THAT(candidate(result, {{"threads", 2}}).reason, HasSubstr("Killed"));
  EXPECT_EQ(candidate(result, {{"spinning", "0"}}).outcome, Outcome::kFailed);
  EXPECT_EQ(result.verdict.changes, (json{{"arena", false}}));
}

TEST(TunerCases, ACombinationThatCrashesIsLeftOut) {
  const TuneResult result = run([](const json& settings, int) {
    const bool both = settings.contains("arena") && settings.contains("spinning");
    return Behaviour{.time_ratio = settings.contains("arena")      ? 0.9
                                   : settings.contains("spinning") ? 0.92
                                                                   : 1,
                     .run_error = both ? "crash" : ""};
  });
  EXPECT_EQ(result.verdict.changes, (json{{"arena", false}}));
  EXPECT_EQ(candidate(result, {{"arena", false}, {"spinning", "0"}}).outcome, Outcome::kFailed);
}

TEST(TunerCases, AFailingDefaultIsAnError) {
  const SimulatedEngine engine = [](const json&, int) { return Behaviour{.load_error = "It does not load."}; };
  EXPECT_THROW(run(engine), Error);
  EXPECT_THROW(run([](const json&, int) { return Behaviour{.run_error = "out of memory"}; }), Error);
}

TEST(TunerCases, ADefaultThatDiesOnceIsStartedAgain) {
  SimulatedLaboratory laboratory([](const json&, int) { return Behaviour{}; }, 1, kStill);
  laboratory.on_measure = [](int measurement) {
    if (measurement == 40) throw Error(ErrorCode::kFail, "signal 9");
  };
  Journal journal;
  const TuneResult result = tune(laboratory, small_space(), {1}, {}, journal);
  EXPECT_EQ(result.stopped_by, "");
}

TEST(TunerCases, ADefaultThatStopsWorkingEndsTheSearchAndKeepsTheRest) {
  SimulatedLaboratory laboratory(
      [](const json& settings, int) { return Behaviour{.time_ratio = settings.contains("arena") ? 0.8 : 1.0}; }, 1,
      kStill);
  laboratory.on_measure = [](int measurement) {
    if (measurement >= 200) throw Error(ErrorCode::kFail, "no memory left");
  };
  Journal journal;
  const TuneResult result = tune(laboratory, small_space(), {1}, {}, journal);
  EXPECT_EQ(result.stopped_by, "no memory left");
  EXPECT_EQ(result.verdict.kind, VerdictKind::kKeepDefault);
  EXPECT_EQ(result.verdict.reason, VerdictReason::kDefaultFailed);
  EXPECT_FALSE(candidate(result, {{"threads", 1}}).pairs.empty());
}

TEST(TunerCases, ABudgetOfFiveSecondsKeepsWhatItMeasured) {
  TunePolicy policy;
  policy.budget_seconds = 5;
  const TuneResult result =
      run([](const json& settings, int) { return Behaviour{.time_ratio = settings.contains("arena") ? 0.8 : 1.0}; },
          policy);
  EXPECT_EQ(result.verdict.kind, VerdictKind::kKeepDefault);
  EXPECT_EQ(result.verdict.reason, VerdictReason::kNoTime);
  EXPECT_LE(result.used_seconds, 6);
  EXPECT_EQ(candidate(result, {{"threads", 1}}).pairs.size(), 1U);
  EXPECT_EQ(candidate(result, {{"spinning", "0"}}).settings, (json{{"spinning", "0"}}));  // listed all the same
}

TEST(TunerCases, WithNothingToConfirmEveryOptionGetsItsTurn) {
  SimulatedLaboratory laboratory([](const json&, int) { return Behaviour{}; }, 1, kStill);
  laboratory.start_seconds = 1.6;  // the time that is kept for confirming is more than half of the budget
  TunePolicy policy;
  policy.budget_seconds = 20;
  Journal journal;
  const TuneResult result = tune(laboratory, small_space(), {1}, policy, journal);
  EXPECT_EQ(result.verdict.kind, VerdictKind::kKeepDefault);
  EXPECT_EQ(result.verdict.reason, VerdictReason::kNothingBetter);
  for (const auto& changes :
       {json{{"threads", 1}}, json{{"threads", 2}}, json{{"arena", false}}, json{{"spinning", "0"}}}) {
    EXPECT_FALSE(candidate(result, changes).pairs.empty()) << changes;
  }
  EXPECT_LE(result.used_seconds, 20);
}

TEST(TunerCases, AnInterruptKeepsWhatIsKnown) {
  const auto interrupt_at = [](int when) {
    SimulatedLaboratory laboratory([](const json&, int) { return Behaviour{}; }, 1, kStill);
    laboratory.on_measure = [when](int measurement) {
      if (measurement >= when) throw Interrupted();
    };
    Journal journal;
    return tune(laboratory, small_space(), {1}, {}, journal);
  };
  EXPECT_THROW(interrupt_at(0), Interrupted);
  const TuneResult result = interrupt_at(60);
  EXPECT_TRUE(result.is_interrupted);
  EXPECT_EQ(result.verdict.reason, VerdictReason::kInterrupted);
  EXPECT_FALSE(result.candidates[0].pairs.empty());
}

TEST(TunerCases, AResumedRunComesToTheSameResult) {
  const SimulatedEngine engine = [](const json& settings, int) {
    return Behaviour{.time_ratio = settings.contains("spinning") ? 0.9 : 1.0};
  };
  const std::filesystem::path path = std::filesystem::path(::testing::TempDir()) / "resumed.part";
  SimulatedLaboratory whole(engine, 5, kQuietTraces);
  {
    Journal journal(path, {}, false);
    whole.on_measure = [](int measurement) {
      if (measurement >= 500) throw Interrupted();
    };
    EXPECT_TRUE(tune(whole, small_space(), {1}, {}, journal).is_interrupted);
  }
  const int before = whole.trials;
  SimulatedLaboratory rest(engine, 6, kQuietTraces);
  Journal journal(path, {}, true);
  const TuneResult result = tune(rest, small_space(), {1}, {}, journal);
  EXPECT_GT(journal.taken(), 10U);
  EXPECT_EQ(result.verdict.changes, (json{{"spinning", "0"}}));
  EXPECT_GE(result.trials, rest.trials);
  EXPECT_LE(result.used_seconds, 61);
  EXPECT_LT(rest.now() - 1000, 60 - 0.2 * before);  // what is known takes no time again
  journal.remove();
}

TEST(TunerCases, KeepsLimitsThatTheDefaultBreaks) {
  const SimulatedEngine engine = [](const json& settings, int) {
    return settings.contains("arena") ? Behaviour{.time_ratio = 1.3, .held_mib = 20, .peak_mib = 60} : Behaviour{};
  };
  TunePolicy policy;
  policy.limits.peak_bytes = 80 << 20;
  const TuneResult result = run(engine, policy);
  EXPECT_EQ(result.verdict.kind, VerdictKind::kWithinLimits);
  EXPECT_EQ(result.verdict.changes, (json{{"arena", false}}));
  EXPECT_EQ(result.candidates[0].outcome, Outcome::kBeyondLimit);
  policy.limits.peak_bytes = 1 << 20;
  EXPECT_EQ(run(engine, policy).verdict.kind, VerdictKind::kNoneWithin);
}

TEST(TunerCases, TakesNothingThatBreaksALimit) {
  TunePolicy policy;
  policy.limits.cpus = 3.6;
  const TuneResult result = run(
      [](const json& settings, int) {
        return settings.contains("spinning") ? Behaviour{.time_ratio = 0.7, .cpu_ratio = 2} : Behaviour{};
      },
      policy);
  EXPECT_EQ(result.verdict.kind, VerdictKind::kKeepDefault);
  EXPECT_EQ(candidate(result, {{"spinning", "0"}}).outcome, Outcome::kBeyondLimit);
  EXPECT_THAT(candidate(result, {{"spinning", "0"}}).reason, HasSubstr("CPUs"));
}

TEST(TunerCases, ForMemoryItDoesNotGiveUpSpeed) {
  TunePolicy policy;
  policy.objective = Objective::kMemory;
  const TuneResult result = run(
      [](const json& settings, int) {
        Behaviour found = {.threads = threads_of(settings)};
        if (settings.contains("arena")) found = {.time_ratio = 1.05, .held_mib = 40};
        if (threads_of(settings) == 1) found = {.time_ratio = 3, .threads = 1, .held_mib = found.held_mib * 0.5};
        return found;
      },
      policy);
  EXPECT_EQ(result.verdict.kind, VerdictKind::kBetter);
  EXPECT_EQ(result.verdict.changes, (json{{"arena", false}}));
}

TEST(TunerCases, FindsHowManyCallersGiveTheMostThroughput) {
  Space space = small_space();
  space.factors.push_back({"callers", {{}, Level{json::object(), 2}, Level{json::object(), 4}}});
  TunePolicy policy;
  policy.objective = Objective::kThroughput;
  const TuneResult result = run(
      [](const json&, int callers) {
        return Behaviour{.time_ratio = callers == 1 ? 1 : callers == 2 ? 1.2 : 4};
      },
      policy, space);
  EXPECT_EQ(result.verdict.callers, 2);
  EXPECT_EQ(result.verdict.changes, json::object());
  EXPECT_NEAR(result.verdict.ratios.at("throughput").ratio, 0.6, 0.01);
  EXPECT_GT(result.verdict.ratios.at("latency").ratio, 1.1);
}

TEST(TunerCases, SaysWhatIsWrongWithTheMachine) {
  SimulatedLaboratory laboratory([](const json&, int) { return Behaviour{}; }, 1, kBusyTraces);
  laboratory.use = {.measured = 10, .others = 20, .stolen = 2, .throttled = 1, .cpus = 4};
  Journal journal;
  const NoiseFacts noise = tune(laboratory, small_space(), {1}, {}, journal).noise;
  for (const char* finding : {"variation", "other_load", "stolen", "throttled"}) {
    EXPECT_THAT(noise.findings, Contains(finding));
  }
  EXPECT_NEAR(noise.other_cpus, 2, 1e-12);
  EXPECT_NEAR(noise.stolen_share, 0.05, 1e-12);
  EXPECT_GT(noise.least_gain, 0.02);
  EXPECT_TRUE(run([](const json&, int) { return Behaviour{}; }).noise.findings.empty());
}

TEST(TunerCases, RecordsMemoryWithTheArenaOnAndOff) {
  Space space = small_space();
  space.memory_contrasts = {{{"arena", true}}, {{"arena", false}}};
  const TuneResult result = run([](const json&, int) { return Behaviour{}; }, {}, space);
  ASSERT_EQ(result.memory.size(), 2U);
  EXPECT_EQ(result.memory[1].contrast, (json{{"arena", false}}));
  EXPECT_FALSE(result.memory[1].samples.empty());
}

TEST(TunerCases, RecordsMemoryInTheEndWhereProcessesTakeLong) {
  SimulatedLaboratory laboratory([](const json&, int) { return Behaviour{}; }, 1);
  laboratory.start_seconds = 2;
  Space space = small_space();
  space.memory_contrasts = {{{"arena", true}}, {{"arena", false}}};
  TunePolicy policy;
  policy.budget_seconds = 150;
  Journal journal;
  const TuneResult result = tune(laboratory, space, {1}, policy, journal);
  EXPECT_EQ(result.memory.size(), 2U);
  EXPECT_LE(result.used_seconds, 150);
}

TEST(TunerCases, AnInterruptWhileMemoryIsRecordedInTheEndKeepsTheVerdict) {
  class Laboratory : public SimulatedLaboratory {
   public:
    using SimulatedLaboratory::SimulatedLaboratory;
    MemoryTimeline record_memory(const json&, int, double) override { throw Interrupted(); }
  };
  const auto engine = [](const json& settings, int) {
    return Behaviour{.time_ratio = settings.contains("spinning") ? 0.5 : 1.0};
  };
  Laboratory laboratory(engine, 1, kStill);
  laboratory.start_seconds = 3;
  Space space = small_space();
  space.memory_contrasts = {{{"arena", true}}, {{"arena", false}}};
  TunePolicy policy;
  policy.budget_seconds = 150;
  Journal journal;
  const TuneResult result = tune(laboratory, space, {1}, policy, journal);
  EXPECT_TRUE(result.is_interrupted);
  EXPECT_TRUE(result.memory.empty());
  EXPECT_NE(result.verdict.reason, VerdictReason::kInterrupted);
}

TEST(TunerCases, OneCoreHasNothingButItsOptions) {
  Space space = small_space();
  space.factors[0].levels.resize(1);
  const TuneResult result = run([](const json&, int) { return Behaviour{.threads = 1}; }, {}, space);
  EXPECT_EQ(result.verdict.kind, VerdictKind::kKeepDefault);
  EXPECT_EQ(result.threads.size(), 1U);
}

}  // namespace
}  // namespace attune
