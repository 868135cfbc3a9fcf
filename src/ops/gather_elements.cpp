// GatherElements: https://onnx.ai/onnx/operators/onnx__GatherElements.html, versions 11 and 13.
// GatherND: https://onnx.ai/onnx/operators/onnx__GatherND.html, versions 11 to 13 (batch_dims from 12).
#include <fmt/format.h>

#include <algorithm>

#include "attune/error.h"
#include "ops/axes.h"
#include "ops/index.h"
#include "ops/movement.h"
#include "ops/op_def.h"

namespace attune::ops {
namespace {

class GatherElements final : public Operator {
 public:
  explicit GatherElements(const Node& node) : axis_(node.attributes.get_int("axis", 0)) {}

  void infer(InferContext& context) const override {
    if (context.has_shape(0)) resolve_axis(axis_, context.shape(0).rank());
    if (!context.has_shape(1)) return context.set_output_type(0, context.type(0));
    if (context.has_shape(0)) check_shapes(context.shape(0), context.shape(1));
    context.set_output(0, context.type(0), context.shape(1));
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const TensorView& indices = context.input(1);
    check_shapes(x.shape(), indices.shape());
    const TensorView y = output_of_shape(context, 0, indices.shape());
    if (y.elements() == 0) return;
    const IndexedRows rows(x.shape(), indices.shape(), resolve_axis(axis_, x.rank()));
    kernels::with_element_type(element_of(x.type), [&](auto type) {
      using T = decltype(type);
      if (indices.type == DataType::kInt64) {
        gather<T>(context, rows, static_cast<const T*>(x.data), indices.as<int64_t>(), static_cast<T*>(y.data));
      } else {
        gather<T>(context, rows, static_cast<const T*>(x.data), indices.as<int32_t>(), static_cast<T*>(y.data));
      }
    });
  }

 private:
  template <class T, class Index>
  static void gather(RunContext& context, const IndexedRows& rows, const T* source, const Index* indices, T* target) {
    const int64_t length = rows.length();
    const int64_t extent = rows.extent();
    const int64_t step = rows.step();
    const int64_t stride = rows.axis_stride();
    for_ranges(context.parallel(), rows.count(), std::max<int64_t>(16384 / length, 1),
               [&](int64_t begin, int64_t end, int) {
                 for (int64_t row = begin; row < end; ++row) {
                   const T* base = source + rows.offset(row);
                   const Index* index = indices + row * length;
                   T* out = target + row * length;
                   for (int64_t i = 0; i < length; ++i) {
                     out[i] = base[i * step + resolve_index(int64_t{index[i]}, extent) * stride];
                   }
                 }
               });
  }

  void check_shapes(const Shape& data, const Shape& indices) const {
    const int axis = resolve_axis(axis_, data.rank());
    check_indexed_shapes(data, indices, axis);
  }

  int64_t axis_;
};

class GatherND final : public Operator {
 public:
  explicit GatherND(const Node& node)
      : batch_dims_(node.version >= 12 ? node.attributes.get_int("batch_dims", 0) : 0) {}

  void infer(InferContext& context) const override {
    if (!context.has_shape(0) || !context.has_shape(1) || context.shape(1).rank() == 0 ||
        !is_known(context.shape(1)[context.shape(1).rank() - 1])) {
      return context.set_output_type(0, context.type(0));
    }
    context.set_output(0, context.type(0), gathered(context.shape(0), context.shape(1)));
  }

  void run(RunContext& context) const override {
    const TensorView& x = context.input(0);
    const TensorView& indices = context.input(1);
    const Shape shape = gathered(x.shape(), indices.shape());
    const TensorView y = output_of_shape(context, 0, shape);
    const int batch_dims = static_cast<int>(batch_dims_);
    const int64_t depth = indices.dim(indices.rank() - 1);
    const int last = batch_dims + static_cast<int>(depth);
    const int64_t run = x.shape().product(last, x.rank());
    const int64_t batches = x.shape().product(0, batch_dims);
    if (y.elements() == 0) return;
    const int64_t tuples = indices.shape().product(batch_dims, indices.rank() - 1);  // in a batch
    const int64_t batch_size = x.shape().product(batch_dims, x.rank());
    const Shape strides = strides_of(x.shape());
    kernels::with_element_type(element_of(x.type), [&](auto type) {
      using T = decltype(type);
      const T* source = static_cast<const T*>(x.data);
      T* target = static_cast<T*>(y.data);
      for_ranges(context.parallel(), batches * tuples, std::max<int64_t>(16384 / (run + depth), 1),
                 [&](int64_t begin, int64_t end, int) {
                   for (int64_t tuple = begin; tuple < end; ++tuple) {
                     int64_t offset = tuple / tuples * batch_size;
                     for (int64_t k = 0; k < depth; ++k) {
                       const int axis = batch_dims + static_cast<int>(k);
                       offset += resolve_index(indices.integer(tuple * depth + k), x.dim(axis)) * strides[axis];
                     }
                     std::copy_n(source + offset, run, target + tuple * run);
                   }
                 });
    });
  }

 private:
  Shape gathered(const Shape& data, const Shape& indices) const {
    const int rank = indices.rank();
    if (rank == 0 || batch_dims_ < 0 || batch_dims_ >= rank || batch_dims_ >= data.rank()) {
      throw Error(ErrorCode::kInvalidGraph, "GatherND: 'batch_dims' does not fit the ranks of the inputs.");
    }
    const int64_t depth = indices[rank - 1];
    if (depth < 0 || depth > data.rank() - batch_dims_) {
      throw Error(ErrorCode::kInvalidGraph,
                  fmt::format("last dimension of indices must not be larger than rank of input tensor: {}", depth));
    }
    Shape shape;
    for (int axis = 0; axis < batch_dims_; ++axis) {
      shape.push_back(agree_dims(data[axis], indices[axis], "GatherND: batch dimensions must match"));
    }
    for (int axis = static_cast<int>(batch_dims_); axis + 1 < rank; ++axis) shape.push_back(indices[axis]);
    for (int axis = static_cast<int>(batch_dims_ + depth); axis < data.rank(); ++axis) shape.push_back(data[axis]);
    return shape;
  }

  int64_t batch_dims_;
};

}  // namespace

[[gnu::cold]] const OpDef& gather_elements() {
  static const OpDef def{
      .name = "GatherElements",
      .since = 11,
      .inputs = {{"data", "T"}, {"indices", "Tind"}},
      .outputs = {{"output", "T"}},
      .types = {{"T", kAnyType}, {"Tind", kIndices}},
      .make = make_operator<GatherElements>,
  };
  return def;
}

[[gnu::cold]] const OpDef& gather_nd() {
  static const OpDef def{
      .name = "GatherND",
      .since = 11,
      .inputs = {{"data", "T"}, {"indices", "tensor(int64)"}},
      .outputs = {{"output", "T"}},
      .types = {{"T", kAnyType}, {"tensor(int64)", {DataType::kInt64}}},
      .make = make_operator<GatherND>,
  };
  return def;
}

}  // namespace attune::ops
