#include "tune/space.h"

#include <fmt/format.h>

#include <algorithm>

namespace attune {

using nlohmann::json;

json Space::settings_at(const Point& point) const {
  json settings = base;
  for (size_t k = 0; k < factors.size(); ++k)
    settings.update(factors[k].levels.at(static_cast<size_t>(point[k])).settings);
  return settings;
}

int Space::callers_at(const Point& point) const {
  int found = callers;
  for (size_t k = 0; k < factors.size(); ++k) {
    const int wanted = factors[k].levels.at(static_cast<size_t>(point[k])).callers;
    if (wanted > 0) found = wanted;
  }
  return found;
}

double Space::points() const {
  double product = 1;
  for (const Factor& factor : factors) product *= static_cast<double>(factor.levels.size());
  return product;
}

int count_changes(const Point& point) {
  return static_cast<int>(std::count_if(point.begin(), point.end(), [](int level) { return level != 0; }));
}

std::string describe_point(const Space& space, const Point& point) {
  std::string text;
  for (size_t k = 0; k < space.factors.size(); ++k) {
    const Level& level = space.factors[k].levels.at(static_cast<size_t>(point[k]));
    for (const auto& [name, value] : level.settings.items()) {
      text += fmt::format("{}{}={}", text.empty() ? "" : ", ", name,
                          value.is_string() ? value.get<std::string>() : value.dump());
    }
    if (level.callers > 0) {
      text += fmt::format("{}{} caller{}", text.empty() ? "" : ", ", level.callers, level.callers == 1 ? "" : "s");
    }
  }
  return text.empty() ? "default" : text;
}

}  // namespace attune
