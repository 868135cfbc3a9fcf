#include "optimize/pattern.h"

#include <algorithm>
#include <cmath>

#include "optimize/facts.h"

namespace attune::optimize {

struct Pattern::Data {
  enum class Kind : uint8_t { kAny, kConstant, kNumber, kOp, kEither };
  Kind kind = Kind::kAny;
  std::string_view name;
  std::optional<double> wanted;
  double tolerance = 0.0;
  std::vector<std::pair<std::string_view, std::string_view>> types;  // domain, operator
  std::vector<Pattern> parts;                                        // inputs or alternatives
  std::vector<std::function<bool(const Node&)>> conditions;
  bool is_shared = false;
  bool allows_more_inputs = false;
};

namespace {

bool is_commutative(const Node& node) {
  return node.domain.empty() && node.input_count() == 2 &&
         (node.op_type == "Add" || node.op_type == "Mul" || node.op_type == "Max" || node.op_type == "Min");
}

bool contains(const std::vector<Node*>& nodes, const Node* node) {
  return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
}

/// A constant of several dimensions could give its rank to the result.
bool keeps_rank(const Node& node, const Value& scalar) {
  const int rank = scalar.constant.shape().rank();
  if (rank == 0) return true;
  return std::any_of(node.inputs().begin(), node.inputs().end(),
                     [&](const Value* input) { return input != &scalar && rank_of(input) >= rank; });
}

using Kind = Pattern::Data::Kind;

bool fits_type(const Pattern::Data& pattern, const Node& node) {
  return std::any_of(pattern.types.begin(), pattern.types.end(),
                     [&](const auto& type) { return node.op_type == type.second && node.domain == type.first; });
}

/// Whether a node of this type can be the last of the expression: saves most of the work.
bool may_end_in(const Pattern& pattern, const Node& node) {
  const Pattern::Data& data = pattern.data();
  if (data.kind == Kind::kOp) return fits_type(data, node);
  return data.kind == Kind::kEither &&
         std::any_of(data.parts.begin(), data.parts.end(), [&](const Pattern& part) { return may_end_in(part, node); });
}

}  // namespace

/// Depth-first search with a list of what is still to be matched; a choice that fails later is taken back.
class Matcher {
 public:
  Matcher(const Graph& graph, Node& root) : graph_(graph), root_(root) {}

  std::optional<Match> run(const Pattern& pattern) {
    if (!solve({{&pattern, root_.output(0), nullptr}})) return std::nullopt;
    return std::move(match_);
  }

 private:
  struct Goal {
    const Pattern* pattern;
    Value* value;
    const Node* reader;
  };
  using Goals = std::vector<Goal>;

  bool solve(Goals goals) {
    const size_t captures = match_.captures_.size();
    const size_t nodes = match_.nodes_.size();
    const size_t shared = shared_.size();
    if (step(std::move(goals))) return true;
    match_.captures_.resize(captures);
    match_.nodes_.resize(nodes);
    shared_.resize(shared);
    return false;
  }

  bool step(Goals goals) {
    if (goals.empty()) return are_private();
    const Goal goal = goals.back();
    goals.pop_back();
    const Pattern::Data& pattern = goal.pattern->data();
    if (goal.value == nullptr) return false;
    if (pattern.kind == Kind::kEither) {
      return std::any_of(pattern.parts.begin(), pattern.parts.end(), [&](const Pattern& part) {
        Goals next = goals;
        next.push_back({&part, goal.value, goal.reader});
        return solve_named(pattern.name, goal.value, std::move(next));
      });
    }
    if (!capture(pattern.name, goal.value)) return false;
    switch (pattern.kind) {
      case Kind::kConstant:
        return goal.value->is_constant() && solve(std::move(goals));
      case Kind::kNumber:
        return is_number(pattern, goal) && solve(std::move(goals));
      case Kind::kOp:
        return step_into(pattern, goal.value, goals);
      default:
        return solve(std::move(goals));
    }
  }

  bool solve_named(std::string_view name, Value* value, Goals goals) {
    const size_t captures = match_.captures_.size();
    if (capture(name, value) && solve(std::move(goals))) return true;
    match_.captures_.resize(captures);
    return false;
  }

  bool step_into(const Pattern::Data& pattern, Value* value, const Goals& goals) {
    Node* node = value->producer();
    if (node == nullptr || value->producer_index() != 0 || !fits_type(pattern, *node)) return false;
    const size_t count = pattern.parts.size();
    const auto inputs = static_cast<size_t>(node->input_count());
    if (inputs < count || (inputs > count && !pattern.allows_more_inputs)) return false;
    for (const auto& condition : pattern.conditions) {
      if (!condition(*node)) return false;
    }
    match_.nodes_.push_back(node);
    if (pattern.is_shared) shared_.push_back(node);
    const bool swaps = count == 2 && is_commutative(*node);
    for (int order = 0; order < (swaps ? 2 : 1); ++order) {
      Goals next = goals;
      // The last goal is looked at first: constants and operators tell soonest that nothing fits.
      for (size_t i = 0; i < count; ++i) {
        next.push_back({&pattern.parts[i], node->input(static_cast<int>(order == 0 ? i : 1 - i)), node});
      }
      if (solve(std::move(next))) return true;
    }
    return false;
  }

  static bool is_number(const Pattern::Data& pattern, const Goal& goal) {
    const auto found = constant_scalar(goal.value);
    if (!found || (goal.reader != nullptr && !keeps_rank(*goal.reader, *goal.value))) return false;
    return !pattern.wanted || std::abs(*found - *pattern.wanted) <= pattern.tolerance * std::abs(*pattern.wanted);
  }

  bool capture(std::string_view name, Value* value) {
    if (name.empty()) return true;
    if (Value* bound = match_[name]) return bound == value;
    match_.captures_.emplace_back(name, value);
    return true;
  }

  /// Nobody but the matched nodes reads what the fusion takes away.
  bool are_private() const {
    return std::all_of(match_.nodes_.begin(), match_.nodes_.end(), [&](const Node* node) {
      if (node == &root_ || contains(shared_, node)) return true;
      return std::all_of(node->outputs().begin(), node->outputs().end(), [&](const Value* output) {
        return output == nullptr || (!graph_.is_output(output) &&
                                     std::all_of(output->users().begin(), output->users().end(),
                                                 [&](const Node* user) { return contains(match_.nodes_, user); }));
      });
    });
  }

  const Graph& graph_;
  Node& root_;
  Match match_;
  std::vector<Node*> shared_;
};

Value* Match::operator[](std::string_view name) const {
  const auto entry =
      std::find_if(captures_.begin(), captures_.end(), [&](const auto& capture) { return capture.first == name; });
  return entry == captures_.end() ? nullptr : entry->second;
}

Node* Match::node(std::string_view name) const {
  const Value* value = (*this)[name];
  return value == nullptr ? nullptr : value->producer();
}

double Match::number(std::string_view name) const { return constant_scalar((*this)[name]).value_or(0.0); }

Pattern Pattern::changed(const std::function<void(Data&)>& change) const {
  auto copy = std::make_shared<Data>(*data_);
  change(*copy);
  return Pattern(std::move(copy));
}

Pattern Pattern::as(std::string_view name) const {
  return changed([&](Data& data) { data.name = name; });
}

Pattern Pattern::when(std::function<bool(const Node&)> condition) const {
  return changed([&](Data& data) { data.conditions.push_back(std::move(condition)); });
}

Pattern Pattern::shared() const {
  return changed([](Data& data) { data.is_shared = true; });
}

Pattern Pattern::with_more_inputs() const {
  return changed([](Data& data) { data.allows_more_inputs = true; });
}

std::optional<Match> Pattern::match(const Graph& graph, Node& root) const {
  if (root.output(0) == nullptr || !may_end_in(*this, root)) return std::nullopt;
  return Matcher(graph, root).run(*this);
}

Pattern any(std::string_view name) {
  Pattern::Data data;
  data.name = name;
  return Pattern(std::make_shared<Pattern::Data>(std::move(data)));
}

Pattern constant(std::string_view name) {
  Pattern::Data data;
  data.kind = Kind::kConstant;
  data.name = name;
  return Pattern(std::make_shared<Pattern::Data>(std::move(data)));
}

Pattern number(std::string_view name) {
  Pattern::Data data;
  data.kind = Kind::kNumber;
  data.name = name;
  return Pattern(std::make_shared<Pattern::Data>(std::move(data)));
}

Pattern number(double wanted, double tolerance) {
  Pattern::Data data;
  data.kind = Kind::kNumber;
  data.wanted = wanted;
  data.tolerance = tolerance;
  return Pattern(std::make_shared<Pattern::Data>(std::move(data)));
}

Pattern op(std::string_view types, std::vector<Pattern> inputs) {
  Pattern::Data data;
  data.kind = Kind::kOp;
  data.parts = std::move(inputs);
  while (!types.empty()) {
    const size_t end = std::min(types.find('|'), types.size());
    const std::string_view type = types.substr(0, end);
    const size_t dot = type.rfind('.');
    if (dot == std::string_view::npos) {
      data.types.emplace_back("", type);
    } else {
      data.types.emplace_back(type.substr(0, dot), type.substr(dot + 1));
    }
    types.remove_prefix(std::min(end + 1, types.size()));
  }
  return Pattern(std::make_shared<Pattern::Data>(std::move(data)));
}

Pattern either(std::vector<Pattern> alternatives) {
  Pattern::Data data;
  data.kind = Kind::kEither;
  data.parts = std::move(alternatives);
  return Pattern(std::make_shared<Pattern::Data>(std::move(data)));
}

Pattern product(const Pattern& a, const Pattern& b, const Pattern& c) {
  return either(
      {op("Mul", {a, op("Mul", {b, c})}), op("Mul", {b, op("Mul", {a, c})}), op("Mul", {c, op("Mul", {a, b})})});
}

void apply_fusions(Rewriter& rewriter, std::span<const Fusion> fusions) {
  rewriter.for_each_node_reversed([&](Node& node) {
    for (const Fusion& fusion : fusions) {
      const auto match = fusion.pattern.match(rewriter.graph(), node);
      if (match && fusion.rewrite(rewriter, node, *match)) return;
    }
  });
}

}  // namespace attune::optimize
