#include "core/nn/pack_kernels.h"

#include <algorithm>
#include <cmath>

#include "core/nn/lanes.h"
#include "core/nn/vector_math.h"

namespace rlhf {
namespace {

// kLanes inputs of a panel's outputs: at first a row is an output, and after
// Turn an input.
struct Tile {
  Lanes low[kLanes], high[kLanes];
};

// One of the four steps that turn rows to columns: exchanges the numbers of
// rows and columns whose places differ in the bit S.
template <int S>
RLHF_INLINE void Exchange(Lanes (&rows)[kLanes]) {
  constexpr auto low = [](int j) { return (j & S) != 0 ? 16 + j - S : j; };
  constexpr auto high = [](int j) { return (j & S) != 0 ? 16 + j : j + S; };
  constexpr LaneWholes kLow = {
      low(0), low(1), low(2),  low(3),  low(4),  low(5),  low(6),  low(7),
      low(8), low(9), low(10), low(11), low(12), low(13), low(14), low(15)};
  constexpr LaneWholes kHigh = {high(0),  high(1),  high(2),  high(3),
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

RLHF_INLINE void Turn(Lanes (&rows)[kLanes]) {
  Exchange<1>(rows);
  Exchange<2>(rows);
  Exchange<4>(rows);
  Exchange<8>(rows);
}

// The inputs from `input` on, turned.
template <class Number>
RLHF_INLINE void ReadTile(const PanelSource<Number>& source, int64_t input,
                          Tile& tile) {
  const int64_t inputs = std::min(kLanes, source.in - input);
  const auto row = [&](int64_t output) __attribute__((always_inline)) {
    if (output >= source.count) return Lanes{};
    const Number* const from = source.rows + output * source.in + input;
    if (inputs == kLanes) return LoadLanes(from);
    Lanes some = {};
    for (int64_t i = 0; i < inputs; ++i) some[i] = static_cast<float>(from[i]);
    return some;
  };
  for (int64_t i = 0; i < kLanes; ++i) {
    tile.low[i] = row(i);
    tile.high[i] = row(i + kLanes);
  }
  Turn(tile.low);
  Turn(tile.high);
}

// The bits of the numbers rounded to bfloat16, to even, in the upper halves.
RLHF_INLINE LaneBits RoundToBfloat16(Lanes numbers) {
  const auto bits = reinterpret_cast<LaneBits>(numbers);
  const LaneBits rounded = bits + 0x7fffU + ((bits >> 16) & 1U);
  const auto is_nan = reinterpret_cast<LaneBits>(numbers != numbers);
  return (rounded & ~is_nan) | (0x7fc00000U & is_nan);
}

RLHF_INLINE LaneBits RoundToBytes(Lanes numbers) {
  constexpr float kRound = 12582912.F;  // leaves no bits after the point
  const Lanes whole = (numbers + kRound) - kRound;
  return reinterpret_cast<LaneBits>(
             __builtin_convertvector(whole, LaneWholes)) &
         0xffU;
}

// One vector of a panel's two, kPanelInputs inputs from `input` on.
RLHF_INLINE LaneBits PackBytes(const Lanes* inputs, Lanes inverse_scale) {
  LaneBits word = {};
  for (int i = 0; i < kPanelInputs; ++i) {
    word |= RoundToBytes(inputs[i] * inverse_scale) << (8 * i);
  }
  return word;
}

// The largest of each output / 127 to `scale`, and the inverse of that, 0 for
// an output of zeros.
template <class Number>
RLHF_INLINE void Scales(const PanelSource<Number>& source, float* scale,
                        float* inverse) {
  for (int64_t o = 0; o < kPanelOutputs; ++o) {
    float most = 0;
    const int64_t in = o < source.count ? source.in : 0;
    const Number* const row = source.rows + o * source.in;
    for (int64_t i = 0; i < in; ++i) {
      most = std::max(most, std::abs(static_cast<float>(row[i])));
    }
    scale[o] = most / 127;
    inverse[o] = most > 0 ? 127 / most : 0;
  }
}

template <class Number>
RLHF_INLINE void Pack(const PanelSource<Number>& source, WeightFormat format,
                      float* scale, std::byte* to) {
  alignas(64) float inverse[kPanelOutputs];
  if (format == WeightFormat::kInt8) Scales(source, scale, inverse);
  Tile tile;
  for (int64_t input = 0; input < source.in; input += kLanes) {
    ReadTile(source, input, tile);
    const int64_t inputs = std::min(kLanes, source.in - input);
    if (format == WeightFormat::kFloat32) {
      auto* const out = reinterpret_cast<Lanes*>(to) + 2 * input;
      for (int64_t i = 0; i < inputs; ++i) {
        out[2 * i] = tile.low[i];
        out[2 * i + 1] = tile.high[i];
      }
    } else if (format == WeightFormat::kBfloat16) {
      // Outputs o and o + 16 share 32 bits, the first in the lower half: one
      // shift and one mask make both vectors of floats.
      auto* const out = reinterpret_cast<LaneBits*>(to) + input;
      for (int64_t i = 0; i < inputs; ++i) {
        out[i] = (RoundToBfloat16(tile.low[i]) >> 16) |
                 (RoundToBfloat16(tile.high[i]) & 0xffff0000U);
      }
    } else {
      // Four inputs of one output share 32 bits, the first in the lowest byte.
      auto* const out = reinterpret_cast<LaneBits*>(to) + input / 2;
      for (int64_t i = 0; i < inputs; i += kPanelInputs) {
        out[i / 2] = PackBytes(tile.low + i, LoadLanes(inverse));
        out[i / 2 + 1] = PackBytes(tile.high + i, LoadLanes(inverse + kLanes));
      }
    }
  }
}

RLHF_FOR_EACH_PROCESSOR
void PackFloats(const PanelSource<float>& source, WeightFormat format,
                float* scale, std::byte* to) {
  Pack(source, format, scale, to);
}

RLHF_FOR_EACH_PROCESSOR
void PackHalves(const PanelSource<c10::BFloat16>& source, WeightFormat format,
                float* scale, std::byte* to) {
  Pack(source, format, scale, to);
}

}  // namespace

void PackPanel(const PanelSource<float>& source, WeightFormat format,
               float* scale, std::byte* to) {
  PackFloats(source, format, scale, to);
}

void PackPanel(const PanelSource<c10::BFloat16>& source, WeightFormat format,
               float* scale, std::byte* to) {
  PackHalves(source, format, scale, to);
}

}  // namespace rlhf
