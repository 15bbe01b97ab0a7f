// MultiplyPanels: the inner loops of products with packed weights.
#include <algorithm>
#include <iterator>
#include <type_traits>
#include <vector>

#include "core/nn/lanes.h"
#include "core/nn/packed_linear.h"
#include "core/nn/vector_math.h"

namespace rlhf {
namespace {

// Sums that stay in registers: so many rows times the two vectors of a panel.
// The processor has 32, and Block holds the weights of kPanelInputs.
constexpr int64_t kRows = 8;
// Inputs whose weights are made floats at a time for more rows than these:
// 16 KiB, which stay in the first cache while all rows pass over them.
constexpr int64_t kDepth = 128;
// So many inputs ahead of the sums weights are fetched from memory: about what
// is multiplied while memory answers.
constexpr int64_t kAhead = 256;
// With more rows than these, weights are read from the second cache for each
// kTallRows of them, over all inputs at once, instead.
constexpr int64_t kFewRows = 64;
// Sums of kTallRows rows and one vector for the weights fill the registers.
constexpr int64_t kTallRows = 12;
// What panels that are read so may take of the second cache.
constexpr int64_t kGroupBytes = int64_t{1} << 19;
// So many inputs ahead of the sums weights are fetched from that cache.
constexpr int64_t kNear = 16;
constexpr int64_t kCacheLine = 64;

static_assert(kPanelOutputs == 2 * kLanes);

// As std::vector aligns it.
struct alignas(kCacheLine) Pair {
  Lanes low, high;
};

RLHF_INLINE Pair LoadPair(const float* from) {
  return {LoadLanes(from), LoadLanes(from + kLanes)};
}

// How weights lie in a panel: kBytes for each input, and how those of
// kPanelInputs inputs become floats.
struct Float32Panel {
  static constexpr int64_t kBytes = 4 * kPanelOutputs;
  static RLHF_INLINE void Read(const std::byte* from,
                               Pair (&to)[kPanelInputs]) {
#pragma GCC unroll 4
    for (int64_t i = 0; i < kPanelInputs; ++i) {
      to[i] = reinterpret_cast<const Pair*>(from)[i];
    }
  }
};

struct Bfloat16Panel {
  static constexpr int64_t kBytes = 2 * kPanelOutputs;
  static RLHF_INLINE void Read(const std::byte* from,
                               Pair (&to)[kPanelInputs]) {
#pragma GCC unroll 4
    for (int64_t i = 0; i < kPanelInputs; ++i) {
      const LaneBits both = reinterpret_cast<const LaneBits*>(from)[i];
      to[i] = {reinterpret_cast<Lanes>(both << 16),
               reinterpret_cast<Lanes>(both & 0xffff0000U)};
    }
  }
};

struct Int8Panel {
  static constexpr int64_t kBytes = kPanelOutputs;
  static RLHF_INLINE void Read(const std::byte* from,
                               Pair (&to)[kPanelInputs]) {
    const auto* const words = reinterpret_cast<const LaneWholes*>(from);
    const LaneWholes low = words[0], high = words[1];
#pragma GCC unroll 4
    for (int i = 0; i < kPanelInputs; ++i) {
      const int up = 24 - 8 * i;
      to[i] = {__builtin_convertvector((low << up) >> 24, Lanes),
               __builtin_convertvector((high << up) >> 24, Lanes)};
    }
  }
};

// Where a block of rows begins: rows of `stride` numbers.
struct Rows {
  const float* x;
  int64_t stride;
};

// Adds R rows times a panel over `depth` inputs to `sums`. Fetches
// `ahead_bytes` for each input from `ahead` on.
template <int64_t R, class Panel>
RLHF_INLINE void Block(const Rows& rows, const std::byte* panel, int64_t depth,
                       const std::byte* ahead, int64_t ahead_bytes,
                       Pair* sums) {
  Pair sum[R];
#pragma GCC unroll 8
  for (int64_t r = 0; r < R; ++r) sum[r] = sums[r];
  for (int64_t i = 0; i < depth; i += kPanelInputs) {
    const std::byte* const next = ahead + i * ahead_bytes;
    for (int64_t b = 0; b < kPanelInputs * ahead_bytes; b += kCacheLine) {
      __builtin_prefetch(next + b, /*rw=*/0, /*locality=*/2);
    }
    Pair weights[kPanelInputs];
    Panel::Read(panel + i * Panel::kBytes, weights);
#pragma GCC unroll 4
    for (int64_t j = 0; j < kPanelInputs; ++j) {
#pragma GCC unroll 8
      for (int64_t r = 0; r < R; ++r) {
        const float x = rows.x[r * rows.stride + i + j];
        sum[r].low += x * weights[j].low;
        sum[r].high += x * weights[j].high;
      }
    }
  }
#pragma GCC unroll 8
  for (int64_t r = 0; r < R; ++r) sums[r] = sum[r];
}

// The same for `count` rows, kRows at most.
template <class Panel>
RLHF_INLINE void BlockOf(int64_t count, const Rows& rows,
                         const std::byte* panel, int64_t depth,
                         const std::byte* ahead, int64_t ahead_bytes,
                         Pair* sums) {
  int64_t done = 0;
  const auto run = [&]<int64_t R>(std::integral_constant<int64_t, R>)
      __attribute__((always_inline)) {
    if (count - done < R) return;
    Block<R, Panel>({rows.x + done * rows.stride, rows.stride}, panel, depth,
                    ahead, done == 0 ? ahead_bytes : 0, sums + done);
    done += R;
  };
  run(std::integral_constant<int64_t, kRows>());
  run(std::integral_constant<int64_t, 4>());
  run(std::integral_constant<int64_t, 2>());
  run(std::integral_constant<int64_t, 1>());
}

// Of one thread, kept from call to call.
struct Scratch {
  std::vector<Pair> floats;  // weights
  std::vector<Pair> sums;    // by row
};

// The weights of `count` inputs from `weights` on as floats: where they lie if
// they are such, else in `scratch`.
template <class Panel>
RLHF_INLINE const Pair* Floats(const std::byte* weights, int64_t count,
                               Scratch& scratch) {
  if constexpr (Panel::kBytes == Float32Panel::kBytes) {
    return reinterpret_cast<const Pair*>(weights);
  }
  if (std::ssize(scratch.floats) < count) {
    scratch.floats.resize(static_cast<size_t>(count));
  }
  for (int64_t i = 0; i < count; i += kPanelInputs) {
    Pair some[kPanelInputs];
    Panel::Read(weights + i * Panel::kBytes, some);
    std::copy_n(some, kPanelInputs, scratch.floats.data() + i);
  }
  return scratch.floats.data();
}

// All rows, kFewRows at most, times one panel, into scratch.sums.
template <class Panel>
RLHF_INLINE void SumPanel(const float* x, int64_t rows, int64_t in,
                          const std::byte* panel, Scratch& scratch) {
  std::fill(scratch.sums.begin(), scratch.sums.end(), Pair{});
  Pair* const sums = scratch.sums.data();
  if (rows <= kRows) {
    return BlockOf<Panel>(rows, {x, in}, panel, in,
                          panel + kAhead * Panel::kBytes, Panel::kBytes, sums);
  }
  for (int64_t first = 0; first < in; first += kDepth) {
    const int64_t depth = std::min(kDepth, in - first);
    const std::byte* const weights = panel + first * Panel::kBytes;
    const auto* const floats = reinterpret_cast<const std::byte*>(
        Floats<Panel>(weights, depth, scratch));
    for (int64_t r = 0; r < rows; r += kRows) {
      BlockOf<Float32Panel>(std::min(kRows, rows - r), {x + r * in + first, in},
                            floats, depth, weights + kAhead * Panel::kBytes,
                            r == 0 ? Panel::kBytes : 0, sums + r);
    }
  }
}

// y = sum * scale + bias, or that added, for the `count` outputs of a panel
// that there are; scale and bias may be null.
RLHF_INLINE void Store(const Pair& sums, const float* scale, const float* bias,
                       bool add, int64_t count, float* y) {
  Pair result = sums;
  if (scale != nullptr) {
    const Pair factor = LoadPair(scale);
    result = {result.low * factor.low, result.high * factor.high};
  }
  if (bias != nullptr) {
    const Pair term = LoadPair(bias);
    result = {result.low + term.low, result.high + term.high};
  }
  if (count < kPanelOutputs) {
    const auto* const numbers = reinterpret_cast<const float*>(&result);
    for (int64_t i = 0; i < count; ++i) {
      y[i] = add ? y[i] + numbers[i] : numbers[i];
    }
    return;
  }
  if (add) {
    const Pair before = LoadPair(y);
    result = {before.low + result.low, before.high + result.high};
  }
  StoreLanes(result.low, y);
  StoreLanes(result.high, y + kLanes);
}

struct Product {
  const float* x;
  int64_t rows;
  const PackedLinear& linear;
  int64_t begin, end;
  bool add;
  float* y;

  // y of the row `r` from the panel's first output on.
  float* At(int64_t r, int64_t panel) const {
    return y + r * linear.out + panel * kPanelOutputs;
  }
};

RLHF_INLINE void StorePanel(const Product& product, int64_t panel,
                            int64_t first_row, int64_t count,
                            const Pair* sums) {
  const PackedLinear& linear = product.linear;
  const auto of_panel = [panel](const std::vector<float>& numbers) {
    return numbers.empty() ? nullptr : numbers.data() + panel * kPanelOutputs;
  };
  const float* const scale = of_panel(linear.scale);
  const float* const bias = of_panel(linear.bias);
  const int64_t outputs =
      std::min(kPanelOutputs, linear.out - panel * kPanelOutputs);
  for (int64_t r = 0; r < count; ++r) {
    Store(sums[r], scale, bias, product.add, outputs,
          product.At(first_row + r, panel));
  }
}

template <class Panel>
RLHF_INLINE void RunFewRows(const Product& product, Scratch& scratch) {
  const PackedLinear& linear = product.linear;
  for (int64_t panel = product.begin; panel < product.end; ++panel) {
    SumPanel<Panel>(product.x, product.rows, linear.in,
                    linear.panels + panel * linear.in * Panel::kBytes, scratch);
    StorePanel(product, panel, 0, product.rows, scratch.sums.data());
  }
}

// R rows from `row` on times one panel, whose weights are `floats`. Rows of y
// are far from each other, so they are fetched before they are written.
template <int64_t R>
RLHF_INLINE void TallBlock(const Product& product, int64_t panel, int64_t row,
                           const Pair* floats) {
  const int64_t in = product.linear.in;
  const float* const x = product.x + row * in;
  Pair sum[R];
#pragma GCC unroll 12
  for (int64_t r = 0; r < R; ++r) {
    sum[r] = Pair();
    const float* const y = product.At(row + r, panel);
    __builtin_prefetch(y, /*rw=*/1);
    __builtin_prefetch(y + kLanes, /*rw=*/1);
  }
  for (int64_t i = 0; i < in; ++i) {
    __builtin_prefetch(&floats[i + kNear].low);
    __builtin_prefetch(&floats[i + kNear].high);
    const Pair weights = floats[i];
#pragma GCC unroll 12
    for (int64_t r = 0; r < R; ++r) {
      sum[r].low += x[r * in + i] * weights.low;
      sum[r].high += x[r * in + i] * weights.high;
    }
  }
  StorePanel(product, panel, row, R, sum);
}

// Takes as many panels at once as the second cache holds, and all of them with
// one block of rows after the other: y is written row by row, and sums leave
// the registers once.
template <class Panel>
RLHF_INLINE void RunManyRows(const Product& product, Scratch& scratch) {
  const int64_t in = product.linear.in;
  const int64_t group =
      std::max(int64_t{1}, kGroupBytes / (in * Float32Panel::kBytes));
  for (int64_t first = product.begin; first < product.end; first += group) {
    const int64_t panels = std::min(group, product.end - first);
    const Pair* const floats =
        Floats<Panel>(product.linear.panels + first * in * Panel::kBytes,
                      panels * in, scratch);
    int64_t row = 0;
    const auto run = [&]<int64_t R>(std::integral_constant<int64_t, R>)
        __attribute__((always_inline)) {
      for (; product.rows - row >= R; row += R) {
        for (int64_t i = 0; i < panels; ++i) {
          TallBlock<R>(product, first + i, row, floats + i * in);
        }
      }
    };
    run(std::integral_constant<int64_t, kTallRows>());
    run(std::integral_constant<int64_t, 8>());
    run(std::integral_constant<int64_t, 4>());
    run(std::integral_constant<int64_t, 2>());
    run(std::integral_constant<int64_t, 1>());
  }
}

template <class Panel>
RLHF_INLINE void Run(const Product& product, Scratch& scratch) {
  if (product.rows <= kFewRows) {
    scratch.sums.resize(static_cast<size_t>(product.rows));
    RunFewRows<Panel>(product, scratch);
  } else {
    RunManyRows<Panel>(product, scratch);
  }
}

RLHF_FOR_EACH_PROCESSOR
void RunFloat32(const Product& product, Scratch& scratch) {
  Run<Float32Panel>(product, scratch);
}

RLHF_FOR_EACH_PROCESSOR
void RunBfloat16(const Product& product, Scratch& scratch) {
  Run<Bfloat16Panel>(product, scratch);
}

RLHF_FOR_EACH_PROCESSOR
void RunInt8(const Product& product, Scratch& scratch) {
  Run<Int8Panel>(product, scratch);
}

}  // namespace

void MultiplyPanels(const float* x, int64_t rows, const PackedLinear& linear,
                    int64_t begin, int64_t end, bool add, float* y) {
  thread_local Scratch scratch;
  const Product product = {x, rows, linear, begin, end, add, y};
  switch (linear.format) {
    case WeightFormat::kFloat32:
      return RunFloat32(product, scratch);
    case WeightFormat::kBfloat16:
      return RunBfloat16(product, scratch);
    case WeightFormat::kInt8:
      return RunInt8(product, scratch);
  }
}

}  // namespace rlhf
