#include "tuning_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "snippets.h"
#include "table.h"
#include "terminal_text.h"
#include "verdict_words.h"

namespace attune {
namespace {

constexpr double kMiB = 1 << 20;
constexpr size_t kTextWidth = 80;

std::string percent_change(double ratio) { return fmt::format("{:+.1f}", 100 * (ratio - 1)); }

/// Candidates worth a line: one option alone, what nothing beats, what was confirmed or recommended.
std::vector<size_t> list_candidates(const TuneResult& result) {
  std::set<size_t> chosen;
  for (size_t k = 1; k < result.candidates.size(); ++k) {
    const std::vector<PairFacts>& pairs = result.candidates[k].pairs;
    const bool is_alone =
        std::any_of(pairs.begin(), pairs.end(), [](const PairFacts& pair) { return pair.phase == Phase::kLevels; });
    if (is_alone || (pairs.empty() && result.candidates[k].changes.size() <= 1)) chosen.insert(k);
  }
  for (const ParetoPoint& point : result.pareto) chosen.insert(static_cast<size_t>(point.candidate));
  for (const Confirmation& test : result.confirmations) chosen.insert(static_cast<size_t>(test.candidate));
  chosen.insert(static_cast<size_t>(result.verdict.candidate));
  chosen.erase(0);
  return {chosen.begin(), chosen.end()};
}

class SummaryTable {
 public:
  SummaryTable(const TuneResult& result, const Texts& texts, const std::string& title)
      : result_(result),
        texts_(texts),
        objective_(objective_name(result.objective)),
        table_({{title, Align::kLeft, true},
                {texts.say("summary.ms"), Align::kRight},
                {texts.say("summary.change", {{"what", texts.say(fmt::format("summary.short.{}", objective_))}}),
                 Align::kRight},
                {texts.say("summary.interval", {{"confidence", fmt::format("{:.0f}", 100 * result.confidence)}}),
                 Align::kRight},
                {texts.say("summary.cpu"), Align::kRight},
                {texts.say("summary.memory"), Align::kRight},
                {texts.say("summary.note")}}) {}

  void add(const std::string& name, const TrialFacts* facts, const std::map<std::string, Estimate>& ratios,
           const std::string& note) {
    std::vector<std::string> cells(6);
    cells[0] = name;
    if (facts != nullptr) {
      cells[1] = format_ms(facts->latency_ms);
      cells[4] = format_ms(facts->cpu_ms);
      cells[5] = fmt::format("{:.1f}/{:.1f}", facts->held_bytes / kMiB, facts->peak_bytes / kMiB);
    }
    const auto estimate = ratios.find(objective_);
    if (estimate != ratios.end() && estimate->second.is_known()) {
      cells[2] = percent_change(estimate->second.ratio);
      cells[3] = fmt::format("{} .. {}", percent_change(estimate->second.low), percent_change(estimate->second.high));
    }
    cells.push_back(note);
    table_.add_row(std::move(cells));
  }

  void add_candidate(size_t index, const std::string& name) {
    const CandidateFacts& candidate = result_.candidates[index];
    const bool is_measured = !candidate.pairs.empty();
    const CandidateFigures figures = figures_of(result_, static_cast<int>(index));
    const std::string note = candidate.outcome == Outcome::kMeasured ? "" : say_outcome(candidate.outcome);
    add(name, is_measured ? &figures.candidate : nullptr, candidate.ratios, note);
  }

  std::string text() const { return table_.text(); }

 private:
  std::string say_outcome(Outcome outcome) const {
    switch (outcome) {
      case Outcome::kMeasured:
        return texts_.say("outcome.measured");
      case Outcome::kDropped:
        return texts_.say("outcome.dropped");
      case Outcome::kDiffers:
        return texts_.say("outcome.differs");
      case Outcome::kFailed:
        return texts_.say("outcome.failed");
      case Outcome::kBeyondLimit:
        return texts_.say("outcome.beyond_limit");
      case Outcome::kNotMeasured:
        return texts_.say("outcome.not_measured");
    }
    return "";
  }

  const TuneResult& result_;
  const Texts& texts_;
  std::string objective_;
  Table table_;
};

std::string facts_text(const TuneResult& result, const Texts& texts) {
  std::vector<std::pair<std::string, std::string>> lines;
  lines.emplace_back(texts.say("summary.model"), result.fingerprint.model.path);
  lines.emplace_back(texts.say("summary.engine"),
                     fmt::format("{} {}", result.fingerprint.engine.name, result.fingerprint.engine.version));
  lines.emplace_back(texts.say("summary.machine"), describe_machine(result.fingerprint.machine, texts));
  for (const std::string& line : describe_load(result.load, texts)) {
    lines.emplace_back(texts.say("summary.inputs"), line);
  }
  lines.emplace_back(texts.say("summary.measured"),
                     texts.say("measured", {{"trials", std::to_string(result.trials)},
                                            {"used", fmt::format("{:.0f}", result.used_seconds)}}));
  size_t widest = 0;
  for (const auto& [name, value] : lines) widest = std::max(widest, width_of(name));
  std::string text;
  for (const auto& [name, value] : lines) {
    text += fmt::format("{} {}{}\n", name, std::string(widest - width_of(name), ' '), value);
  }
  return text;
}

std::string tables_text(const TuneResult& result, const Texts& texts) {
  const auto name_of = [&](size_t index) {
    const CandidateFacts& candidate = result.candidates[index];
    return describe_choice(result, candidate.changes, candidate.callers, texts);
  };
  SummaryTable table(result, texts, texts.say("summary.setting"));
  if (!result.candidates.empty()) table.add_candidate(0, texts.say("summary.again"));
  const std::vector<size_t> chosen = list_candidates(result);
  for (const size_t index : chosen) table.add_candidate(index, name_of(index));
  std::string text = table.text();
  if (chosen.size() + 1 < result.candidates.size()) {
    text += texts.say("summary.more", {{"n", std::to_string(result.candidates.size() - 1 - chosen.size())}}) + "\n";
  }
  if (!result.confirmations.empty()) {
    SummaryTable confirmed(result, texts, texts.say("summary.confirmed"));
    for (const Confirmation& test : result.confirmations) {
      const CandidateFigures figures = figures_of(result, test.candidate);
      confirmed.add(name_of(static_cast<size_t>(test.candidate)), test.pairs.empty() ? nullptr : &figures.candidate,
                    test.ratios, "");
    }
    text += "\n" + confirmed.text();
  }
  std::string failures;
  for (size_t k = 0; k < result.candidates.size(); ++k) {
    const CandidateFacts& candidate = result.candidates[k];
    if (candidate.outcome != Outcome::kDiffers && candidate.outcome != Outcome::kFailed) continue;
    failures += fmt::format("{}: {}\n", name_of(k), candidate.reason);
  }
  return text + (failures.empty() ? "" : "\n" + failures);
}

}  // namespace

std::string tuning_summary(const TuneResult& result, const std::string& file, const Texts& texts) {
  std::string text = facts_text(result, texts) + "\n" + tables_text(result, texts) + "\n";
  const VerdictWords words = describe_verdict(result, texts);
  text += wrap(words.sentence, kTextWidth) + "\n";
  for (const std::string& reason : words.reasons) text += wrap(reason, kTextWidth) + "\n";
  if (!words.noise.empty()) text += "\n";
  for (const std::string& finding : words.noise) text += wrap(finding, kTextWidth) + "\n";
  const bool is_attune = result.fingerprint.engine.name != "onnxruntime";
  for (const Snippet& snippet : make_snippets(result, file, texts)) {
    // The others are in the report.
    const bool is_ours = snippet.title == (is_attune ? "Python · attune" : "Python · onnxruntime") ||
                         (is_attune && snippet.title == "C++ · attune");
    if (!is_ours) continue;
    text += fmt::format("\n{}\n\n{}", snippet.title, snippet.code);
    for (const std::string& note : snippet.notes) text += wrap(note, kTextWidth) + "\n";
  }
  return text;
}

}  // namespace attune
