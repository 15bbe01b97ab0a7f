#include "trainer/ppo/advantage.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty_like.h>

#include "core/base/check.h"
#include "trainer/ppo/packed_lengths.h"

namespace rlhf {
namespace {

at::Tensor OnCpuInDouble(const at::Tensor& values) {
  return values.detach().to(at::kCPU, at::kDouble).contiguous();
}

// One response of `length` tokens, from the last backwards.
void FillAdvantages(const double* reward, const double* value, int64_t length,
                    const GaeOptions& options, double* advantage) {
  double next_value = 0;
  double next_advantage = 0;
  for (int64_t t = length - 1; t >= 0; --t) {
    const double delta = reward[t] + options.discount * next_value - value[t];
    next_advantage = delta + options.discount * options.lambda * next_advantage;
    next_value = value[t];
    advantage[t] = next_advantage;
  }
}

bool IsShare(double x) { return x >= 0 && x <= 1; }

}  // namespace

Advantages ComputeAdvantages(const at::Tensor& reward_N,
                             const at::Tensor& value_N,
                             absl::Span<const int64_t> lengths,
                             const GaeOptions& options) {
  CheckPacked(reward_N, lengths);
  CheckPacked(value_N, lengths);
  RLHF_CHECK(IsShare(options.discount) && IsShare(options.lambda))
      << options.discount << ", " << options.lambda;

  const at::Tensor rewards = OnCpuInDouble(reward_N);
  const at::Tensor values = OnCpuInDouble(value_N);
  const at::Tensor advantages = at::empty_like(values);
  int64_t begin = 0;
  for (const int64_t length : lengths) {
    FillAdvantages(rewards.const_data_ptr<double>() + begin,
                   values.const_data_ptr<double>() + begin, length, options,
                   advantages.mutable_data_ptr<double>() + begin);
    begin += length;
  }
  return {.advantage_N = advantages.to(value_N.options()),
          .return_N = (advantages + values).to(value_N.options())};
}

}  // namespace rlhf
