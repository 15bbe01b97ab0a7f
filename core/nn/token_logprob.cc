#include "core/nn/token_logprob.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <vector>

#include "core/base/check.h"
#include "core/nn/linear.h"
#include "core/nn/softmax_kernels.h"

namespace rlhf {
namespace {

// 128 rows of a 50,000-token vocabulary are 25 MB: few enough for the caches to
// help, enough for the matrix products to run at full speed. A GPU has more to
// fill, and begins each operation anew.
constexpr int64_t kSlice = 128;
constexpr int64_t kSliceOnGpu = 1024;

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Calls `function(begin, size)` for each slice of the rows of `x`.
template <typename F>
void ForEachSlice(const at::Tensor& x, F&& function) {
  const int64_t count = x.size(0);
  const int64_t slice = x.is_cpu() ? kSlice : kSliceOnGpu;
  for (int64_t begin = 0; begin < count; begin += slice) {
    function(begin, std::min(slice, count - begin));
  }
}

at::Tensor Logits(const at::Tensor& hidden, const at::Tensor& weight) {
  return at::linear(hidden, weight).to(at::kFloat);
}

// What the products are computed from (linear.h): `x` itself, or as float32.
at::Tensor Factor(const at::Tensor& x, bool in_float32) {
  return in_float32 ? x.to(at::kFloat) : x;
}

// Of each row of logits, at the temperature: log sum exp and, if wanted, the
// entropy. [rows] both.
struct RowStats {
  at::Tensor log_sum;
  at::Tensor entropy;
};

RowStats StatsOf(const at::Tensor& logit_NV, double temperature,
                 bool with_entropy) {
  if (!logit_NV.is_cpu()) {
    const at::Tensor scaled = logit_NV / temperature;
    const at::Tensor log_sum = scaled.logsumexp(-1);
    if (!with_entropy) return {log_sum, {}};
    const at::Tensor logprob = scaled - log_sum.unsqueeze(1);
    return {log_sum, logprob.exp().mul_(logprob).sum(-1).neg_()};
  }
  const int64_t rows = logit_NV.size(0), width = logit_NV.size(1);
  const at::Tensor log_sum = at::empty({rows}, logit_NV.options());
  const at::Tensor entropy = at::empty({rows}, logit_NV.options());
  at::parallel_for(0, rows, 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const SoftmaxStats stats =
          StatsOfRow(logit_NV.const_data_ptr<float>() + row * width, width,
                     static_cast<float>(temperature), with_entropy);
      log_sum.data_ptr<float>()[row] = static_cast<float>(stats.log_sum);
      entropy.data_ptr<float>()[row] = static_cast<float>(stats.entropy);
    }
  });
  return {log_sum, entropy};
}

// Turns logits into the gradient of `scale` times the log-probability of
// another token, row by row, in place where that can be.
at::Tensor AwayFromAll(const at::Tensor& logit_NV, double temperature,
                       const at::Tensor& log_sum_N, const at::Tensor& scale_N) {
  if (!logit_NV.is_cpu()) {
    return (logit_NV / temperature - log_sum_N.unsqueeze(1))
        .exp()
        .mul_(-scale_N.unsqueeze(1));
  }
  const int64_t width = logit_NV.size(1);
  at::parallel_for(0, logit_NV.size(0), 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      ScaledProbabilitiesOfRow(logit_NV.data_ptr<float>() + row * width, width,
                               static_cast<float>(temperature),
                               log_sum_N.const_data_ptr<float>()[row],
                               scale_N.const_data_ptr<float>()[row]);
    }
  });
  return logit_NV;
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
    std::vector<at::Tensor> logprobs, log_sums, entropies;
    const bool in_float32 = MultipliesInFloat32(hidden_ND);
    const at::Tensor weight = Factor(weight_VD, in_float32);
    ForEachSlice(hidden_ND, [&](int64_t begin, int64_t size) {
      const at::Tensor logit_NV =
          Logits(Factor(hidden_ND.narrow(0, begin, size), in_float32), weight);
      const RowStats stats = StatsOf(logit_NV, temperature, with_entropy);
      const at::Tensor chosen =
          logit_NV.gather(1, target_N.narrow(0, begin, size).unsqueeze(1))
              .squeeze(1);
      logprobs.push_back(chosen / temperature - stats.log_sum);
      log_sums.push_back(stats.log_sum);
      entropies.push_back(stats.entropy);
    });
    context->save_for_backward(
        {hidden_ND, weight_VD, target_N, at::cat(log_sums)});
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
                     &target_N = saved[2], &log_sum_N = saved[3];
    const double temperature = context->saved_data["temperature"].toDouble();
    const at::Tensor scaled_N = (gradients[0] / temperature).contiguous();
    const at::Tensor hidden_gradient_ND = at::empty_like(hidden_ND);
    // Summed in float32 over the slices, whatever the weights' dtype.
    // None where the vocabulary is not trained (adapters).
    const bool with_weight = context->needs_input_grad(1);
    const at::Tensor weight_gradient_VD =
        with_weight
            ? at::zeros_like(weight_VD, weight_VD.options().dtype(at::kFloat))
            : at::Tensor();
    const bool in_float32 = MultipliesInFloat32(hidden_ND);
    const at::Tensor weight = Factor(weight_VD, in_float32);
    ForEachSlice(hidden_ND, [&](int64_t begin, int64_t size) {
      const at::Tensor hidden =
          Factor(hidden_ND.narrow(0, begin, size), in_float32);
      const at::Tensor g = scaled_N.narrow(0, begin, size);
      at::Tensor gradient_NV = AwayFromAll(Logits(hidden, weight), temperature,
                                           log_sum_N.narrow(0, begin, size), g);
      gradient_NV.scatter_add_(1, target_N.narrow(0, begin, size).unsqueeze(1),
                               g.unsqueeze(1));
      gradient_NV = gradient_NV.to(weight.scalar_type());
      hidden_gradient_ND.narrow(0, begin, size)
          .copy_(gradient_NV.matmul(weight));
      if (!with_weight) return;
      if (weight.scalar_type() == at::kFloat) {
        weight_gradient_VD.addmm_(gradient_NV.t(), hidden);
      } else {
        weight_gradient_VD.add_(gradient_NV.t().matmul(hidden));
      }
    });
    return {hidden_gradient_ND,
            with_weight ? weight_gradient_VD.to(weight_VD.scalar_type())
                        : at::Tensor(),
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
