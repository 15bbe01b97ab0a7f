#include "core/nn/rotary.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/pow.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <numbers>
#include <vector>

namespace rlhf {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

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

// By the table's angles, or back (`direction` -1).
at::Tensor Rotate(const at::Tensor& x, const at::Tensor& cos,
                  const at::Tensor& sin, double direction) {
  const int64_t half = x.size(-1) / 2;
  const auto first = [half](const at::Tensor& t) {
    return t.narrow(-1, 0, half);
  };
  const auto second = [half](const at::Tensor& t) {
    return t.narrow(-1, half, half);
  };
  const at::Tensor sine = sin.to(x.scalar_type());
  const at::Tensor rotated = x * cos.to(x.scalar_type());
  first(rotated).addcmul_(second(x), first(sine), -direction);
  second(rotated).addcmul_(first(x), second(sine), direction);
  return rotated;
}

// Keeps the angles alone: a rotation's gradient is rotated back.
class RotaryFunction : public torch::autograd::Function<RotaryFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& cos, const at::Tensor& sin) {
    context->save_for_backward({cos, sin});
    return Rotate(x, cos, sin, 1);
  }

  static variable_list backward(AutogradContext* context,
                                variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    return {Rotate(gradients[0], saved[0], saved[1], -1), at::Tensor(),
            at::Tensor()};
  }
};

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

at::Tensor ApplyRotary(const at::Tensor& x, const RotaryTable& table) {
  return c10::GradMode::is_enabled()
             ? RotaryFunction::apply(x, table.cos, table.sin)
             : Rotate(x, table.cos, table.sin, 1);
}

}  // namespace rlhf
