#include "plan/program.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <unordered_map>

#include "attune/error.h"
#include "base/file_mapping.h"
#include "kernels/simd.h"
#include "ops/evaluate.h"
#include "ops/infer.h"
#include "ops/packs_constants.h"
#include "ops/reorder.h"
#include "plan/subprogram.h"

namespace attune {
namespace {

// Shape arithmetic is small; what is larger is worth planning memory for.
constexpr int64_t kMostFoldedElements = 4096;

// Bytes of a weight that a thread copies at once.
constexpr int64_t kCopiedAtOnce = int64_t{1} << 18;

/// Turns one graph into one program; used once.
class Compiler {
 public:
  Compiler(Graph graph, Parallel& parallel, const PackedStorage& storage)
      : graph_(std::move(graph)), parallel_(parallel), storage_(storage), weights_(storage, graph_.mappings) {
    program_.block = kernels::block_channels();
    program_.mappings = graph_.mappings;
  }

  Program run() {
    for (Value* input : graph_.inputs()) program_.inputs.push_back(place_of(input));
    for (const auto& node : graph_.nodes()) add_node(*node);
    for (const GraphOutput& output : graph_.outputs()) {
      program_.outputs.push_back({output.name, in_layout(place_of(output.value), Layout::kPlain)});
    }
    count_uses();
    mark_folding();
    graph_ = Graph();  // else it would keep alive the weights that packing gives back
    // Passes that folded weights read them out of the files; what is still needed is read again where it is packed.
    drop_files();
    for (Step& step : program_.steps) prepare(step);
    // Packing small weights leaves pages that it had in common with their neighbours, or that came along with them.
    drop_files();
    program_.packed_bytes += weights_.bytes();
    program_.mapped_bytes += weights_.mapped_bytes();
    return std::move(program_);
  }

 private:
  /// Gives back the pages of the models' files; those that are needed again are read again.
  void drop_files() const {
    for (const auto& mapping : program_.mappings) mapping->drop_pages(0, mapping->bytes().size());
  }

  int place_of(const Value* value) {
    const auto [entry, is_new] = places_.try_emplace(value, static_cast<int>(program_.values.size()));
    if (is_new) {
      ProgramValue added;
      added.name = value->name;
      added.kind = value->kind;
      added.type = value->type;
      added.shape = value->shape;
      added.constant = value->constant;
      added.is_constant = value->is_constant();
      program_.values.push_back(std::move(added));
    }
    return entry->second;
  }

  ProgramValue& value_at(int place) { return program_.values[static_cast<size_t>(place)]; }

  void add_node(const Node& node) {
    Step step;
    step.op = make_node_operator(node);
    infer_node(graph_, node, *step.op);
    step.name = node.name;
    step.op_type = node.op_type;
    step.domain = node.domain;
    step.def = find_op(node.domain, node.op_type, node.version);
    step.flushes_denormals = step.def != nullptr && step.def->flushes_denormals;
    add_subprograms(node, step);

    std::vector<ValueInfo> infos(node.inputs().size());
    std::vector<const ValueInfo*> known(infos.size(), nullptr);
    std::vector<Layout> current(infos.size(), Layout::kPlain);
    for (size_t i = 0; i < infos.size(); ++i) {
      const Value* input = node.inputs()[i];
      step.inputs.push_back(input == nullptr ? kNoValue : place_of(input));
      if (input == nullptr) continue;
      infos[i] = value_info(*input);
      known[i] = &infos[i];
      current[i] = value_at(step.inputs[i]).layout;
    }
    LayoutContext layouts(known, current, node.output_count(), program_.block);
    step.op->choose_layouts(layouts);
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      if (step.inputs[i] == kNoValue) continue;
      step.inputs[i] = in_layout(step.inputs[i], layouts.wanted(static_cast<int>(i)));
    }
    for (int i = 0; i < node.output_count(); ++i) {
      const Value* output = node.output(i);
      step.outputs.push_back(output == nullptr ? kNoValue : place_of(output));
      if (output != nullptr) value_at(step.outputs.back()).layout = layouts.output(i);
    }
    program_.steps.push_back(std::move(step));
  }

  void add_subprograms(const Node& node, Step& step) {
    for (const std::shared_ptr<Graph>& body : node.subgraphs()) {
      body->mappings = graph_.mappings;
      auto subprogram = std::make_shared<Subprogram>();
      subprogram->program = compile(std::move(*body), parallel_, storage_);
      program_.packed_bytes += subprogram->program.packed_bytes;
      program_.mapped_bytes += subprogram->program.mapped_bytes;
      step.subprograms.push_back(std::move(subprogram));
    }
  }

  /// The place of the same value in another layout; made at most once, a constant's right here.
  int in_layout(int place, Layout layout) {
    if (value_at(place).layout == layout) return place;
    const auto [entry, is_new] = reordered_.try_emplace({place, layout}, static_cast<int>(program_.values.size()));
    if (!is_new) return entry->second;
    const int result = entry->second;
    ProgramValue twin = value_at(place);
    const Layout from = twin.layout;
    twin.name = fmt::format("{}/{}", twin.name, layout == Layout::kBlocked ? "blocked" : "plain");
    twin.layout = layout;
    if (twin.is_constant) {
      twin.constant = reorder_constant(twin.constant.aligned(), layout);
      program_.values.push_back(std::move(twin));
      return result;
    }
    program_.values.push_back(std::move(twin));
    Step step;
    step.name = value_at(result).name;
    step.op_type = "Reorder";
    step.domain = "attune";
    step.op = make_reorder(from, layout);
    step.inputs = {place};
    step.outputs = {result};
    program_.steps.push_back(std::move(step));
    return result;
  }

  /// Constants are plain in the file; a blocked one keeps its memory in a tensor of the physical shape.
  Tensor reorder_constant(const Tensor& plain, Layout layout) {
    const auto op = make_reorder(Layout::kPlain, layout);
    Tensor result = Tensor::allocate(plain.type(), physical_shape(plain.shape(), layout, program_.block));
    const TensorView input = TensorView::of(plain);
    TensorView output{result.raw(), &plain.shape(), plain.type(), layout, static_cast<uint8_t>(program_.block)};
    run_once(*op, input, output);
    return result;
  }

  void run_once(const Operator& op, const TensorView& input, TensorView& output) {
    struct Once final : RunContext {
      using RunContext::RunContext;
      void give_output(int, Tensor) override {}
    };
    std::vector<std::byte> workspace(op.workspace_bytes({&input, 1}, {&output, 1}, parallel_.threads()));
    Once context({&input, 1}, {&output, 1}, workspace, parallel_);
    op.run(context);
  }

  void count_uses() {
    for (const Step& step : program_.steps) {
      for (const int input : step.inputs) {
        if (input != kNoValue) ++value_at(input).uses;
      }
      program_.most_inputs = std::max(program_.most_inputs, step.inputs.size());
      program_.most_outputs = std::max(program_.most_outputs, step.outputs.size());
    }
    for (const ProgramOutput& output : program_.outputs) ++value_at(output.value).uses;
    for (ProgramValue& value : program_.values) {
      if (value.uses == 0) value.constant = Tensor();
    }
  }

  /// Reads or makes a sequence or an optional.
  bool handles_containers(const Step& step) {
    const auto is_container = [&](int i) { return i != kNoValue && value_at(i).kind != ValueKind::kTensor; };
    return std::any_of(step.inputs.begin(), step.inputs.end(), is_container) ||
           std::any_of(step.outputs.begin(), step.outputs.end(), is_container);
  }

  /// What depends on input shapes alone can be computed while binding.
  void mark_folding() {
    std::vector<bool> known(program_.values.size());
    for (size_t i = 0; i < known.size(); ++i) {
      known[i] = program_.values[i].is_constant && program_.values[i].constant.elements() <= kMostFoldedElements;
    }
    for (Step& step : program_.steps) {
      if (step.def == nullptr || step.def->is_random || step.def->has_subgraphs || handles_containers(step)) continue;
      step.may_fold = step.def->reads_shapes_only || std::all_of(step.inputs.begin(), step.inputs.end(), [&](int i) {
                        return i == kNoValue || known[static_cast<size_t>(i)];
                      });
      if (!step.may_fold) continue;
      for (const int output : step.outputs) {
        if (output != kNoValue) known[static_cast<size_t>(output)] = true;
      }
    }
  }

  class Preparation final : public PrepareContext {
   public:
    Preparation(Compiler& compiler, Step& step)
        : compiler_(compiler), step_(step), inputs_(step.inputs.size()), outputs_(step.outputs.size()) {
      for (size_t i = 0; i < inputs_.size(); ++i) {
        if (step.inputs[i] != kNoValue) inputs_[i] = describe(compiler.value_at(step.inputs[i]));
      }
      for (size_t i = 0; i < outputs_.size(); ++i) {
        if (step.outputs[i] != kNoValue) outputs_[i] = describe(compiler.value_at(step.outputs[i]));
      }
      for (size_t i = 0; i < inputs_.size(); ++i) compiler_.align_for_packing(step, static_cast<int>(i), inputs_[i]);
    }

    bool has_input(int i) const override {
      return static_cast<size_t>(i) < step_.inputs.size() && step_.inputs[static_cast<size_t>(i)] != kNoValue;
    }
    const ValueInfo& input(int i) const override { return inputs_[static_cast<size_t>(i)]; }
    const ValueInfo& output(int i) const override { return outputs_[static_cast<size_t>(i)]; }
    Layout input_layout(int i) const override { return value(i).layout; }
    Layout output_layout(int i) const override {
      return compiler_.value_at(step_.outputs[static_cast<size_t>(i)]).layout;
    }
    int block() const override { return compiler_.program_.block; }
    PackedWeights pack(int i, std::string_view packing, size_t floats, FunctionRef<void(float*)> fill) override {
      const auto fill_aligned = [&](float* packed) {
        compiler_.copy_deferred();
        fill(packed);
      };
      return compiler_.weights_.find_or_pack(&value(i), value(i).constant, packing, floats, fill_aligned, parallel());
    }
    void release_input(int i) override { compiler_.released_.insert({&step_, i}); }
    Parallel& parallel() override { return compiler_.parallel_; }

   private:
    static ValueInfo describe(const ProgramValue& value) {
      ValueInfo info;
      info.type = value.type;
      info.kind = value.kind;
      info.has_shape = value.shape.has_value();
      if (value.shape) info.shape = *value.shape;
      if (value.constant) info.constant = &value.constant;
      return info;
    }
    const ProgramValue& value(int i) const { return compiler_.value_at(step_.inputs[static_cast<size_t>(i)]); }

    Compiler& compiler_;
    Step& step_;
    std::vector<ValueInfo> inputs_;
    std::vector<ValueInfo> outputs_;
  };

  /// Weights in a file rarely lie at multiples of four bytes. They are copied into one buffer that serves one node
  /// after another, because packing is the only time that they are read. Not before it is known that they are packed:
  /// else the file would be read for weights that are in a packed form already.
  void align_for_packing(const Step& step, int i, ValueInfo& info) {
    if (info.constant == nullptr || info.constant->is_aligned() || step.op->reads_unaligned(i)) return;
    const Tensor& source = *info.constant;
    if (aligned_.size() < step.inputs.size()) aligned_.resize(step.inputs.size());
    Aligned& slot = aligned_[static_cast<size_t>(i)];
    if (slot.memory.bytes() < source.bytes()) {
      slot.memory = Tensor::allocate(DataType::kUint8, Shape{static_cast<int64_t>(source.bytes())});
    }
    slot.view = Tensor::view(source.type(), source.shape(), slot.memory.raw());
    info.constant = &slot.view;
    deferred_.emplace_back(&source, slot.memory.raw());
    const auto* packs = dynamic_cast<const PacksConstants*>(step.op.get());
    if (packs == nullptr || !packs->reads_only_to_pack(i)) copy_deferred();
  }

  void copy_deferred() {
    for (const auto& [source, target] : std::exchange(deferred_, {})) {
      const auto* from = static_cast<const std::byte*>(source->raw());
      auto* to = static_cast<std::byte*>(target);
      for_ranges(parallel_, static_cast<int64_t>(source->bytes()), kCopiedAtOnce, [&](int64_t begin, int64_t end, int) {
        std::memcpy(to + begin, from + begin, static_cast<size_t>(end - begin));
      });
    }
  }

  void prepare(Step& step) {
    Preparation context(*this, step);
    try {
      step.op->prepare(context);
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("{} Status Message: {}", step.describe(), error.text()));
    }
    deferred_.clear();
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      if (step.inputs[i] != kNoValue) finish_input(step, static_cast<int>(i));
    }
  }

  /// Once the last reader of a constant is prepared: gives its memory back when all have packed it, and aligns it when
  /// one reads it while it runs.
  void finish_input(const Step& step, int i) {
    ProgramValue& value = value_at(step.inputs[static_cast<size_t>(i)]);
    if (!value.constant) return;
    Readers& readers = readers_[&value];
    ++readers.prepared;
    const bool released = released_.contains({&step, i});
    readers.keep = readers.keep || !released;
    readers.align = readers.align || (!released && !step.op->reads_unaligned(i));
    if (readers.prepared < value.uses) return;
    const std::byte* first = static_cast<const std::byte*>(value.constant.raw());
    const size_t bytes = value.constant.bytes();
    if (!readers.keep) {
      value.constant = Tensor();
    } else if (readers.align && !value.constant.is_aligned()) {
      value.constant = value.constant.copied();
    } else {
      return;
    }
    for (const auto& mapping : program_.mappings) {
      const auto whole = mapping->bytes();
      if (first >= whole.data() && first < whole.data() + whole.size()) {
        mapping->drop_pages(static_cast<size_t>(first - whole.data()), bytes);
      }
    }
  }

  struct Readers {
    int prepared = 0;
    bool keep = false;
    bool align = false;
  };
  struct Aligned {
    Tensor memory;
    Tensor view;
  };

  Graph graph_;
  Parallel& parallel_;
  const PackedStorage& storage_;
  Program program_;
  WeightStore weights_;
  std::unordered_map<const Value*, int> places_;
  std::map<std::pair<int, Layout>, int> reordered_;
  std::set<std::pair<const Step*, int>> released_;
  std::unordered_map<const ProgramValue*, Readers> readers_;
  std::vector<Aligned> aligned_;
  std::vector<std::pair<const Tensor*, void*>> deferred_;  // copies into aligned_ that are still to be made
};

}  // namespace

std::string Step::describe() const { return fmt::format("{} node. Name:'{}'", op_type, name); }

Program compile(Graph graph, Parallel& parallel, const PackedStorage& storage) {
  return Compiler(std::move(graph), parallel, storage).run();
}

}  // namespace attune
