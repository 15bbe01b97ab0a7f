// MultiplyRows: the inner loops of a decoding step.
#include <algorithm>
#include <vector>

#include "core/nn/fused_decode.h"
#include "core/nn/vector_math.h"

namespace rlhf {
namespace {

constexpr int64_t kLanes = 16;
// Sums that stay in registers: so many rows times so many panels of kLanes
// outputs. The processor has 32.
constexpr int64_t kRows = 8, kPanels = 2;
constexpr int64_t kOutputs = kPanels * kLanes;
static_assert(kOutputs == kDecodeGrain);
// Inputs whose weights are turned at a time: 32 KiB of panels, which stay in
// the first cache while all rows pass over them.
constexpr int64_t kDepth = 256;

typedef float Lanes __attribute__((vector_size(64)));
// Read from memory that is not aligned to it.
typedef float LooseLanes __attribute__((vector_size(64), aligned(4)));
typedef int32_t Places __attribute__((vector_size(64)));

// A cache line, as std::vector aligns it.
struct alignas(64) Line {
  float numbers[kLanes];
};

inline Lanes& At(Line& line) { return *reinterpret_cast<Lanes*>(&line); }
inline const Lanes& At(const Line& line) {
  return *reinterpret_cast<const Lanes*>(&line);
}

// One of the four steps that turn columns to rows: exchanges the numbers of
// rows and columns whose places differ in the bit S.
template <int S>
inline __attribute__((always_inline)) void Exchange(Lanes (&rows)[kLanes]) {
  constexpr auto low = [](int j) { return (j & S) != 0 ? 16 + j - S : j; };
  constexpr auto high = [](int j) { return (j & S) != 0 ? 16 + j : j + S; };
  constexpr Places kLow = {low(0),  low(1),  low(2),  low(3), low(4),  low(5),
                           low(6),  low(7),  low(8),  low(9), low(10), low(11),
                           low(12), low(13), low(14), low(15)};
  constexpr Places kHigh = {high(0),  high(1),  high(2),  high(3),
                            high(4),  high(5),  high(6),  high(7),
                            high(8),  high(9),  high(10), high(11),
                            high(12), high(13), high(14), high(15)};
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) {
    if ((i & S) != 0) continue;
    const Lanes a = rows[i], b = rows[i + S];
    rows[i] = __builtin_shuffle(a, b, kLow);
    rows[i + S] = __builtin_shuffle(a, b, kHigh);
  }
}

// The weights of kLanes outputs for kLanes inputs, [out, in] with `in` numbers
// between outputs, into the lines to[0], to[kPanels], …: one for each input.
inline __attribute__((always_inline)) void Turn(const float* weight, int64_t in,
                                                Line* to) {
  Lanes rows[kLanes];
#pragma GCC unroll 16
  for (int64_t o = 0; o < kLanes; ++o) {
    rows[o] = *reinterpret_cast<const LooseLanes*>(weight + o * in);
  }
  Exchange<1>(rows);
  Exchange<2>(rows);
  Exchange<4>(rows);
  Exchange<8>(rows);
#pragma GCC unroll 16
  for (int64_t i = 0; i < kLanes; ++i) At(to[i * kPanels]) = rows[i];
}

// The same for fewer inputs or outputs; the missing outputs are 0.
void TurnRest(const float* weight, int64_t in, int64_t inputs, int64_t outputs,
              Line* to) {
  for (int64_t i = 0; i < inputs; ++i) {
    for (int64_t o = 0; o < kLanes; ++o) {
      to[i * kPanels].numbers[o] = o < outputs ? weight[o * in + i] : 0;
    }
  }
}

// Adds R rows times kOutputs outputs over `depth` inputs to `sums`. Of the
// rows, which are turned too, the R numbers of one input stand together.
template <int64_t R>
inline __attribute__((always_inline)) void Block(const float* rows,
                                                 const Line* panels,
                                                 int64_t depth, Line* sums) {
  Lanes sum[R][kPanels];
#pragma GCC unroll 16
  for (int64_t i = 0; i < R * kPanels; ++i) {
    sum[i / kPanels][i % kPanels] = At(sums[i]);
  }
  for (int64_t i = 0; i < depth; ++i, panels += kPanels) {
#pragma GCC unroll 8
    for (int64_t r = 0; r < R; ++r) {
      const float x = rows[i * kRows + r];
#pragma GCC unroll 2
      for (int64_t p = 0; p < kPanels; ++p) sum[r][p] += x * At(panels[p]);
    }
  }
#pragma GCC unroll 16
  for (int64_t i = 0; i < R * kPanels; ++i) {
    At(sums[i]) = sum[i / kPanels][i % kPanels];
  }
}

// Of one thread, kept from call to call.
struct Scratch {
  std::vector<float> rows;  // [groups of kRows, in, kRows]
  std::vector<Line> panels{static_cast<size_t>(kDepth * kPanels)};
  std::vector<Line> sums;  // [rows, kPanels]
};

// Rows that are missing in the last group are 0.
void TurnRows(const float* x, int64_t rows, int64_t in, Scratch& scratch) {
  const int64_t groups = (rows + kRows - 1) / kRows;
  scratch.rows.assign(static_cast<size_t>(groups * kRows * in), 0);
  scratch.sums.resize(static_cast<size_t>(groups * kRows * kPanels));
  for (int64_t r = 0; r < rows; ++r) {
    float* const to = scratch.rows.data() + r / kRows * kRows * in + r % kRows;
    for (int64_t i = 0; i < in; ++i) to[i * kRows] = x[r * in + i];
  }
}

}  // namespace

// Weights lie with the inputs of one output together, so a product of few rows
// would sum over lanes for each of its numbers. Turned in small pieces, whose
// cost all rows share, the lanes are outputs, and each number of a row is
// multiplied with kOutputs weights at once.
RLHF_FOR_EACH_PROCESSOR
void MultiplyRows(const float* x, int64_t rows, const DecodeLinear& linear,
                  int64_t begin, int64_t end, bool add, float* y,
                  int64_t y_stride) {
  if (begin >= end) return;
  thread_local Scratch scratch;
  const int64_t in = linear.in;
  TurnRows(x, rows, in, scratch);
  Line* const panels = scratch.panels.data();
  for (int64_t o = begin; o < end; o += kOutputs) {
    const int64_t outputs = std::min(kOutputs, end - o);
    std::fill(scratch.sums.begin(), scratch.sums.end(), Line{});
    for (int64_t first = 0; first < in; first += kDepth) {
      const int64_t depth = std::min(kDepth, in - first);
      for (int64_t p = 0; p < kPanels; ++p) {
        const int64_t wide =
            std::clamp<int64_t>(outputs - p * kLanes, 0, kLanes);
        const float* const weight =
            linear.weight + (o + p * kLanes) * in + first;
        for (int64_t i = 0; i < depth; i += kLanes) {
          Line* const to = panels + i * kPanels + p;
          const int64_t deep = std::min(kLanes, depth - i);
          if (wide == kLanes && deep == kLanes) {
            Turn(weight + i, in, to);
          } else {
            TurnRest(weight + i, in, deep, wide, to);
          }
        }
      }
      for (int64_t r = 0; r < rows; r += kRows) {
        const float* const group = scratch.rows.data() + r * in + first * kRows;
        Line* const sums = scratch.sums.data() + r * kPanels;
        if (rows - r > kRows / 2) {
          Block<kRows>(group, panels, depth, sums);
        } else {
          Block<kRows / 2>(group, panels, depth, sums);
        }
      }
    }
    for (int64_t r = 0; r < rows; ++r) {
      const float* const sums =
          scratch.sums[static_cast<size_t>(r * kPanels)].numbers;
      float* const to = y + r * y_stride + o - begin;
      for (int64_t j = 0; j < outputs; ++j) {
        const float sum =
            sums[j] + (linear.bias != nullptr ? linear.bias[o + j] : 0);
        to[j] = add ? to[j] + sum : sum;
      }
    }
  }
}

}  // namespace rlhf
