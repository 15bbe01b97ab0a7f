#include "core/nn/linear.h"

#include <ATen/TensorOperators.h>
#include <ATen/cpu/Utils.h>
#include <ATen/ops/linear.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>

namespace rlhf {
namespace {

// With fewer rows, reading the weights takes longer than multiplying them.
constexpr int64_t kFewRows = 32;

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

int64_t NumRows(const at::Tensor& x) { return x.numel() / x.size(-1); }

// AMD's AVX-512 multiplies bfloat16 at twice the rate of float32, and so do
// Intel's tiles; Intel's AVX-512 at half of it.
bool ProcessorIsFastInBfloat16() {
#if defined(__x86_64__)
  static const bool fast = [] {
    __builtin_cpu_init();
    return at::cpu::init_amx() ||
           (__builtin_cpu_supports("avx512bf16") && !__builtin_cpu_is("intel"));
  }();
  return fast;
#else
  return true;
#endif
}

at::Tensor InFloat32(const at::Tensor& x, const at::Tensor& weight,
                     const at::Tensor& bias) {
  const at::Tensor exact_bias = bias.defined() ? bias.to(at::kFloat) : bias;
  return at::linear(x.to(at::kFloat), weight.to(at::kFloat), exact_bias)
      .to(x.scalar_type());
}

// Keeps what at::linear keeps: bfloat16.
class InFloat32Function : public torch::autograd::Function<InFloat32Function> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias) {
    context->save_for_backward({x, weight});
    context->saved_data["has_bias"] = bias.has_value();
    return InFloat32(x, weight, bias.value_or(at::Tensor()));
  }

  static variable_list backward(AutogradContext* context,
                                variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const at::Tensor gradient =
        gradients[0].to(at::kFloat).flatten(0, -2);  // [rows, out]
    const at::Tensor rows = x.to(at::kFloat).flatten(0, -2);
    const at::Tensor x_gradient =
        gradient.matmul(weight.to(at::kFloat)).to(x.scalar_type()).view_as(x);
    const at::Tensor weight_gradient =
        gradient.t().matmul(rows).to(weight.scalar_type());
    at::Tensor bias_gradient;
    if (context->saved_data["has_bias"].toBool()) {
      bias_gradient = gradient.sum(0).to(weight.scalar_type());
    }
    return {x_gradient, weight_gradient, bias_gradient};
  }
};

}  // namespace

bool MultipliesInFloat32(const at::Tensor& x) {
  return x.scalar_type() == at::kBFloat16 && x.is_cpu() &&
         NumRows(x) > kFewRows && !ProcessorIsFastInBfloat16();
}

at::Tensor Linear(const at::Tensor& x, const at::Tensor& weight,
                  const at::Tensor& bias) {
  if (MultipliesInFloat32(x)) {
    if (!c10::GradMode::is_enabled()) return InFloat32(x, weight, bias);
    return InFloat32Function::apply(
        x, weight, bias.defined() ? std::optional(bias) : std::nullopt);
  }
  // The weights as they lie, not transposed: half as fast again for few rows.
  if (x.is_cpu() && x.dim() == 2 && x.size(0) <= kFewRows && !bias.defined() &&
      !c10::GradMode::is_enabled()) {
    return weight.matmul(x.t()).t().contiguous();
  }
  return at::linear(x, weight, bias);
}

}  // namespace rlhf
