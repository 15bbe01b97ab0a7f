#include "core/nn/pointwise.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/silu_backward.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

namespace rlhf {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

at::Tensor InverseNorm(const at::Tensor& x, double eps) {
  return x.square().mean(-1, /*keepdim=*/true).add_(eps).rsqrt_();
}

at::Tensor Normalize(const at::Tensor& x, const at::Tensor& weight,
                     double eps) {
  const at::Tensor exact = x.to(at::kFloat);
  return exact.mul(InverseNorm(exact, eps)).mul_(weight).to(x.scalar_type());
}

class RmsNormFunction : public torch::autograd::Function<RmsNormFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& weight, double eps) {
    context->save_for_backward({x, weight});
    context->saved_data["eps"] = eps;
    return Normalize(x, weight, eps);
  }

  // With n the inverse norm and u = gradient * weight,
  // d / dx = n * (u - x n * mean(u x n)).
  static variable_list backward(AutogradContext* context,
                                variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const at::Tensor exact = x.to(at::kFloat);
    const at::Tensor inverse =
        InverseNorm(exact, context->saved_data["eps"].toDouble());
    const at::Tensor normed = exact * inverse;
    const at::Tensor gradient = gradients[0].to(at::kFloat);
    const at::Tensor weight_gradient =
        (gradient * normed).flatten(0, -2).sum(0).to(weight.scalar_type());
    at::Tensor x_gradient = gradient * weight;
    const at::Tensor mean = (x_gradient * normed).mean(-1, /*keepdim=*/true);
    x_gradient.addcmul_(normed, mean, -1).mul_(inverse);
    return {x_gradient.to(x.scalar_type()), weight_gradient, at::Tensor()};
  }
};

class SwigluFunction : public torch::autograd::Function<SwigluFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& gate,
                            const at::Tensor& up) {
    context->save_for_backward({gate, up});
    return at::silu(gate).mul_(up);
  }

  static variable_list backward(AutogradContext* context,
                                variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &gate = saved[0], &up = saved[1];
    return {at::silu_backward(gradients[0] * up, gate),
            at::silu(gate).mul_(gradients[0])};
  }
};

}  // namespace

at::Tensor RmsNorm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  return c10::GradMode::is_enabled() ? RmsNormFunction::apply(x, weight, eps)
                                     : Normalize(x, weight, eps);
}

at::Tensor Swiglu(const at::Tensor& gate, const at::Tensor& up) {
  return c10::GradMode::is_enabled() ? SwigluFunction::apply(gate, up)
                                     : at::silu(gate).mul_(up);
}

}  // namespace rlhf
