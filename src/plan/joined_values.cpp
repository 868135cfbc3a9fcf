#include "plan/joined_values.h"

#include <algorithm>
#include <cstdint>

#include "ops/joins_inputs.h"

namespace attune {
namespace {

class Chooser {
 public:
  Chooser(std::vector<size_t> live, size_t values)
      : live_(std::move(live)), most_(*std::max_element(live_.begin(), live_.end())), places_(values), spans_(values) {}

  void choose(const Join& join) {
    JoinedPlace target = place_of(join.output);
    if (target.root < 0) target = {join.output, 0};
    if (target.root == join.output && lies_together(join)) return;
    std::vector<const JoinInput*> inputs;
    for (const JoinInput& input : join.inputs) {
      const bool is_taken = place_of(input.value).root >= 0;  // by another Concat
      if (!input.may_move || is_taken || input.offset == JoinsInputs::kMoved) continue;
      // What comes twice lies where it comes first.
      const bool is_again = std::any_of(inputs.begin(), inputs.end(),
                                        [&](const JoinInput* other) { return other->value == input.value; });
      if (!is_again) inputs.push_back(&input);
    }
    // The longer a value waits for the Concat, the more it costs: the first ones made are left out first.
    std::stable_sort(inputs.begin(), inputs.end(),
                     [](const JoinInput* a, const JoinInput* b) { return a->own.first > b->own.first; });
    if (target.root == join.output) spans_[index(target.root)] = join.own;
    std::vector<OwnMemory> owns;
    for (const JoinInput* input : inputs) owns.push_back(input->own);
    while (!owns.empty() && !move(owns, spans_[index(target.root)])) owns.pop_back();
    inputs.resize(owns.size());
    for (const JoinInput* input : inputs) {
      places_[index(input->value)] = {target.root, target.offset + input->offset};
      places_[index(target.root)] = {target.root, 0};
    }
  }

  std::vector<JoinedPlace> take() { return std::move(places_); }

 private:
  static size_t index(int value) { return static_cast<size_t>(value); }
  const JoinedPlace& place_of(int value) const { return places_[index(value)]; }

  /// A later Concat has brought all inputs together: the output is there without being written.
  bool lies_together(const Join& join) {
    const JoinedPlace first = place_of(join.inputs[0].value);
    if (!join.may_move || first.root < 0 || first.root == join.output) return false;
    for (const JoinInput& input : join.inputs) {
      const JoinedPlace& place = place_of(input.value);
      if (place.root != first.root || input.offset == JoinsInputs::kMoved) return false;
      if (place.offset != first.offset + input.offset) return false;
    }
    if (!move({&join.own, 1}, spans_[index(first.root)])) return false;
    places_[index(join.output)] = first;
    return true;
  }

  /// Lets `owns` become part of memory that is needed in `span`, which grows; false where that would take too much.
  bool move(std::span<const OwnMemory> owns, OwnMemory& span) {
    OwnMemory grown = span;
    for (const OwnMemory& own : owns) {
      grown.first = std::min(grown.first, own.first);
      grown.last = std::max(grown.last, own.last);
    }
    // By step from grown.first on: what begins to be needed there, less what ends.
    std::vector<int64_t> change(static_cast<size_t>(grown.last - grown.first) + 2, 0);
    const auto count = [&](const OwnMemory& memory, int64_t bytes) {
      change[index(memory.first - grown.first)] += bytes;
      change[index(memory.last - grown.first) + 1] -= bytes;
    };
    count(grown, static_cast<int64_t>(span.bytes));
    count(span, -static_cast<int64_t>(span.bytes));
    for (const OwnMemory& own : owns) count(own, -static_cast<int64_t>(own.bytes));
    int64_t sum = 0;
    for (int64_t& step : change) step = sum += step;
    for (int step = grown.first; step <= grown.last; ++step) {
      const int64_t added = change[index(step - grown.first)];
      if (added > 0 && live_[index(step)] + static_cast<size_t>(added) > most_) return false;
    }
    for (int step = grown.first; step <= grown.last; ++step) {
      live_[index(step)] += static_cast<size_t>(change[index(step - grown.first)]);
    }
    span = grown;
    return true;
  }

  std::vector<size_t> live_;
  size_t most_;
  std::vector<JoinedPlace> places_;
  std::vector<OwnMemory> spans_;  // of roots: what is needed with all that has moved there
};

}  // namespace

std::vector<JoinedPlace> choose_joined_places(std::span<const Join> joins, std::vector<size_t> live, size_t values) {
  Chooser chooser(std::move(live), values);
  for (size_t i = joins.size(); i-- > 0;) chooser.choose(joins[i]);
  return chooser.take();
}

}  // namespace attune
