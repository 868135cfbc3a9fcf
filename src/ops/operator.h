// What an operator is to the rest of the engine. docs/add_op.md walks through writing one.
//
// An Operator is a node's parsed attributes plus what prepare() made of its constant inputs. It is made once a session
// (or once for a constant that is folded), infer() and run() are const and may be called by many threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attune/tensor.h"
#include "base/function_ref.h"
#include "base/parallel.h"
#include "graph/graph.h"
#include "graph/symbols.h"
#include "tensor/layout.h"
#include "tensor/tensor_view.h"

namespace attune {

/// What is known of a value before, or without, running the node that gives it.
struct ValueInfo {
  DataType type = DataType::kUndefined;  ///< Of elements; in a container those of its tensors.
  ValueKind kind = ValueKind::kTensor;
  bool has_shape = false;
  bool has_elements = false;
  Shape shape;     ///< Valid when has_shape. Dimensions may be symbols.
  Shape elements;  ///< Valid when has_elements: a small integer tensor's elements, each known, a symbol or unknown.
  const Tensor* constant = nullptr;  ///< The value itself when it is known; kept alive by whoever owns the info.
};

/// Infers types and shapes of one node. The same code serves twice: when a model is loaded, where dimensions may be
/// symbols, and when shapes are bound before a run, where all are known except those that depend on data.
class InferContext {
 public:
  /// Null entries of `inputs` are absent optional inputs. `symbols` makes fresh dimensions; null while binding, where
  /// an unknown dimension means "known only after the run".
  InferContext(std::span<const ValueInfo* const> inputs, std::span<ValueInfo> outputs, Symbols* symbols)
      : inputs_(inputs), outputs_(outputs), symbols_(symbols) {}

  int input_count() const { return static_cast<int>(inputs_.size()); }
  bool has_input(int i) const { return i < input_count() && inputs_[static_cast<size_t>(i)] != nullptr; }
  DataType type(int i) const { return input(i).type; }
  ValueKind kind(int i) const { return input(i).kind; }
  bool has_shape(int i) const { return has_input(i) && input(i).has_shape; }
  /// Requires has_shape(i).
  const Shape& shape(int i) const { return input(i).shape; }
  /// The whole value of input i when it is known now, else null.
  const Tensor* constant(int i) const { return has_input(i) ? input(i).constant : nullptr; }
  /// The elements of a small integer input (rank 0 or 1) as dimensions, each known, a symbol or kUnknownDim; nullopt
  /// when nothing is known of them.
  std::optional<Shape> elements(int i) const;

  int output_count() const { return static_cast<int>(outputs_.size()); }
  void set_output(int i, DataType type, const Shape& shape);
  /// The element type is known, the rank is not; or it is a container, which has none.
  void set_output_type(int i, DataType type, ValueKind kind = ValueKind::kTensor);
  /// What is known of the elements of integer output i; ignored when there are more than Shape::kMaxRank.
  void set_elements(int i, const Shape& elements);
  const ValueInfo& output(int i) const { return outputs_[static_cast<size_t>(i)]; }

  /// For an operator that asks another one: see the constructor.
  std::span<const ValueInfo* const> inputs() const { return inputs_; }
  Symbols* symbols() const { return symbols_; }

  /// A dimension that depends on data.
  int64_t fresh_dim() { return symbols_ != nullptr ? symbols_->fresh() : kUnknownDim; }
  /// floor((dim + add) / divide) of a dimension that is not known, where equal arguments give equal dimensions.
  int64_t derived_dim(int64_t dim, int64_t add, int64_t divide) {
    return symbols_ != nullptr && is_symbol(dim) ? symbols_->derived(dim, add, divide) : fresh_dim();
  }

 private:
  const ValueInfo& input(int i) const { return *inputs_[static_cast<size_t>(i)]; }

  std::span<const ValueInfo* const> inputs_;
  std::span<ValueInfo> outputs_;
  Symbols* symbols_;
};

/// Lets an operator say which layouts it reads and writes. All are plain unless it says otherwise; the planner puts a
/// reorder where what it reads is not what was written.
class LayoutContext {
 public:
  LayoutContext(std::span<const ValueInfo* const> inputs, std::span<const Layout> current, int outputs, int block)
      : inputs_(inputs),
        current_(current),
        wanted_(inputs.size(), Layout::kPlain),
        outputs_(static_cast<size_t>(outputs), Layout::kPlain),
        block_(block) {}

  int input_count() const { return static_cast<int>(inputs_.size()); }
  bool has_input(int i) const { return i < input_count() && inputs_[static_cast<size_t>(i)] != nullptr; }
  /// Shapes may be symbolic; check has_shape.
  const ValueInfo& input(int i) const { return *inputs_[static_cast<size_t>(i)]; }
  int output_count() const { return static_cast<int>(outputs_.size()); }
  /// How the value lies in memory where it is made.
  Layout current(int i) const { return current_[static_cast<size_t>(i)]; }
  /// The channel block b of Layout::kBlocked.
  int block() const { return block_; }

  void want_input(int i, Layout layout) { wanted_[static_cast<size_t>(i)] = layout; }
  void set_output(int i, Layout layout) { outputs_[static_cast<size_t>(i)] = layout; }
  Layout wanted(int i) const { return wanted_[static_cast<size_t>(i)]; }
  Layout output(int i) const { return outputs_[static_cast<size_t>(i)]; }

 private:
  std::span<const ValueInfo* const> inputs_;
  std::span<const Layout> current_;
  std::vector<Layout> wanted_;
  std::vector<Layout> outputs_;
  int block_;
};

/// Weights in the form a kernel reads them; shared by the nodes that pack the same initializer the same way.
using PackedWeights = std::shared_ptr<const float>;

/// What prepare() may look at and do.
class PrepareContext {
 public:
  virtual ~PrepareContext() = default;

  virtual bool has_input(int i) const = 0;
  /// Type and (possibly symbolic) shape; also of inputs that are not constant.
  virtual const ValueInfo& input(int i) const = 0;
  virtual const ValueInfo& output(int i) const = 0;
  /// The layouts that choose_layouts() settled on.
  virtual Layout input_layout(int i) const = 0;
  virtual Layout output_layout(int i) const = 0;
  virtual int block() const = 0;

  /// Packs constant input i: `fill` writes `floats` floats (64-byte aligned). Returns the present packing when a node
  /// has already packed this initializer under the same `packing` (a name that says everything the form depends on).
  virtual PackedWeights pack(int i, std::string_view packing, size_t floats, FunctionRef<void(float*)> fill) = 0;
  /// The operator reads only what it packed: run() will not look at input i, whose memory may be given back.
  virtual void release_input(int i) = 0;

  virtual Parallel& parallel() = 0;
};

/// What run() reads and writes. Views are valid during the call.
class RunContext {
 public:
  virtual ~RunContext() = default;

  RunContext(std::span<const TensorView> inputs, std::span<TensorView> outputs, std::span<std::byte> workspace,
             Parallel& parallel)
      : inputs_(inputs), outputs_(outputs), workspace_(workspace), parallel_(parallel) {}

  int input_count() const { return static_cast<int>(inputs_.size()); }
  bool has_input(int i) const { return i < input_count() && inputs_[static_cast<size_t>(i)]; }
  const TensorView& input(int i) const { return inputs_[static_cast<size_t>(i)]; }
  int output_count() const { return static_cast<int>(outputs_.size()); }
  /// False when the node leaves the optional output out.
  bool has_output(int i) const { return i < output_count() && outputs_[static_cast<size_t>(i)].dims != nullptr; }
  /// Memory for the shape that infer() gave, or null data when infer() left a dimension unknown: see give_output.
  const TensorView& output(int i) const { return outputs_[static_cast<size_t>(i)]; }
  /// For shapes that depend on data, and for sequences and optionals: hands over a tensor that the operator allocated,
  /// or no tensor for an optional without a value. The elements of a sequence own their memory.
  virtual void give_output(int i, Tensor tensor) = 0;
  /// Runs the node's subgraph number `index` (Node::subgraphs) on its inputs, the captured ones included. Each result
  /// has memory of its own or, where it is one of `inputs` unchanged, shares that one's owner.
  virtual std::vector<Tensor> run_subgraph(int index, std::span<const Tensor> inputs);
  /// At least workspace_bytes(), aligned to 64 bytes, contents unspecified.
  std::span<std::byte> workspace() const { return workspace_; }
  Parallel& parallel() const { return parallel_; }

 protected:
  std::span<const TensorView> inputs_;
  std::span<TensorView> outputs_;
  std::span<std::byte> workspace_;
  Parallel& parallel_;
};

/// One node's computation.
class Operator {
 public:
  Operator() = default;
  Operator(const Operator&) = delete;
  Operator& operator=(const Operator&) = delete;
  virtual ~Operator() = default;

  /// Sets every present output's type and, where it can, its shape. Throws Error(kInvalidGraph) when the inputs'
  /// shapes contradict each other, wherever both are known.
  virtual void infer(InferContext& context) const = 0;

  /// Says which layouts the operator reads and writes. Called once, before prepare().
  virtual void choose_layouts(LayoutContext&) const {}

  /// Packs constant inputs and chooses kernels. Called once, before any run().
  virtual void prepare(PrepareContext&) {}

  /// Whether constant input i may lie at any address, as initializers in a file do, when prepare() and run() read it.
  virtual bool reads_unaligned(int i) const {
    (void)i;
    return false;
  }

  /// Scratch memory that run() needs for these concrete shapes, in bytes. `inputs` and `outputs` carry shapes, types
  /// and layouts; their data is null. `threads` is the most threads the run may use.
  virtual size_t workspace_bytes(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                                 int threads) const {
    (void)inputs, (void)outputs, (void)threads;
    return 0;
  }

  /// Which inputs hold the batch, one bit an input from the lowest on: dimension 0 of each of them and of every output
  /// is the same number of samples, and run() with samples [a, b) of those inputs and all of the others gives samples
  /// [a, b) of the outputs, the same bits. 0 where samples depend on one another, or nothing is known of them. The
  /// planner may then run the operator on a piece of the batch after another. Arguments as for workspace_bytes(); the
  /// helpers are in ops/batch.h.
  virtual uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const {
    (void)inputs, (void)outputs;
    return 0;
  }

  /// Computes the outputs. Shapes and types have been checked by infer() and by the type constraints.
  virtual void run(RunContext& context) const = 0;

  /// Floating-point operations for these concrete shapes, a multiply-add counting two; one an output element where an
  /// operator does not say.
  virtual double flops(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const;
};

}  // namespace attune
