#include "ops/conv_pool.h"

#include <algorithm>
#include <numeric>

#include "kernels/simd.h"
#include "ops/batch.h"
#include "ops/conv_layer.h"
#include "ops/row_stripe.h"
#include "ops/workspace.h"

namespace attune {
namespace {

using kernels::ConstImage;
using kernels::Image;
using kernels::RowRange;
using ops::ConvLayer;
using ops::ImageSize;
using ops::PoolLayer;
using ops::RowStripe;
using ops::WorkspaceCursor;

constexpr int kBias = 2;
constexpr int kResidual = 3;
/// A band of the image between: enough work for many threads, and for Winograd to transform its weights for.
constexpr int64_t kBandBytes = int64_t{4} << 20;
/// Winograd's tiles end at multiples of this many rows, times the dilation.
constexpr int64_t kTileRows = 12;

class ConvPool final : public Operator {
 public:
  ConvPool(std::unique_ptr<Operator> conv, std::unique_ptr<Operator> pool)
      : conv_(std::move(conv)),
        pool_(std::move(pool)),
        conv_layer_(dynamic_cast<const ops::IsConvLayer*>(conv_.get())),
        pool_layer_(dynamic_cast<const ops::IsPoolLayer*>(pool_.get())) {}

  void infer(InferContext& context) const override {
    ValueInfo between;
    InferContext conv(context.inputs(), {&between, 1}, context.symbols());
    conv_->infer(conv);
    ValueInfo result;
    const ValueInfo* const input = &between;
    InferContext pool({&input, 1}, {&result, 1}, context.symbols());
    pool_->infer(pool);
    if (!result.has_shape) return context.set_output_type(0, result.type);
    context.set_output(0, result.type, result.shape);
  }

  size_t workspace_bytes(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                         int threads) const override {
    if (outputs[0].elements() == 0) return 0;
    const Plan plan = make_plan(inputs[0]);
    WorkspaceCursor cursor;
    take_workspace(cursor, plan, threads);
    return cursor.bytes();
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return ops::batch_among(1U | 1U << kResidual, inputs, outputs);
  }

  void run(RunContext& context) const override {
    const TensorView& y = context.output(0);
    if (y.elements() == 0) return;
    const Plan plan = make_plan(context.input(0));
    WorkspaceCursor cursor(context.workspace());
    const Workspace workspace = take_workspace(cursor, plan, context.parallel().threads());
    kernels::ConvEpilogue epilogue;
    epilogue.activation = plan.conv.activation;
    if (context.has_input(kBias)) epilogue.bias = context.input(kBias).as<float>();
    if (context.has_input(kResidual)) epilogue.residual = kernels::as_const(ops::image_of(context.input(kResidual)));
    ConstImage in = kernels::as_const(ops::image_of(context.input(0)));
    Image out = ops::image_of(y);
    for (int64_t first = 0; first < plan.conv.shape.batch; first += plan.images) {
      run_images(plan, std::min(plan.images, plan.conv.shape.batch - first), in, out, epilogue, workspace,
                 context.parallel());
      in.data += plan.images * in.image_stride;
      out.data += plan.images * out.image_stride;
      if (epilogue.residual.data != nullptr) epilogue.residual.data += plan.images * epilogue.residual.image_stride;
    }
  }

  double flops(std::span<const TensorView> inputs, std::span<const TensorView>) const override {
    const Plan plan = make_plan(inputs[0]);
    const kernels::PoolShape& pool = plan.pool.shape;
    const auto pooled = static_cast<double>(pool.batch * pool.channels * pool.out_h * pool.out_w);
    return ops::layer_flops(plan.conv.shape) + pooled * static_cast<double>(pool.kernel_h * pool.kernel_w);
  }

 private:
  struct Plan {
    ConvLayer conv;
    PoolLayer pool;
    int64_t images = 1;         ///< At once.
    int64_t rows = 1;           ///< Of the pooling's output, in a band.
    int64_t capacity = 1;       ///< Rows of the image between that a band has at the most.
    int64_t row_floats = 1;     ///< Of the image between.
    int64_t stripe_floats = 1;  ///< Of all images at once.
  };

  struct Workspace {
    float* stripe = nullptr;
    float* kernel = nullptr;
  };

  Plan make_plan(const TensorView& x) const {
    Plan plan;
    plan.conv = conv_layer_->layer_for(ops::image_size(x.shape()));
    const kernels::ConvShape& conv = plan.conv.shape;
    plan.pool = pool_layer_->layer_for({conv.batch, conv.out_channels, conv.out_h(), conv.out_w()});
    const kernels::PoolShape& pool = plan.pool.shape;
    plan.row_floats = ops::output_row_floats(conv);
    const int64_t row_bytes = plan.row_floats * static_cast<int64_t>(sizeof(float));
    // Bands end where Winograd's tiles do.
    const int64_t tile_rows = kTileRows * conv.dilation_h;
    const int64_t step = tile_rows / std::gcd(tile_rows, pool.stride_h);
    const int64_t fitting = std::max<int64_t>(kBandBytes / (row_bytes * pool.stride_h), 1);
    const int64_t bands = (pool.out_h + fitting - 1) / fitting;
    plan.rows = std::min(((pool.out_h + bands - 1) / bands + step - 1) / step * step, pool.out_h);
    plan.capacity = std::min(pool.in_h, (plan.rows - 1) * pool.stride_h + (pool.kernel_h - 1) * pool.dilation_h + 1);
    plan.images =
        plan.rows < pool.out_h ? 1 : std::clamp<int64_t>(kBandBytes / (plan.capacity * row_bytes), 1, conv.batch);
    plan.stripe_floats = plan.images * plan.capacity * plan.row_floats;
    return plan;
  }

  static Workspace take_workspace(WorkspaceCursor& cursor, const Plan& plan, int threads) {
    kernels::ConvShape shape = plan.conv.shape;
    shape.batch = plan.images;
    Workspace workspace;
    workspace.stripe = cursor.take(plan.stripe_floats);
    workspace.kernel = cursor.take(kernels::conv_workspace_size(shape, plan.conv.kernel, threads));
    return workspace;
  }

  static void run_images(const Plan& plan, int64_t images, const ConstImage& in, const Image& out,
                         const kernels::ConvEpilogue& epilogue, const Workspace& workspace, Parallel& parallel) {
    kernels::ConvShape conv = plan.conv.shape;
    kernels::PoolShape pool = plan.pool.shape;
    conv.batch = pool.batch = images;
    const int64_t blocks = kernels::count_blocks(conv.out_channels, kernels::block_channels());
    RowStripe stripe(workspace.stripe, images, blocks, plan.capacity, plan.row_floats / blocks);
    for (int64_t row = 0; row < pool.out_h; row += plan.rows) {
      const RowRange rows{row, std::min(row + plan.rows, pool.out_h)};
      const RowRange wanted = kernels::pool_input_rows(pool, rows);
      const RowRange fresh = stripe.move_to(wanted);
      kernels::run_conv(conv, plan.conv.kernel, plan.conv.packed, in, stripe.image(), epilogue, fresh, workspace.kernel,
                        parallel);
      kernels::run_pool(pool, plan.pool.kind, kernels::ImageLayout::kBlocked, kernels::as_const(stripe.image()), out,
                        rows, parallel);
    }
  }

  std::unique_ptr<Operator> conv_;
  std::unique_ptr<Operator> pool_;
  const ops::IsConvLayer* conv_layer_;
  const ops::IsPoolLayer* pool_layer_;
};

}  // namespace

std::unique_ptr<Operator> make_conv_pool(std::unique_ptr<Operator> conv, std::unique_ptr<Operator> pool) {
  return std::make_unique<ConvPool>(std::move(conv), std::move(pool));
}

}  // namespace attune
