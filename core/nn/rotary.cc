#include "core/nn/rotary.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/tensor.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <numbers>
#include <vector>

namespace rlhf {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Llama 3.1 slows low frequencies by `factor`, leaves high ones, and blends
// between (transformers, modeling_rope_utils.py, _compute_llama3_parameters).
float Llama3Frequency(double frequency, const Llama3RopeScaling& scaling) {
  const double wavelength = 2 * std::numbers::pi / frequency;
  const double low = scaling.original_max_position / scaling.low_freq_factor;
  const double high = scaling.original_max_position / scaling.high_freq_factor;
  if (wavelength > low) return static_cast<float>(frequency / scaling.factor);
  if (wavelength < high) return static_cast<float>(frequency);
  const double smooth =
      (scaling.original_max_position / wavelength - scaling.low_freq_factor) /
      (scaling.high_freq_factor - scaling.low_freq_factor);
  return static_cast<float>((1 - smooth) * frequency / scaling.factor +
                            smooth * frequency);
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
  std::vector<float> frequencies;
  for (int64_t i = 0; i < config.head_dim; i += 2) {
    const double exponent =
        static_cast<double>(i) / static_cast<double>(config.head_dim);
    const double frequency = 1.0 / std::pow(config.rope_theta, exponent);
    frequencies.push_back(config.rope_scaling.has_value()
                              ? Llama3Frequency(frequency, *config.rope_scaling)
                              : static_cast<float>(frequency));
  }
  const auto frequency_W2 =
      at::tensor(frequencies, at::TensorOptions(at::kFloat))
          .to(position_T.device());
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
