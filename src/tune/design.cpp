#include "tune/design.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <map>

namespace attune {
namespace {

constexpr int kLeastResolution = 4;
constexpr int kMostBasic = 6;  // 64 runs

/// How many words the defining relation has of each length.
using WordLengths = std::array<int, kMostDesignFactors + 1>;

// A word is a set of factors whose columns multiply to +1. Words are the products of the generators' own.
WordLengths count_words(int basic, const std::vector<uint32_t>& generators) {
  WordLengths lengths = {};
  for (uint32_t chosen = 1; chosen < (1U << generators.size()); ++chosen) {
    uint32_t product = 0;
    for (size_t k = 0; k < generators.size(); ++k) {
      if ((chosen >> k & 1U) != 0) product ^= generators[k] | 1U << (static_cast<size_t>(basic) + k);
    }
    ++lengths.at(static_cast<size_t>(std::popcount(product)));
  }
  return lengths;
}

int resolution_of(const WordLengths& lengths, int factors) {
  for (int length = 1; length <= factors; ++length) {
    if (lengths.at(static_cast<size_t>(length)) > 0) return length;
  }
  return factors + 1;
}

// All ways to choose `left` more generators from products of at least two basic columns.
void choose(int basic, int left, uint32_t from, std::vector<uint32_t>& chosen, std::vector<uint32_t>& best,
            WordLengths& least) {
  if (left == 0) {
    const WordLengths lengths = count_words(basic, chosen);
    if (best.empty() || lengths < least) {  // shorter words count first
      best = chosen;
      least = lengths;
    }
    return;
  }
  for (uint32_t mask = from; mask < 1U << basic; ++mask) {
    if (std::popcount(mask) < 3) continue;  // would be of resolution III
    chosen.push_back(mask);
    choose(basic, left - 1, mask + 1, chosen, best, least);
    chosen.pop_back();
  }
}

Design design_of(int factors, int basic) {
  Design design = {.factors = factors, .runs = 1 << basic, .resolution = factors + 1, .columns = {}};
  for (int k = 0; k < std::min(factors, basic); ++k) design.columns.push_back(1U << k);
  if (factors <= basic) return design;
  std::vector<uint32_t> chosen;
  std::vector<uint32_t> best;
  WordLengths least = {};
  choose(basic, factors - basic, 1, chosen, best, least);
  if (best.empty()) return {};
  design.columns.insert(design.columns.end(), best.begin(), best.end());
  design.resolution = resolution_of(least, factors);
  return design;
}

}  // namespace

bool Design::is_high(int run, int factor) const { return sign(run, columns.at(static_cast<size_t>(factor))) > 0; }

uint32_t Design::interaction(int first, int second) const {
  return columns.at(static_cast<size_t>(first)) ^ columns.at(static_cast<size_t>(second));
}

// The sign of a product: minus for each of its basic columns that is low.
int Design::sign(int run, uint32_t column) {
  const auto low = static_cast<unsigned>(std::popcount(column & ~static_cast<uint32_t>(run)));
  return low % 2 == 0 ? 1 : -1;
}

std::string Design::name() const {
  const int basic = std::countr_zero(static_cast<unsigned>(runs));
  if (resolution > factors) return fmt::format("2^{}, all combinations", factors);
  constexpr std::array kRoman = {"", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"};
  return fmt::format("2^({}-{}), resolution {}", factors, factors - basic, kRoman.at(static_cast<size_t>(resolution)));
}

Design make_design(int factors, int most_runs) {
  Design best;
  if (factors < 2 || factors > kMostDesignFactors) return best;
  for (int basic = 2; basic <= std::min(factors, kMostBasic) && 1 << basic <= most_runs; ++basic) {
    if (factors - basic > 4) continue;  // nothing of resolution IV, and too many to look through
    Design design = design_of(factors, basic);
    const bool is_usable = design.runs > 0 && design.resolution >= kLeastResolution;
    // All combinations are as good as resolution V for what is looked for.
    const int worth = std::min(design.resolution, 5);
    const bool is_full = design.resolution > factors;
    if (is_usable || is_full) {
      if (best.runs == 0 || worth > std::min(best.resolution, 5)) best = std::move(design);
    }
  }
  return best;
}

std::vector<std::pair<uint32_t, std::vector<std::pair<int, int>>>> list_interactions(const Design& design) {
  std::map<uint32_t, std::vector<std::pair<int, int>>> columns;
  for (int first = 0; first < design.factors; ++first) {
    for (int second = first + 1; second < design.factors; ++second) {
      columns[design.interaction(first, second)].emplace_back(first, second);
    }
  }
  return {columns.begin(), columns.end()};
}

}  // namespace attune
