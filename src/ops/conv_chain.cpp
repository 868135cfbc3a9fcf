#include "ops/conv_chain.h"

#include <algorithm>
#include <array>

#include "kernels/simd.h"
#include "ops/batch.h"
#include "ops/conv_layer.h"
#include "ops/image_view.h"
#include "ops/row_stripe.h"
#include "ops/workspace.h"

namespace attune {
namespace {

using kernels::ConstImage;
using kernels::Image;
using kernels::RowRange;
using ops::ConvLayer;
using ops::ImageSize;
using ops::IsConvLayer;
using ops::RowStripe;
using ops::WorkspaceCursor;

/// What a core keeps in its second-level cache of the images between layers: half of the 512 KiB that are common.
constexpr int64_t kStripeBytes = 256 << 10;
/// Images of which a thread's share is smaller stay in the cache by themselves: each layer runs whole, which shares the
/// work out more evenly.
constexpr int64_t kLeastBytes = 256 << 10;
/// The most work done twice, because neighbouring parts of an image both need the rows between them.
constexpr double kMostExtra = 0.05;
/// Parts for each thread where they cost nothing, so that one that is late does not hold up all.
constexpr int64_t kPartsPerThread = 4;

template <class T>
using PerLayer = std::array<T, kMostChainLayers>;

class ConvChain final : public Operator {
 public:
  explicit ConvChain(std::vector<std::unique_ptr<Operator>> layers)
      : layers_(std::move(layers)), count_(static_cast<int>(layers_.size())) {
    for (int k = 0; k < count_; ++k) as_layers_[at(k)] = dynamic_cast<const IsConvLayer*>(layers_[at(k)].get());
  }

  void infer(InferContext& context) const override {
    PerLayer<ValueInfo> given;
    const auto input = [&](int i) { return context.has_input(i) ? context.inputs()[static_cast<size_t>(i)] : nullptr; };
    for (int k = 0; k < count_; ++k) {
      const int weights = chain_weights(k, count_);
      const std::array<const ValueInfo*, 4> inputs{k == 0 ? input(0) : &given[at(k - 1)], input(weights),
                                                   input(weights + 1),
                                                   k + 1 == count_ ? input(kChainResidual) : nullptr};
      InferContext layer(inputs, {&given[at(k)], 1}, context.symbols());
      layers_[at(k)]->infer(layer);
    }
    const ValueInfo& result = given[at(count_ - 1)];
    if (!result.has_shape) return context.set_output_type(0, result.type);
    context.set_output(0, result.type, result.shape);
  }

  size_t workspace_bytes(std::span<const TensorView> inputs, std::span<const TensorView> outputs,
                         int threads) const override {
    if (outputs[0].elements() == 0) return 0;
    const Shapes shapes = shapes_for(inputs[0]);
    size_t most = 0;
    // A run with fewer threads may cut otherwise.
    for (int used = 1; used <= threads; ++used) {
      WorkspaceCursor cursor;
      take_workspace(cursor, shapes, choose_cut(shapes, used), used);
      most = std::max(most, cursor.bytes());
    }
    return most;
  }

  uint64_t batch_inputs(std::span<const TensorView> inputs, std::span<const TensorView> outputs) const override {
    return ops::batch_among(1U | 1U << kChainResidual, inputs, outputs);
  }

  void run(RunContext& context) const override {
    const TensorView& y = context.output(0);
    if (y.elements() == 0) return;
    const Shapes shapes = shapes_for(context.input(0));
    const Cut cut = choose_cut(shapes, context.parallel().threads());
    WorkspaceCursor cursor(context.workspace());
    const Workspace workspace = take_workspace(cursor, shapes, cut, context.parallel().threads());
    PerLayer<kernels::ConvEpilogue> epilogues;
    for (int k = 0; k < count_; ++k) {
      const int bias = chain_weights(k, count_) + 1;
      epilogues[at(k)].activation = shapes[at(k)].activation;
      if (context.has_input(bias)) epilogues[at(k)].bias = context.input(bias).as<float>();
    }
    if (context.has_input(kChainResidual)) {
      epilogues[at(count_ - 1)].residual = kernels::as_const(ops::image_of(context.input(kChainResidual)));
    }

    ConstImage in = kernels::as_const(ops::image_of(context.input(0)));
    for (int k = 0; k < cut.first; ++k) {
      const kernels::ConvShape& shape = shapes[at(k)].shape;
      const bool is_last = k + 1 == count_;
      const Image out = is_last ? ops::image_of(y)
                                : kernels::blocked_image(workspace.whole[at(k)], shape.out_channels, shape.out_h(),
                                                         shape.out_w(), kernels::block_channels());
      kernels::run_conv(shape, shapes[at(k)].kernel, shapes[at(k)].packed, in, out, epilogues[at(k)],
                        {0, shape.out_h()}, nullptr, context.parallel());
      in = kernels::as_const(out);
    }
    if (cut.first == count_) return;
    const Image out = ops::image_of(y);
    const int64_t height = shapes[at(count_ - 1)].shape.out_h();
    context.parallel().for_each(shapes[0].shape.batch * cut.parts, [&](int64_t index, int thread) {
      const int64_t part = index % cut.parts;
      const RowRange rows{height * part / cut.parts, height * (part + 1) / cut.parts};
      float* memory = workspace.stripes + thread * workspace.thread_floats;
      run_part(shapes, cut, in, out, epilogues, index / cut.parts, rows, memory);
    });
  }

  double flops(std::span<const TensorView> inputs, std::span<const TensorView>) const override {
    double sum = 0;
    const Shapes shapes = shapes_for(inputs[0]);
    for (int k = 0; k < count_; ++k) sum += ops::layer_flops(shapes[at(k)].shape);
    return sum;
  }

 private:
  using Shapes = PerLayer<ConvLayer>;

  /// How a run goes through the layers.
  struct Cut {
    int first = 0;      ///< Layers before it run whole, one after another; the others in stripes.
    int64_t parts = 1;  ///< Of an image: what a thread goes through in stripes.
    int64_t rows = 0;   ///< Of the last layer in a stripe.
  };

  struct Workspace {
    PerLayer<float*> whole{};  ///< Images between layers that run whole.
    float* stripes = nullptr;
    int64_t thread_floats = 0;
  };

  static size_t at(int layer) { return static_cast<size_t>(layer); }

  Shapes shapes_for(const TensorView& x) const {
    Shapes shapes;
    ImageSize size = ops::image_size(x.shape());
    for (int k = 0; k < count_; ++k) {
      shapes[at(k)] = as_layers_[at(k)]->layer_for(size);
      const kernels::ConvShape& shape = shapes[at(k)].shape;
      size = {size.batch, shape.out_channels, shape.out_h(), shape.out_w()};
    }
    return shapes;
  }

  /// The rows of a layer's input that `rows` neighbouring rows of its output read; 0 rows: those that two neighbours
  /// have in common.
  static int64_t rows_read(const kernels::ConvShape& shape, int64_t rows) {
    return std::max<int64_t>(0, (rows - 1) * shape.stride_h + (shape.kernel_h - 1) * shape.dilation_h + 1);
  }

  /// The rows of each layer's output in a stripe of `rows` rows of the last one.
  PerLayer<int64_t> stripe_rows(const Shapes& shapes, int first, int64_t rows) const {
    PerLayer<int64_t> result{};
    result[at(count_ - 1)] = rows;
    for (int k = count_ - 1; k > first; --k) {
      rows = std::min(rows_read(shapes[at(k)].shape, rows), shapes[at(k - 1)].shape.out_h());
      result[at(k - 1)] = rows;
    }
    return result;
  }

  /// As many layers in stripes as pay. Where the images between are small, none.
  Cut choose_cut(const Shapes& shapes, int threads) const {
    const kernels::ConvShape& last = shapes[at(count_ - 1)].shape;
    for (int first = 0; first + 1 < count_; ++first) {
      int64_t image_floats = 0;
      int64_t row_floats_per_row = 0;
      for (int k = first; k + 1 < count_; ++k) {
        const int64_t floats = ops::output_row_floats(shapes[at(k)].shape) * shapes[at(k)].shape.out_h();
        image_floats += floats;
        row_floats_per_row += floats / last.out_h();
      }
      const auto bytes = static_cast<int64_t>(sizeof(float)) * image_floats;
      if (bytes * last.batch / threads < kLeastBytes) break;
      Cut cut{first, choose_parts(shapes, first, threads), 0};
      if (cut.parts == 0) continue;
      const int64_t part_rows = (last.out_h() + cut.parts - 1) / cut.parts;
      const int64_t row_bytes = static_cast<int64_t>(sizeof(float)) * std::max<int64_t>(row_floats_per_row, 1);
      const int64_t most = std::max<int64_t>(1, kStripeBytes / row_bytes);
      const int64_t stripes = (part_rows + most - 1) / most;
      cut.rows = (part_rows + stripes - 1) / stripes;
      return cut;
    }
    return {count_, 1, 0};
  }

  /// The parts of an image, such that threads have about the same work; 0 where that would be too much work twice.
  int64_t choose_parts(const Shapes& shapes, int first, int threads) const {
    const kernels::ConvShape& last = shapes[at(count_ - 1)].shape;
    double twice = 0;  // for each pair of neighbouring parts
    double all = 0;
    int64_t rows = 0;
    for (int k = count_ - 1; k >= first; --k) {
      const kernels::ConvShape& shape = shapes[at(k)].shape;
      twice += ops::row_products(shape) * static_cast<double>(rows);
      all += ops::row_products(shape) * static_cast<double>(shape.out_h());
      rows = k > first ? rows_read(shape, rows) : 0;
    }
    if (threads == 1) return 1;
    if (twice == 0) return std::min(last.out_h(), (kPartsPerThread * threads + last.batch - 1) / last.batch);
    int64_t parts = 1;
    while (last.batch * parts % threads != 0 && last.batch * parts < kPartsPerThread * threads) ++parts;
    const int64_t largest = (last.out_h() + parts - 1) / parts * parts;
    const double extra = twice * static_cast<double>(parts - 1) / all +
                         static_cast<double>(largest - last.out_h()) / static_cast<double>(last.out_h());
    return extra <= kMostExtra ? parts : 0;
  }

  Workspace take_workspace(WorkspaceCursor& cursor, const Shapes& shapes, const Cut& cut, int threads) const {
    Workspace workspace;
    for (int k = 0; k < cut.first && k + 1 < count_; ++k) {
      const kernels::ConvShape& shape = shapes[at(k)].shape;
      workspace.whole[at(k)] = cursor.take(shape.batch * shape.out_h() * ops::output_row_floats(shape));
    }
    if (cut.first == count_) return workspace;
    const PerLayer<int64_t> rows = stripe_rows(shapes, cut.first, cut.rows);
    for (int k = cut.first; k + 1 < count_; ++k) {
      workspace.thread_floats += padded(rows[at(k)] * ops::output_row_floats(shapes[at(k)].shape));
    }
    workspace.stripes = cursor.take(workspace.thread_floats * threads);
    return workspace;
  }

  /// Threads' stripes do not share cache lines, nor the pairs of them that are fetched together.
  static int64_t padded(int64_t floats) { return (floats + 31) / 32 * 32; }

  /// Rows `rows` of image `image` of the last layer.
  void run_part(const Shapes& shapes, const Cut& cut, const ConstImage& in, const Image& out,
                const PerLayer<kernels::ConvEpilogue>& epilogues, int64_t image, RowRange rows, float* memory) const {
    const int last = count_ - 1;
    const PerLayer<int64_t> capacity = stripe_rows(shapes, cut.first, cut.rows);
    PerLayer<RowStripe> stripes;
    for (int k = cut.first; k < last; ++k) {
      const kernels::ConvShape& shape = shapes[at(k)].shape;
      const int64_t blocks = kernels::count_blocks(shape.out_channels, kernels::block_channels());
      stripes[at(k)] = RowStripe(memory, 1, blocks, capacity[at(k)], ops::output_row_floats(shape) / blocks);
      memory += padded(capacity[at(k)] * ops::output_row_floats(shape));
    }
    kernels::ConvEpilogue end = epilogues[at(last)];
    if (end.residual.data != nullptr) end.residual.data += image * end.residual.image_stride;
    const ConstImage own_in{in.data + image * in.image_stride, in.image_stride, in.channel_stride, in.row_stride};
    const Image own_out{out.data + image * out.image_stride, out.image_stride, out.channel_stride, out.row_stride};
    SerialParallel serial;
    const auto compute = [&](int k, const ConstImage& from, const Image& to, const kernels::ConvEpilogue& epilogue,
                             RowRange wanted) {
      kernels::ConvShape shape = shapes[at(k)].shape;
      shape.batch = 1;
      kernels::run_conv(shape, shapes[at(k)].kernel, shapes[at(k)].packed, from, to, epilogue, wanted, nullptr, serial);
    };
    for (int64_t y = rows.begin; y < rows.end; y += cut.rows) {
      PerLayer<RowRange> wanted{};
      wanted[at(last)] = {y, std::min(y + cut.rows, rows.end)};
      for (int k = last; k > cut.first; --k) {
        wanted[at(k - 1)] = kernels::conv_input_rows(shapes[at(k)].shape, shapes[at(k)].kernel, wanted[at(k)]);
      }
      ConstImage from = own_in;
      for (int k = cut.first; k < last; ++k) {
        RowStripe& stripe = stripes[at(k)];
        const RowRange fresh = stripe.move_to(wanted[at(k)]);
        compute(k, from, stripe.image(), epilogues[at(k)], fresh);
        from = kernels::as_const(stripe.image());
      }
      compute(last, from, own_out, end, wanted[at(last)]);
    }
  }

  std::vector<std::unique_ptr<Operator>> layers_;
  PerLayer<const IsConvLayer*> as_layers_{};
  int count_;
};

}  // namespace

std::unique_ptr<Operator> make_conv_chain(std::vector<std::unique_ptr<Operator>> layers) {
  return std::make_unique<ConvChain>(std::move(layers));
}

}  // namespace attune
