#include "plan/schedule.h"

#include <algorithm>
#include <numeric>

namespace attune {

void Dependencies::add_step(std::span<const int> before) {
  before_.insert(before_.end(), before.begin(), before.end());
  begin_.push_back(before_.size());
}

bool has_branches(const Dependencies& dependencies) {
  // Steps of which each must follow the one before it directly have one order only, and no others do.
  for (int s = 1; s < dependencies.steps(); ++s) {
    const auto before = dependencies.before(s);
    if (std::find(before.begin(), before.end(), s - 1) == before.end()) return true;
  }
  return false;
}

std::vector<StepBits> find_followers(const Dependencies& dependencies) {
  const auto count = static_cast<size_t>(dependencies.steps());
  std::vector<StepBits> followers(count, StepBits((count + 63) / 64));
  for (size_t s = count; s-- > 0;) {
    for (const int earlier : dependencies.before(static_cast<int>(s))) {
      StepBits& bits = followers[static_cast<size_t>(earlier)];
      bits[s / 64] |= uint64_t{1} << (s % 64);
      // Followers come later, so the words before are empty.
      for (size_t word = s / 64; word < bits.size(); ++word) bits[word] |= followers[s][word];
    }
  }
  return followers;
}

namespace {

// Steps joined to chains, and what those wait for.
struct Chains {
  std::vector<std::vector<int>> steps;
  std::vector<float> cost_ns;
  Dependencies dependencies;
};

Chains join_steps(const Dependencies& steps, std::span<const float> cost_ns) {
  const int count = steps.steps();
  std::vector<int> waiting(static_cast<size_t>(count), 0);
  for (int s = 0; s < count; ++s) {
    for (const int earlier : steps.before(s)) ++waiting[static_cast<size_t>(earlier)];
  }
  Chains chains;
  std::vector<size_t> chain_of(static_cast<size_t>(count));
  std::vector<int> before;
  for (int s = 0; s < count; ++s) {
    const float cost = cost_ns[static_cast<size_t>(s)];
    const auto earlier = steps.before(s);
    if (earlier.size() == 1 && waiting[static_cast<size_t>(earlier[0])] == 1) {
      const size_t chain = chain_of[static_cast<size_t>(earlier[0])];
      if (chains.cost_ns[chain] + cost <= Schedule::kChainNs) {
        chains.steps[chain].push_back(s);
        chains.cost_ns[chain] += cost;
        chain_of[static_cast<size_t>(s)] = chain;
        continue;
      }
    }
    before.clear();
    for (const int e : earlier) before.push_back(static_cast<int>(chain_of[static_cast<size_t>(e)]));
    std::sort(before.begin(), before.end());
    before.erase(std::unique(before.begin(), before.end()), before.end());
    chain_of[static_cast<size_t>(s)] = chains.steps.size();
    chains.steps.push_back({s});
    chains.cost_ns.push_back(cost);
    chains.dependencies.add_step(before);
  }
  return chains;
}

}  // namespace

Schedule make_schedule(const Dependencies& step_dependencies, std::span<const float> step_cost_ns) {
  const Chains chains = join_steps(step_dependencies, step_cost_ns);
  const Dependencies& dependencies = chains.dependencies;
  const std::vector<float>& cost_ns = chains.cost_ns;
  const auto count = static_cast<size_t>(dependencies.steps());
  Schedule schedule;
  schedule.step_begin.push_back(0);
  for (const std::vector<int>& steps : chains.steps) {
    schedule.steps.insert(schedule.steps.end(), steps.begin(), steps.end());
    schedule.step_begin.push_back(schedule.steps.size());
  }
  schedule.pending.resize(count);
  schedule.next_begin.assign(count + 1, 0);
  for (size_t s = 0; s < count; ++s) {
    const auto before = dependencies.before(static_cast<int>(s));
    schedule.pending[s] = static_cast<int>(before.size());
    for (const int earlier : before) ++schedule.next_begin[static_cast<size_t>(earlier) + 1];
  }
  std::partial_sum(schedule.next_begin.begin(), schedule.next_begin.end(), schedule.next_begin.begin());
  schedule.next.resize(schedule.next_begin[count]);
  std::vector<size_t> filled(schedule.next_begin.begin(), schedule.next_begin.end() - 1);
  for (size_t s = 0; s < count; ++s) {
    for (const int earlier : dependencies.before(static_cast<int>(s))) {
      schedule.next[filled[static_cast<size_t>(earlier)]++] = static_cast<int>(s);
    }
  }

  schedule.path_ns.assign(count, 0);
  schedule.branch_ns.assign(count, 0);
  for (size_t s = count; s-- > 0;) {
    schedule.path_ns[s] += cost_ns[s];
    schedule.branch_ns[s] += cost_ns[s];
    schedule.critical_ns = std::max(schedule.critical_ns, schedule.path_ns[s]);
    const auto before = dependencies.before(static_cast<int>(s));
    for (const int earlier : before) {
      float& path = schedule.path_ns[static_cast<size_t>(earlier)];
      path = std::max(path, schedule.path_ns[s]);
    }
    if (before.size() == 1) schedule.branch_ns[static_cast<size_t>(before[0])] += schedule.branch_ns[s];
  }

  schedule.by_rank.resize(count);
  std::iota(schedule.by_rank.begin(), schedule.by_rank.end(), 0);
  std::stable_sort(schedule.by_rank.begin(), schedule.by_rank.end(), [&](int a, int b) {
    return schedule.path_ns[static_cast<size_t>(a)] > schedule.path_ns[static_cast<size_t>(b)];
  });
  schedule.rank.resize(count);
  for (size_t r = 0; r < count; ++r) schedule.rank[static_cast<size_t>(schedule.by_rank[r])] = static_cast<int>(r);
  return schedule;
}

}  // namespace attune
