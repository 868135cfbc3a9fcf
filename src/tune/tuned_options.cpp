#include "tune/tuned_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "attune/error.h"
#include "attune/session.h"
#include "base/cgroup.h"
#include "base/cpu.h"
#include "base/log.h"
#include "session/session_log.h"
#include "session/settings.h"

namespace attune {
namespace {

constexpr const char* kMeasureAgain = "Measure again with `attune tune`.";

TunedMachine this_machine() {
  TunedMachine machine;
  machine.cpu = cpu_model_name();
  machine.usable_cpus = usable_cpus();
  machine.quota_cpus = cgroup_cpu_quota().value_or(0);
  return machine;
}

bool is_option(std::string_view name) {
  const auto table = session_option_table();
  return std::any_of(table.begin(), table.end(), [&](const OptionInfo& info) { return info.name == name; });
}

}  // namespace

std::vector<std::string> differences(const TunedMachine& measured, const TunedMachine& now) {
  std::vector<std::string> found;
  if (!measured.cpu.empty() && measured.cpu != now.cpu) {
    found.push_back(
        fmt::format("The settings were measured on '{}', this is '{}'. {}", measured.cpu, now.cpu, kMeasureAgain));
  }
  if (measured.usable_cpus > 0 && measured.usable_cpus != now.usable_cpus) {
    found.push_back(fmt::format("The settings were measured with {} usable CPUs, now there are {}. {}",
                                measured.usable_cpus, now.usable_cpus, kMeasureAgain));
  }
  constexpr double kSameQuota = 0.01;
  if (std::abs(measured.quota_cpus - now.quota_cpus) > kSameQuota) {
    const auto quota_text = [](double quota) {
      return quota > 0 ? fmt::format("a quota of {:.3g} CPUs", quota) : "no quota";
    };
    found.push_back(fmt::format("The settings were measured with {}, now there is {}. {}",
                                quota_text(measured.quota_cpus), quota_text(now.quota_cpus), kMeasureAgain));
  }
  return found;
}

TunedOptions tuned_options(const TuneResult& result) {
  TunedOptions tuned;
  const TunedFingerprint& fingerprint = result.fingerprint;
  if (fingerprint.engine.name != "attune") {
    tuned.warnings.push_back(fmt::format("The settings were measured on {} {}, not on Attune. {}",
                                         fingerprint.engine.name, fingerprint.engine.version, kMeasureAgain));
  } else if (fingerprint.engine.version != version()) {
    tuned.warnings.push_back(fmt::format("The settings were measured on Attune {}, this is {}. {}",
                                         fingerprint.engine.version, version(), kMeasureAgain));
  }
  for (std::string& difference : differences(fingerprint.machine, this_machine())) {
    tuned.warnings.push_back(std::move(difference));
  }
  nlohmann::json settings = nlohmann::json::object();
  for (const auto& [name, value] : result.verdict.settings.items()) {
    const bool is_known = name.find('.') != std::string::npos || name == kFreeDimensions || is_option(name);
    if (is_known || fingerprint.engine.name == "attune") {
      settings[name] = value;  // one that is unknown is an error
    } else {
      tuned.warnings.push_back(fmt::format("Attune has no option '{}': it is left out.", name));
    }
  }
  tuned.options = apply_settings({}, settings);
  validate(tuned.options);
  if (!fingerprint.model.xxh3_128.empty()) {
    tuned.options.config_entries[kTunedModel] = fingerprint.model.xxh3_128;
  }
  return tuned;
}

TunedOptions read_tuned_options(const std::filesystem::path& file) {
  const TuneResult result = read_tune_result(file);
  try {
    return tuned_options(result);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("'{}': {}", file.string(), error.text()));
  }
}

SessionOptions SessionOptions::from_tuned(const std::filesystem::path& file) {
  TunedOptions tuned = read_tuned_options(file);
  const Logger logger;
  for (const std::string& warning : tuned.warnings) ATTUNE_LOG(logger, kWarning, "{}", warning);
  return std::move(tuned.options);
}

}  // namespace attune
