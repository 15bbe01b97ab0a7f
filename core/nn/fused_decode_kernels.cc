// MultiplyRows: the inner loops of a decoding step.
#include <algorithm>
#include <memory>
#include <vector>

#include "core/nn/fused_decode.h"
#include "core/nn/vector_math.h"

namespace rlhf {
namespace {

constexpr int64_t kLanes = 16;
// So many sums at a time: the processor has 32 registers, and what is
// multiplied needs some.
constexpr int64_t kRows = 8, kOutputs = 3;
// Outputs whose weights stay in the second cache while all rows pass over them;
// the numbers of the rows that pass stay in the first.
constexpr int64_t kTile = 48;

// Read from memory that is not aligned to it.
typedef float Lanes __attribute__((vector_size(64), aligned(4)));

// A reference, as a vector that is returned has no fixed ABI.
inline const Lanes& At(const float* from) {
  return *reinterpret_cast<const Lanes*>(from);
}

inline float Sum(const Lanes& lanes) {
  typedef float Half __attribute__((vector_size(32)));
  typedef float Quarter __attribute__((vector_size(16)));
  const Half half =
      __builtin_shufflevector(lanes, lanes, 0, 1, 2, 3, 4, 5, 6, 7) +
      __builtin_shufflevector(lanes, lanes, 8, 9, 10, 11, 12, 13, 14, 15);
  const Quarter quarter = __builtin_shufflevector(half, half, 0, 1, 2, 3) +
                          __builtin_shufflevector(half, half, 4, 5, 6, 7);
  return (quarter[0] + quarter[1]) + (quarter[2] + quarter[3]);
}

// Some rows as a block reads them: the first sixteen numbers of each, then the
// next sixteen of each, and so on, so that one address is enough for all of
// them. What is left over stands in `x`.
struct PackedRows {
  const float* packed;
  const float* x;
  int64_t in;
};

// R rows times O outputs, written by `store(row, output, sum)`. Meanwhile the
// weights of the next outputs are fetched: rows are too short for the processor
// to guess where they go on. Past the last ones that is of no use, and no harm.
template <int64_t R, int64_t O, typename Store>
inline __attribute__((always_inline)) void Block(const PackedRows& rows,
                                                 const float* weight,
                                                 Store&& store) {
  const int64_t in = rows.in;
  Lanes sums[R][O] = {};
  const float* packed = rows.packed;
  int64_t i = 0;
  for (; i + kLanes <= in; i += kLanes, packed += R * kLanes) {
    Lanes w[O];
#pragma GCC unroll 8
    for (int64_t o = 0; o < O; ++o) {
      w[o] = At(weight + o * in + i);
      __builtin_prefetch(weight + (O + o) * in + i);
    }
#pragma GCC unroll 8
    for (int64_t r = 0; r < R; ++r) {
      const Lanes v = At(packed + r * kLanes);
#pragma GCC unroll 8
      for (int64_t o = 0; o < O; ++o) sums[r][o] += v * w[o];
    }
  }
#pragma GCC unroll 8
  for (int64_t r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int64_t o = 0; o < O; ++o) {
      float sum = Sum(sums[r][o]);
      for (int64_t k = i; k < in; ++k) {
        sum += rows.x[r * in + k] * weight[o * in + k];
      }
      store(r, o, sum);
    }
  }
}

// R rows times `outputs`, at most kOutputs.
template <int64_t R, typename Store>
inline __attribute__((always_inline)) void BlockOfRows(const PackedRows& rows,
                                                       const float* weight,
                                                       int64_t outputs,
                                                       Store&& store) {
  if (outputs == kOutputs) return Block<R, kOutputs>(rows, weight, store);
  for (int64_t output = 0; output < outputs; ++output) {
    Block<R, 1>(
        rows, weight + output * rows.in,
        [&](int64_t row, int64_t, float sum) { store(row, output, sum); });
  }
}

// Packs groups of kRows rows, the last one smaller, one after the other.
const float* Pack(const float* x, int64_t rows, int64_t in) {
  thread_local std::vector<float> memory;
  memory.resize(static_cast<size_t>(rows * in) + kLanes);
  void* start = memory.data();
  size_t space = memory.size() * sizeof(float);
  auto* const packed = static_cast<float*>(
      std::align(sizeof(Lanes), static_cast<size_t>(rows * in) * sizeof(float),
                 start, space));
  float* to = packed;
  for (int64_t first = 0; first < rows; first += kRows) {
    const int64_t count = std::min(kRows, rows - first);
    for (int64_t i = 0; i + kLanes <= in; i += kLanes) {
      for (int64_t r = 0; r < count; ++r, to += kLanes) {
        std::copy_n(x + (first + r) * in + i, kLanes, to);
      }
    }
  }
  return packed;
}

}  // namespace

RLHF_FOR_EACH_PROCESSOR
void MultiplyRows(const float* x, int64_t rows, const DecodeLinear& linear,
                  int64_t begin, int64_t end, bool add, float* y,
                  int64_t y_stride) {
  const int64_t in = linear.in;
  const float* const packed = Pack(x, rows, in);
  const auto run = [&](int64_t row, int64_t o, int64_t last)
      __attribute__((always_inline)) {
    const int64_t outputs = std::min(kOutputs, last - o);
    const auto store = [&](int64_t r, int64_t output, float sum)
        __attribute__((always_inline)) {
      float& to = y[(row + r) * y_stride + o + output - begin];
      if (linear.bias != nullptr) sum += linear.bias[o + output];
      to = add ? to + sum : sum;
    };
    const PackedRows from = {packed + row * (in - in % kLanes), x + row * in,
                             in};
    const float* const weight = linear.weight + o * in;
    switch (std::min(kRows, rows - row)) {
      case 8:
        return BlockOfRows<8>(from, weight, outputs, store);
      case 7:
        return BlockOfRows<7>(from, weight, outputs, store);
      case 6:
        return BlockOfRows<6>(from, weight, outputs, store);
      case 5:
        return BlockOfRows<5>(from, weight, outputs, store);
      case 4:
        return BlockOfRows<4>(from, weight, outputs, store);
      case 3:
        return BlockOfRows<3>(from, weight, outputs, store);
      case 2:
        return BlockOfRows<2>(from, weight, outputs, store);
      default:
        return BlockOfRows<1>(from, weight, outputs, store);
    }
  };
  for (int64_t tile = begin; tile < end; tile += kTile) {
    const int64_t last = std::min(end, tile + kTile);
    for (int64_t row = 0; row < rows; row += kRows) {
      for (int64_t o = tile; o < last; o += kOutputs) run(row, o, last);
    }
  }
}

}  // namespace rlhf
