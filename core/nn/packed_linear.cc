#include "core/nn/packed_linear.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "core/base/check.h"
#include "core/nn/pack_kernels.h"

namespace rlhf {
namespace {

// Rows are divided for threads only as far as their parts stay larger.
constexpr int64_t kPartRows = 128;
// A thread has at least so many panels, or parts of such, if there are enough:
// one more or less then makes little difference.
constexpr int64_t kTasksOfThread = 8;

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
  const bool narrow = weight.scalar_type() == at::kBFloat16;
  const at::Tensor plain =
      (narrow ? weight : weight.to(at::kFloat)).detach().contiguous();
  const int64_t panel_bytes = kPanelOutputs * in * BytesOf(format);
  const auto pack = [&](const auto* rows, int64_t panel) {
    const int64_t first = panel * kPanelOutputs;
    PackPanel({.rows = rows + first * in,
               .in = in,
               .count = std::min(kPanelOutputs, out - first)},
              format, packed.scale.data() + first, to + panel * panel_bytes);
  };
  at::parallel_for(0, packed.NumPanels(), /*grain_size=*/1,
                   [&](int64_t begin, int64_t end) {
                     for (int64_t panel = begin; panel < end; ++panel) {
                       if (narrow) {
                         pack(plain.const_data_ptr<c10::BFloat16>(), panel);
                       } else {
                         pack(plain.const_data_ptr<float>(), panel);
                       }
                     }
                   });
  return packed;
}

at::Tensor Multiply(const at::Tensor& x, const PackedLinear& linear) {
  const at::Tensor rows_TI = x.to(at::kFloat).contiguous();
  const int64_t rows = rows_TI.size(0);
  at::Tensor y_TO = at::empty({rows, linear.out}, rows_TI.options());
  // Threads share the panels; where these are few, parts of the rows as well.
  const int64_t panels = linear.NumPanels();
  const int64_t parts =
      std::min((rows + kPartRows - 1) / kPartRows,
               (kTasksOfThread * at::get_num_threads() + panels - 1) / panels);
  const float* const from = rows_TI.const_data_ptr<float>();
  auto* const to = y_TO.mutable_data_ptr<float>();
  at::parallel_for(
      0, parts * panels, /*grain_size=*/1, [&](int64_t begin, int64_t end) {
        while (begin < end) {
          const int64_t part = begin / panels, panel = begin % panels;
          const int64_t count = std::min(panels - panel, end - begin);
          const int64_t first = rows * part / parts;
          MultiplyPanels(from + first * linear.in,
                         rows * (part + 1) / parts - first, linear, panel,
                         panel + count, /*add=*/false, to + first * linear.out);
          begin += count;
        }
      });
  return y_TO;
}

}  // namespace rlhf
