#include "core/nn/rotary.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/pow.h>

#include <numbers>
#include <vector>

namespace rlhf {
namespace {

// Llama 3.1 slows low frequencies by `factor`, leaves high ones, and blends
// between (transformers, modeling_rope_utils.py, _compute_llama3_parameters).
// In float32 step by step, as there: far positions multiply each rounding.
float Llama3Frequency(float frequency, const Llama3RopeScaling& scaling) {
  const auto factor = static_cast<float>(scaling.factor);
  const auto original = static_cast<float>(scaling.original_max_position);
  const auto low = static_cast<float>(scaling.low_freq_factor);
  const auto high = static_cast<float>(scaling.high_freq_factor);
  const float wavelength = 2 * std::numbers::pi_v<float> / frequency;
  if (wavelength > original / low) return frequency / factor;
  if (wavelength < original / high) return frequency;
  const float smooth = (original / wavelength - low) / (high - low);
  return (1 - smooth) * frequency / factor + smooth * frequency;
}

}  // namespace

RotaryTable MakeRotaryTable(const ModelConfig& config,
                            const at::Tensor& position_T) {
  const auto exponent_W2 =
      at::arange(0, config.head_dim, 2, at::TensorOptions(at::kFloat)) /
      config.head_dim;
  at::Tensor frequency_W2 = 1 / at::pow(config.rope_theta, exponent_W2);
  if (config.rope_scaling.has_value()) {
    float* const frequency = frequency_W2.mutable_data_ptr<float>();
    for (int64_t i = 0; i < frequency_W2.numel(); ++i) {
      frequency[i] = Llama3Frequency(frequency[i], *config.rope_scaling);
    }
  }
  frequency_W2 = frequency_W2.to(position_T.device());
  const auto angle =
      position_T.to(at::kFloat).unsqueeze(1) * frequency_W2.unsqueeze(0);
  const auto both =
      at::cat(std::vector<at::Tensor>{angle, angle}, /*dim=*/1).unsqueeze(1);
  return {.cos = both.cos(), .sin = both.sin()};
}

}  // namespace rlhf
