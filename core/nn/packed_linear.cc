#include "core/nn/packed_linear.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "core/base/check.h"

namespace rlhf {
namespace {

int64_t BytesOf(WeightFormat format) {
  switch (format) {
    case WeightFormat::kFloat32:
      return 4;
    case WeightFormat::kBfloat16:
      return 2;
    case WeightFormat::kInt8:
      return 1;
  }
  RLHF_CHECK(false) << "unknown format";
}

// The upper half of the number, rounded to even.
uint16_t Bfloat16Of(float value) {
  if (std::isnan(value)) return 0x7fc0;
  const auto bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// The weights of one panel's outputs: rows of `in` numbers; rows beyond `count`
// are 0.
struct PanelSource {
  const float* rows;
  int64_t in;
  int64_t count;

  float At(int64_t output, int64_t input) const {
    return output < count ? rows[output * in + input] : 0;
  }
};

void PackFloat32(const PanelSource& source, float* to) {
  for (int64_t i = 0; i < source.in; ++i) {
    for (int64_t o = 0; o < kPanelOutputs; ++o) *to++ = source.At(o, i);
  }
}

// Pairs of outputs o and o + 16 share 32 bits, the first in the lower half:
// one shift and one mask make both vectors of floats.
void PackBfloat16(const PanelSource& source, uint16_t* to) {
  constexpr int64_t kHalf = kPanelOutputs / 2;
  for (int64_t i = 0; i < source.in; ++i) {
    for (int64_t o = 0; o < kHalf; ++o) {
      *to++ = Bfloat16Of(source.At(o, i));
      *to++ = Bfloat16Of(source.At(o + kHalf, i));
    }
  }
}

// Four inputs of one output share 32 bits, the first in the lowest byte.
void PackInt8(const PanelSource& source, const float* scale, int8_t* to) {
  for (int64_t i = 0; i < source.in; i += kPanelInputs) {
    for (int64_t o = 0; o < kPanelOutputs; ++o) {
      for (int64_t j = 0; j < kPanelInputs; ++j) {
        const float step = o < source.count ? scale[o] : 0;
        *to++ =
            step == 0
                ? int8_t{0}
                : static_cast<int8_t>(std::lrintf(source.At(o, i + j) / step));
      }
    }
  }
}

float LargestOf(const float* row, int64_t count) {
  float most = 0;
  for (int64_t i = 0; i < count; ++i) most = std::max(most, std::abs(row[i]));
  return most;
}

// With zeros up to `size` numbers.
std::vector<float> Floats(const at::Tensor& tensor, int64_t size) {
  if (!tensor.defined()) return {};
  const at::Tensor plain = tensor.to(at::kFloat).contiguous();
  const auto* const data = plain.const_data_ptr<float>();
  std::vector<float> floats(data, data + plain.numel());
  floats.resize(static_cast<size_t>(size));
  return floats;
}

}  // namespace

size_t PackedBytes(int64_t out, int64_t in, WeightFormat format) {
  const int64_t panels = (out + kPanelOutputs - 1) / kPanelOutputs;
  const int64_t bytes = panels * kPanelOutputs * in * BytesOf(format);
  return static_cast<size_t>((bytes + 63) / 64 * 64);
}

PackedLinear PackLinear(const at::Tensor& weight, const at::Tensor& bias,
                        WeightFormat format, std::byte* to) {
  const int64_t out = weight.size(0), in = weight.size(1);
  RLHF_CHECK(CanPack(in)) << in;
  PackedLinear packed = {.format = format,
                         .in = in,
                         .out = out,
                         .panels = to,
                         .scale = {},
                         .bias = {}};
  const int64_t outputs = packed.NumPanels() * kPanelOutputs;
  packed.bias = Floats(bias, outputs);
  if (format == WeightFormat::kInt8) {
    packed.scale.resize(static_cast<size_t>(outputs));
  }
  const int64_t panel_bytes = kPanelOutputs * in * BytesOf(format);
  at::parallel_for(
      0, packed.NumPanels(), /*grain_size=*/1, [&](int64_t begin, int64_t end) {
        for (int64_t panel = begin; panel < end; ++panel) {
          const int64_t first = panel * kPanelOutputs;
          const int64_t count = std::min(kPanelOutputs, out - first);
          const at::Tensor rows =
              weight.narrow(0, first, count).to(at::kFloat).contiguous();
          const PanelSource source = {rows.const_data_ptr<float>(), in, count};
          std::byte* const at = to + panel * panel_bytes;
          if (format == WeightFormat::kFloat32) {
            PackFloat32(source, reinterpret_cast<float*>(at));
          } else if (format == WeightFormat::kBfloat16) {
            PackBfloat16(source, reinterpret_cast<uint16_t*>(at));
          } else {
            float* const scale = packed.scale.data() + first;
            for (int64_t o = 0; o < count; ++o) {
              scale[o] = LargestOf(source.rows + o * in, in) / 127;
            }
            PackInt8(source, scale, reinterpret_cast<int8_t*>(at));
          }
        }
      });
  return packed;
}

at::Tensor Multiply(const at::Tensor& x, const PackedLinear& linear) {
  const at::Tensor rows_TI = x.to(at::kFloat).contiguous();
  const int64_t rows = rows_TI.size(0);
  at::Tensor y_TO = at::empty({rows, linear.out}, rows_TI.options());
  // So many rows at once share what is read of a panel; with more, threads have
  // more parts to take.
  constexpr int64_t kPart = 64;
  const int64_t num_parts = (rows + kPart - 1) / kPart;
  const float* const from = rows_TI.const_data_ptr<float>();
  auto* const to = y_TO.mutable_data_ptr<float>();
  at::parallel_for(
      0, linear.NumPanels() * num_parts, /*grain_size=*/1,
      [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const int64_t panel = i / num_parts, first = i % num_parts * kPart;
          MultiplyPanels(from + first * linear.in,
                         std::min(kPart, rows - first), linear, panel,
                         panel + 1, /*add=*/false, to + first * linear.out);
        }
      });
  return y_TO;
}

}  // namespace rlhf
