#include "tune/worker_laboratory.h"

#include <string_view>
#include <utility>

#include "base/cpu.h"

namespace attune {
namespace {

constexpr std::string_view kReference = "reference.npz";
constexpr std::string_view kOutputs = "outputs.npz";

class TrialOfSettings : public Trial {
 public:
  TrialOfSettings(const WorkerSetup& setup, const nlohmann::json& settings, const std::filesystem::path& folder,
                  const CompareOutputs& compare, double seconds)
      : trial_(setup, settings, seconds), folder_(folder), compare_(compare) {}

  double load_ms() const override { return trial_.load_ms(); }
  int threads() const override { return trial_.threads(); }
  TrialMemory memory() const override { return trial_.memory(); }
  TimedPasses measure(int passes, double seconds) override { return trial_.measure(passes, seconds); }

  std::string compare_outputs(double seconds) override {
    const std::filesystem::path reference = folder_ / kReference;
    const bool is_first = !std::filesystem::exists(reference);
    const std::filesystem::path file = is_first ? reference : folder_ / kOutputs;
    trial_.save_outputs(file, seconds);
    return is_first ? std::string() : compare_(file, reference);
  }

 private:
  WorkerTrial trial_;
  const std::filesystem::path& folder_;
  const CompareOutputs& compare_;
};

}  // namespace

WorkerLaboratory::WorkerLaboratory(WorkerSetup setup, std::filesystem::path folder, CompareOutputs compare)
    : setup_(std::move(setup)), folder_(std::move(folder)), compare_(std::move(compare)) {}

std::unique_ptr<Trial> WorkerLaboratory::start(const nlohmann::json& settings, double seconds) {
  return std::make_unique<TrialOfSettings>(setup_, settings, folder_, compare_, seconds);
}

double WorkerLaboratory::now() { return static_cast<double>(monotonic_ns()) * 1e-9; }

}  // namespace attune
