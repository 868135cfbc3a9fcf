// Patterns of nodes, written as expressions:
//
//   // x * sigmoid(x)
//   const Pattern kSwish = op("Mul", {any("x"), op("Sigmoid", {any("x")})});
//
// A pattern is matched against the node that gives the expression's value, and walks from there to what it reads. A
// name that occurs twice stands for the same value both times. Add, Mul, Max and Min match their operands in either
// order. Every matched node but the last must be read by matched nodes only and be no graph output, since a fusion
// takes it away; shared() lifts that. Only default-domain operators are matched unless the name has a domain:
// "attune.FusedMatMul". Names must be literals: patterns and matches keep views of them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "graph/graph.h"
#include "optimize/rewriter.h"

namespace attune::optimize {

/// What the parts of a pattern stand for in one place of the graph.
class Match {
 public:
  /// The value of a name; null when the alternative that matched does not have it.
  Value* operator[](std::string_view name) const;
  /// The node that gives the named value.
  Node* node(std::string_view name) const;
  /// The only element of a named constant.
  double number(std::string_view name) const;
  bool has(std::string_view name) const { return (*this)[name] != nullptr; }
  std::span<Node* const> nodes() const { return nodes_; }

 private:
  friend class Matcher;
  std::vector<std::pair<std::string_view, Value*>> captures_;
  std::vector<Node*> nodes_;
};

class Pattern {
 public:
  /// The matched value gets a name.
  Pattern as(std::string_view name) const;
  /// The node must fulfil a condition. For op() patterns.
  Pattern when(std::function<bool(const Node&)> condition) const;
  /// The node's value may have readers outside the match. For op() patterns.
  Pattern shared() const;
  /// The node may have more inputs than the pattern lists. For op() patterns.
  Pattern with_more_inputs() const;

  /// Matches the expression that ends in `root`.
  std::optional<Match> match(const Graph& graph, Node& root) const;

  struct Data;
  explicit Pattern(std::shared_ptr<const Data> data) : data_(std::move(data)) {}
  const Data& data() const { return *data_; }

 private:
  Pattern changed(const std::function<void(Data&)>& change) const;

  std::shared_ptr<const Data> data_;
};

/// Any value.
Pattern any(std::string_view name = {});
/// A value whose elements are known.
Pattern constant(std::string_view name = {});
/// A numeric constant of one element that does not change the shape of what it is combined with.
Pattern number(std::string_view name);
/// The same with a given value. The tolerance is relative: models carry such constants rounded to 7 digits or fewer.
Pattern number(double wanted, double tolerance = 1e-5);
/// An operator, or one of several: "Relu|Clip".
Pattern op(std::string_view types, std::vector<Pattern> inputs);
/// The first alternative that leads to a match.
Pattern either(std::vector<Pattern> alternatives);
/// a * b * c, multiplied in any order.
Pattern product(const Pattern& a, const Pattern& b, const Pattern& c);

/// A pattern and what to do where it is found. `rewrite` returns whether it changed the graph; where it does not, it
/// says why with Rewriter::refuse().
struct Fusion {
  Pattern pattern;
  bool (*rewrite)(Rewriter& rewriter, Node& root, const Match& match);
};

/// Tries the fusions at every node, the last node first, and at each node the first fusion first.
void apply_fusions(Rewriter& rewriter, std::span<const Fusion> fusions);

}  // namespace attune::optimize
