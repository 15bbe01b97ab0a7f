#include "core/nn/token_logprob.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

#include "core/base/check.h"
#include "core/nn/linear.h"

namespace rlhf {
namespace {

// 128 rows of a 50,000-token vocabulary are 25 MB: few enough for the caches to
// help, enough for the matrix products to run at full speed.
constexpr int64_t kSlice = 128;

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Calls `function(begin, size)` for each slice of `count` rows.
template <typename F>
void ForEachSlice(int64_t count, F&& function) {
  for (int64_t begin = 0; begin < count; begin += kSlice) {
    function(begin, std::min(kSlice, count - begin));
  }
}

at::Tensor ScaledLogits(const at::Tensor& hidden, const at::Tensor& weight,
                        double temperature) {
  at::Tensor logit_NV = at::linear(hidden, weight).to(at::kFloat);
  return temperature == 1 ? logit_NV : logit_NV.div_(temperature);
}

// What the products are computed from (linear.h): `x` itself, or as float32.
at::Tensor Factor(const at::Tensor& x, bool in_float32) {
  return in_float32 ? x.to(at::kFloat) : x;
}

// (hidden [N, D], head weight [V, D], targets [N]) to log-probabilities [N]
// and, if wanted, entropies [N].
class TokenLogprobFunction
    : public torch::autograd::Function<TokenLogprobFunction> {
 public:
  static variable_list forward(AutogradContext* context,
                               const at::Tensor& hidden_ND,
                               const at::Tensor& weight_VD,
                               const at::Tensor& target_N, double temperature,
                               bool with_entropy) {
    std::vector<at::Tensor> logprobs, entropies;
    const bool in_float32 = MultipliesInFloat32(hidden_ND);
    const at::Tensor weight = Factor(weight_VD, in_float32);
    ForEachSlice(hidden_ND.size(0), [&](int64_t begin, int64_t size) {
      const at::Tensor logprob_NV =
          at::log_softmax(ScaledLogits(hidden_ND.narrow(0, begin, size),
                                       weight_VD, temperature),
                          -1);
      logprobs.push_back(
          logprob_NV.gather(1, target_N.narrow(0, begin, size).unsqueeze(1))
              .squeeze(1));
      if (with_entropy) {
        entropies.push_back(logprob_NV.exp().mul_(logprob_NV).sum(1).neg_());
      }
    });
    context->save_for_backward({hidden_ND, weight_VD, target_N});
    context->saved_data["temperature"] = temperature;
    if (!with_entropy) return {at::cat(logprobs)};
    const at::Tensor entropy_N = at::cat(entropies);
    context->mark_non_differentiable({entropy_N});
    return {at::cat(logprobs), entropy_N};
  }

  // With p the softmax of logit / T and g the incoming gradient,
  // d logprob / d logit = (onehot - p) * g / T.
  static variable_list backward(AutogradContext* context,
                                variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &hidden_ND = saved[0], &weight_VD = saved[1],
                     &target_N = saved[2];
    const double temperature = context->saved_data["temperature"].toDouble();
    const at::Tensor scaled_N = gradients[0] / temperature;
    const at::Tensor hidden_gradient_ND = at::empty_like(hidden_ND);
    // Summed in float32 over the slices, whatever the weights' dtype.
    const at::Tensor weight_gradient_VD =
        at::zeros_like(weight_VD, weight_VD.options().dtype(at::kFloat));
    const bool in_float32 = MultipliesInFloat32(hidden_ND);
    const at::Tensor weight = Factor(weight_VD, in_float32);
    ForEachSlice(hidden_ND.size(0), [&](int64_t begin, int64_t size) {
      const at::Tensor hidden =
          Factor(hidden_ND.narrow(0, begin, size), in_float32);
      const at::Tensor g = scaled_N.narrow(0, begin, size).unsqueeze(1);
      at::Tensor gradient_NV =
          at::softmax(ScaledLogits(hidden, weight, temperature), -1).mul_(-g);
      gradient_NV.scatter_add_(1, target_N.narrow(0, begin, size).unsqueeze(1),
                               g);
      gradient_NV = gradient_NV.to(weight.scalar_type());
      hidden_gradient_ND.narrow(0, begin, size)
          .copy_(gradient_NV.matmul(weight));
      if (weight.scalar_type() == at::kFloat) {
        weight_gradient_VD.addmm_(gradient_NV.t(), hidden);
      } else {
        weight_gradient_VD.add_(gradient_NV.t().matmul(hidden));
      }
    });
    return {hidden_gradient_ND, weight_gradient_VD.to(weight_VD.scalar_type()),
            at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

TokenLogprobs ComputeTokenLogprobs(const Transformer& model,
                                   const at::Tensor& hidden_ND,
                                   const at::Tensor& target_N,
                                   double temperature, bool with_entropy) {
  RLHF_CHECK(temperature > 0) << temperature;
  const int64_t count = hidden_ND.size(0);
  RLHF_CHECK(target_N.size(0) == count && count > 0) << count;
  const variable_list results = TokenLogprobFunction::apply(
      hidden_ND, model.head_weight(), target_N, temperature, with_entropy);
  return {.logprob_N = results[0],
          .entropy_N = with_entropy ? results[1] : at::Tensor()};
}

}  // namespace rlhf
