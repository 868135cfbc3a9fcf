#include "tuning_space.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "attune/options.h"
#include "engine.h"

namespace attune {
namespace {

using nlohmann::json;

constexpr const char* kArena = "enable_cpu_mem_arena";
constexpr const char* kIntraThreads = "intra_op_num_threads";
constexpr const char* kInterThreads = "inter_op_num_threads";
constexpr const char* kMode = "execution_mode";
constexpr const char* kParallel = "ORT_PARALLEL";
constexpr const char* kPattern = "enable_mem_pattern";
constexpr const char* kSpinning = "session.intra_op.allow_spinning";
constexpr const char* kDenormals = "session.set_denormal_as_zero";

// The same as ORT_ENABLE_EXTENDED in Attune, and unknown to most versions of onnxruntime.
constexpr std::string_view kLayoutLevel = "ORT_ENABLE_LAYOUT";

class SpaceMaker {
 public:
  explicit SpaceMaker(const SpaceWishes& wishes) : wishes_(wishes) {
    space_.base = wishes.base;
    space_.callers = wishes.callers;
  }

  Space make(bool is_onnxruntime) {
    space_.thread_factor = 0;
    add_threads();
    if (wishes_.varies_callers) add_callers();
    add_switch(kSpinning, "1", "0");
    add_arena(is_onnxruntime);
    add_mode();
    if (is_onnxruntime) add_switch(kPattern, true, false);
    add_rest_of_table();
    if (is_onnxruntime) add_switch(kDenormals, "0", "1");
    for (const bool is_on : {true, false}) space_.memory_contrasts.push_back({{kArena, is_on}});
    return std::move(space_);
  }

 private:
  std::vector<int> thread_counts() const {
    std::vector<int> counts;
    for (int count = 1; count <= 2 * std::max(wishes_.usable_cpus, 1); count *= 2) {
      if (wishes_.most_cpus <= 0 || count <= std::max(wishes_.most_cpus, 1.0)) counts.push_back(count);
    }
    return counts;
  }

  Factor& add_factor(std::string name) {
    space_.factors.push_back({std::move(name), {Level{}}});
    return space_.factors.back();
  }

  bool has(const std::string& name, const json& value) const {
    return wishes_.base.contains(name) && wishes_.base.at(name) == value;
  }

  void add_threads() {
    Factor& factor = add_factor(kIntraThreads);
    const int present =
        wishes_.base.value(kIntraThreads, 0) > 0 ? wishes_.base.value(kIntraThreads, 0) : wishes_.default_threads;
    for (const int count : thread_counts()) {
      if (count != present) factor.levels.push_back({{{kIntraThreads, count}}});
    }
  }

  void add_callers() {
    Factor& factor = add_factor("callers");
    for (const int count : thread_counts()) {
      if (count != wishes_.callers) factor.levels.push_back({json::object(), count});
    }
  }

  void add_switch(const std::string& name, const json& usual, const json& other) {
    const json present = wishes_.base.value(name, usual);
    add_factor(name).levels.push_back({{{name, present == usual ? other : usual}}});
  }

  void add_arena(bool grows) {
    const bool is_on = wishes_.base.value(kArena, true);
    Factor& factor = add_factor(kArena);
    factor.levels.push_back({{{kArena, !is_on}}});
    if (grows && !has(kArenaExtendStrategy, "kSameAsRequested")) {
      factor.levels.push_back({{{kArena, true}, {kArenaExtendStrategy, "kSameAsRequested"}}});
    }
  }

  void add_mode() {
    Factor& factor = add_factor(kMode);
    if (wishes_.base.value(kMode, "") == kParallel) {
      factor.levels.push_back({{{kMode, "ORT_SEQUENTIAL"}}});
    } else {
      for (const int count : thread_counts()) {
        if (count > 1) factor.levels.push_back({{{kMode, kParallel}, {kInterThreads, count}}});
      }
    }
    if (factor.levels.size() == 1) space_.factors.pop_back();
  }

  void add_rest_of_table() {
    for (const OptionInfo& info : session_option_table()) {
      const std::string name(info.name);
      const bool is_done = name == kArena || name == kMode || name == kIntraThreads || name == kInterThreads;
      if (info.group != OptionGroup::kPerformance || is_done) continue;
      if (info.type == OptionType::kBool) {
        const bool usual = std::get<bool>(info.default_value);
        add_switch(name, usual, !usual);
      } else if (info.type == OptionType::kEnum) {
        add_choices(info);
      }
    }
  }

  // From the highest level of optimization down.
  void add_choices(const OptionInfo& info) {
    const std::string name(info.name);
    Factor& factor = add_factor(name);
    for (size_t k = info.choices.size(); k-- > 0;) {
      const OptionChoice& choice = info.choices[k];
      const bool is_usual = choice.value == std::get<int64_t>(info.default_value);
      const bool is_present = wishes_.base.contains(name) ? wishes_.base.at(name) == choice.name : is_usual;
      if (!is_present && choice.name != kLayoutLevel) factor.levels.push_back({{{name, std::string(choice.name)}}});
    }
  }

  const SpaceWishes& wishes_;
  Space space_;
};

}  // namespace

Space make_space(const std::string& engine, const SpaceWishes& wishes) {
  return SpaceMaker(wishes).make(engine == kOnnxruntime);
}

}  // namespace attune
