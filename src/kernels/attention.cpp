#include "kernels/attention.h"

#include <algorithm>
#include <limits>

#include "kernels/gemm_pack.h"
#include "kernels/gemm_tile.h"
#include "kernels/simd.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
#include "kernels/simd_math-inl.h"

// How it goes. A task is a block of queries of one head, as many as a panel of the matrix product has columns (32 with
// AVX-512). The scores are computed transposed, S^T = K Q^T, so that a query is a lane: K and V are read where they
// are, only the queries are rearranged, maxima and sums over keys need no horizontal step, and P^T V takes its left
// side with swapped strides. Keys come in blocks of kKeyBlock; between blocks the running maximum, sum and output are
// rescaled.

#ifndef ATTUNE_KERNELS_ATTENTION_SCORE_BLOCK  // once, not for each target
#define ATTUNE_KERNELS_ATTENTION_SCORE_BLOCK
namespace attune::kernels {
namespace {

// The state of a block's queries, and the scores of one block of keys: a row for each key, `stride` floats apart.
struct ScoreBlock {
  float* scores;
  int64_t stride;
  int64_t keys;
  int64_t queries;        // rounded up to half a panel
  const float* key_mask;  // one value for each key, `key_mask_stride` apart, or null
  ptrdiff_t key_mask_stride;
  const float* full_mask;  // laid out as the scores, or null
  float visible;           // the number of this block's keys that the first query sees; one more for each next query
  float* maximum;
  float* sum;
  float* correction;  // what the output so far must be multiplied by
  bool first;
};

}  // namespace
}  // namespace attune::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {

constexpr int64_t kLanes = HWY_MAX_BYTES / sizeof(float);
constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// Adds the mask, then turns scores into exp(score - maximum so far).
void run_softmax_block(const ScoreBlock& b) {
  const FloatTag d;
  const auto minus_infinity = hn::Set(d, kMinusInfinity);
  const int64_t always_visible = static_cast<int64_t>(std::clamp(b.visible, 0.0F, static_cast<float>(b.keys)));
  for (int64_t q = 0; q < b.queries; q += kLanes) {
    float* scores = b.scores + q;
    const auto old_maximum = b.first ? minus_infinity : hn::LoadU(d, b.maximum + q);
    auto maximum = old_maximum;
    // Scores pass over NaN here; exp finds it again.
    if (b.key_mask != nullptr || b.full_mask != nullptr) {
      for (int64_t j = 0; j < b.keys; ++j) {
        auto s = hn::LoadU(d, scores + j * b.stride);
        s = hn::Add(s, b.full_mask != nullptr ? hn::LoadU(d, b.full_mask + j * b.stride + q)
                                              : hn::Set(d, b.key_mask[j * b.key_mask_stride]));
        hn::StoreU(s, d, scores + j * b.stride);
        if (j < always_visible) maximum = hn::Max(s, maximum);
      }
    } else {
      for (int64_t j = 0; j < always_visible; ++j) maximum = hn::Max(hn::LoadU(d, scores + j * b.stride), maximum);
    }
    // Query q sees key j if j < visible + q.
    const auto limit = hn::Add(hn::Iota(d, static_cast<float>(q)), hn::Set(d, b.visible));
    for (int64_t j = always_visible; j < b.keys; ++j) {
      const auto seen = hn::Lt(hn::Set(d, static_cast<float>(j)), limit);
      const auto s = hn::IfThenElse(seen, hn::LoadU(d, scores + j * b.stride), minus_infinity);
      hn::StoreU(s, d, scores + j * b.stride);
      maximum = hn::Max(s, maximum);
    }
    // Nothing but -infinity yet: 0 keeps -infinity minus the maximum from being NaN, as later blocks may have more. If
    // none has, the sum stays 0 and the row becomes 0 / 0.
    const auto shift = hn::IfThenZeroElse(hn::Eq(maximum, minus_infinity), maximum);
    const auto correction = vector_exp_nonpositive(d, hn::Sub(old_maximum, shift));
    // Two chains, so that the latency of an addition does not set the pace.
    auto sum0 = b.first ? hn::Zero(d) : hn::Mul(hn::LoadU(d, b.sum + q), correction);
    auto sum1 = hn::Zero(d);
    int64_t j = 0;
    for (; j + 2 <= b.keys; j += 2) {
      float* row = scores + j * b.stride;
      const auto e0 = vector_exp_nonpositive(d, hn::Sub(hn::LoadU(d, row), shift));
      const auto e1 = vector_exp_nonpositive(d, hn::Sub(hn::LoadU(d, row + b.stride), shift));
      hn::StoreU(e0, d, row);
      hn::StoreU(e1, d, row + b.stride);
      sum0 = hn::Add(sum0, e0);
      sum1 = hn::Add(sum1, e1);
    }
    if (j < b.keys) {
      const auto e = vector_exp_nonpositive(d, hn::Sub(hn::LoadU(d, scores + j * b.stride), shift));
      hn::StoreU(e, d, scores + j * b.stride);
      sum0 = hn::Add(sum0, e);
    }
    hn::StoreU(maximum, d, b.maximum + q);
    hn::StoreU(hn::Add(sum0, sum1), d, b.sum + q);
    hn::StoreU(correction, d, b.correction + q);
  }
}

void run_scale(float factor, float* x, int64_t n) {
  const FloatTag d;
  const auto f = hn::Set(d, factor);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) hn::StoreU(hn::Mul(hn::LoadU(d, x + i), f), d, x + i);
  for (; i < n; ++i) x[i] *= factor;
}

// NOLINTNEXTLINE(google-readability-namespace-comments)
}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::kernels {

HWY_EXPORT(run_softmax_block);
HWY_EXPORT(run_scale);

namespace {

// 256 keys by 32 queries are 32 KiB, most of a first-level cache. Twice as many or half as many are a few percent
// slower.
constexpr int64_t kKeyBlock = 256;

constexpr int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

// Where a thread's scratch memory holds what, in floats from its start.
struct Workspace {
  int64_t queries = 0;  // head_size x panel, transposed and scaled
  int64_t scores = 0;   // keys x panel
  int64_t mask = 0;     // keys x panel, where every query has its own mask
  int64_t values = 0;   // keys x panel, the last columns of V where they do not fill half a panel
  int64_t maximum = 0;
  int64_t sum = 0;
  int64_t correction = 0;
  int64_t size = 0;

  Workspace(const Attention& a, int64_t panel) {
    const int64_t keys = std::min(a.key_length, kKeyBlock);
    auto take = [&](int64_t floats) {
      const int64_t at = size;
      size += round_up(floats, 16);
      return at;
    };
    queries = take(a.head_size * panel);
    scores = take(keys * panel);
    if (a.mask_strides.row != 0) mask = take(keys * panel);
    if (a.value_size % (panel / 2) != 0) values = take(keys * panel);
    maximum = take(panel);
    sum = take(panel);
    correction = take(panel);
  }
};

// S^T = K Q^T for some keys.
void compute_scores(const GemmTileKernels& kernels, const Attention& a, const float* k, int64_t keys, int64_t columns,
                    const float* queries, float* scores) {
  GemmTile tile;
  tile.a_row = a.k_strides.row;
  tile.a_column = a.k_strides.element;
  tile.b = queries;
  tile.b_row = kernels.panel;
  tile.c_row = kernels.panel;
  tile.k = a.head_size;
  tile.columns = columns;
  const int64_t tiles = (keys + kernels.max_rows - 1) / kernels.max_rows;
  for (int64_t i = 0; i < tiles; ++i) {
    const int64_t begin = tile_begin(keys, tiles, i);
    tile.a = k + begin * a.k_strides.row;
    tile.c = scores + begin * kernels.panel;
    run_gemm_tile(kernels, tile_begin(keys, tiles, i + 1) - begin, tile);
  }
}

// O += P V for some keys, with P transposed in `scores`.
void add_values(const GemmTileKernels& kernels, const Attention& a, const float* v, int64_t keys, int64_t queries,
                const float* scores, float* packed_tail, bool accumulate, float* output) {
  const int64_t panel = kernels.panel;
  GemmTile tile;
  tile.a_row = 1;
  tile.a_column = panel;
  tile.c_row = a.output_strides.row;
  tile.k = keys;
  tile.accumulate = accumulate;
  const int64_t tail = a.value_size % (panel / 2);
  const int64_t in_place = a.value_size - a.value_size % panel + (tail == 0 ? a.value_size % panel : 0);
  if (in_place < a.value_size) {
    pack_panels(keys, a.value_size - in_place, MatrixView{v + in_place, a.v_strides.row, 1}, panel, packed_tail);
  }
  const int64_t tiles = (queries + kernels.max_rows - 1) / kernels.max_rows;
  for (int64_t column = 0; column < a.value_size;) {
    const bool packed = column >= in_place;
    tile.b = packed ? packed_tail : v + column;
    tile.b_row = packed ? panel : a.v_strides.row;
    tile.b_panel = panel;
    int64_t width = panel;
    for (int64_t i = 0; i < tiles; ++i) {
      const int64_t begin = tile_begin(queries, tiles, i);
      const int64_t rows = tile_begin(queries, tiles, i + 1) - begin;
      tile.a = scores + begin;
      tile.c = output + begin * tile.c_row + column;
      // With this few rows there is one tile, so all tiles agree on the width.
      const bool wide = !packed && rows <= GemmTileKernels::kMaxWideRows && kernels.wide[rows] != nullptr &&
                        in_place - column >= kernels.wide_panels[rows] * panel && tiles == 1;
      width = wide ? kernels.wide_panels[rows] * panel : panel;
      tile.columns = std::min(width, a.value_size - column);
      if (wide) {
        kernels.wide[rows](tile);
      } else {
        run_gemm_tile(kernels, rows, tile);
      }
    }
    column += width;
  }
}

// One block of queries of one head.
void run_block(const GemmTileKernels& kernels, const Attention& a, int64_t b, int64_t h, int64_t first_query,
               int64_t queries, const Workspace& w, float* workspace) {
  const int64_t panel = kernels.panel;
  const int64_t kv_head = a.kv_heads > 0 ? h / (a.heads / a.kv_heads) : h;
  const float* q = a.q + b * a.q_strides.batch + h * a.q_strides.head + first_query * a.q_strides.row;
  const float* k = a.k + b * a.k_strides.batch + kv_head * a.k_strides.head;
  const float* v = a.v + b * a.v_strides.batch + kv_head * a.v_strides.head;
  float* output =
      a.output + b * a.output_strides.batch + h * a.output_strides.head + first_query * a.output_strides.row;
  const float* mask = a.mask == nullptr ? nullptr
                                        : a.mask + b * a.mask_strides.batch + h * a.mask_strides.head +
                                              first_query * a.mask_strides.row;

  float* packed_queries = workspace + w.queries;
  pack_panels(a.head_size, queries, MatrixView{q, a.q_strides.element, a.q_strides.row}, panel, packed_queries);
  HWY_DYNAMIC_DISPATCH(run_scale)(a.scale, packed_queries, a.head_size * panel);

  // The keys that the first query sees, and the last one that any query of the block does.
  const int64_t visible = a.causal ? a.key_length - a.query_length + first_query + 1 : a.key_length;
  const int64_t key_end = a.causal ? std::clamp<int64_t>(visible + queries - 1, 0, a.key_length) : a.key_length;

  ScoreBlock block{};
  block.scores = workspace + w.scores;
  block.stride = panel;
  block.queries = queries * 2 <= panel ? panel / 2 : panel;
  block.maximum = workspace + w.maximum;
  block.sum = workspace + w.sum;
  block.correction = workspace + w.correction;
  if (key_end == 0) {  // causal, and no key at all before these queries
    for (int64_t i = 0; i < queries; ++i) {
      std::fill_n(output + i * a.output_strides.row, a.value_size, std::numeric_limits<float>::quiet_NaN());
    }
    return;
  }
  for (int64_t first = 0; first < key_end; first += kKeyBlock) {
    block.keys = std::min(kKeyBlock, key_end - first);
    block.first = first == 0;
    block.visible = static_cast<float>(visible - first);
    compute_scores(kernels, a, k + first * a.k_strides.row, block.keys, block.queries, packed_queries, block.scores);
    if (mask != nullptr && a.mask_strides.row == 0) {
      block.key_mask = mask + first * a.mask_strides.element;
      block.key_mask_stride = a.mask_strides.element;
    } else if (mask != nullptr) {
      pack_panels(block.keys, queries,
                  MatrixView{mask + first * a.mask_strides.element, a.mask_strides.element, a.mask_strides.row}, panel,
                  workspace + w.mask);
      block.full_mask = workspace + w.mask;
    }
    HWY_DYNAMIC_DISPATCH(run_softmax_block)(block);
    if (!block.first) {
      for (int64_t i = 0; i < queries; ++i) {
        HWY_DYNAMIC_DISPATCH(run_scale)(block.correction[i], output + i * a.output_strides.row, a.value_size);
      }
    }
    add_values(kernels, a, v + first * a.v_strides.row, block.keys, queries, block.scores, workspace + w.values,
               !block.first, output);
  }
  for (int64_t i = 0; i < queries; ++i) {
    HWY_DYNAMIC_DISPATCH(run_scale)(1.0F / block.sum[i], output + i * a.output_strides.row, a.value_size);
  }
}

}  // namespace

size_t attention_workspace_size(const Attention& attention, int threads) {
  return static_cast<size_t>(Workspace(attention, gemm_tile_kernels().panel).size) * static_cast<size_t>(threads);
}

void attention(const Attention& attention, float* workspace, Parallel& parallel) {
  const Attention& a = attention;
  if (a.batch <= 0 || a.heads <= 0 || a.query_length <= 0 || a.value_size <= 0) return;
  const GemmTileKernels& kernels = gemm_tile_kernels();
  const Workspace w(a, kernels.panel);
  const int64_t blocks = (a.query_length + kernels.panel - 1) / kernels.panel;
  // The two products fill both multiply-add units; exp is about a fifth more. 25,000 cycles are 10 us.
  const int64_t cycles = std::max<int64_t>(1, a.key_length * (a.head_size + a.value_size + 24));
  for_ranges(parallel, a.batch * a.heads * blocks, 25'000 / cycles, [&](int64_t begin, int64_t end, int thread) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t head = i / blocks;
      const int64_t first = i % blocks * kernels.panel;
      const int64_t queries = std::min<int64_t>(kernels.panel, a.query_length - first);
      if (a.key_length > 0) {
        run_block(kernels, a, head / a.heads, head % a.heads, first, queries, w, workspace + thread * w.size);
        continue;
      }
      // A product over no keys at all.
      float* output = a.output + head / a.heads * a.output_strides.batch + head % a.heads * a.output_strides.head;
      for (int64_t q = first; q < first + queries; ++q) {
        std::fill_n(output + q * a.output_strides.row, a.value_size, 0.0F);
      }
    }
  });
}

}  // namespace attune::kernels
#endif  // HWY_ONCE
