#include "trainer/ppo/reinforce_pp.h"

#include <ATen/ops/empty_like.h>

#include "core/base/check.h"
#include "trainer/ppo/packed_lengths.h"

namespace rlhf {

at::Tensor RewardsToGo(const at::Tensor& reward_N,
                       absl::Span<const int64_t> lengths, double discount) {
  CheckPacked(reward_N, lengths);
  RLHF_CHECK(discount >= 0 && discount <= 1) << discount;
  const at::Tensor rewards =
      reward_N.detach().to(at::kCPU, at::kDouble).contiguous();
  const at::Tensor to_go = at::empty_like(rewards);
  const double* reward = rewards.const_data_ptr<double>();
  double* result = to_go.mutable_data_ptr<double>();
  for (const int64_t length : lengths) {
    double later = 0;
    for (int64_t t = length - 1; t >= 0; --t) {
      later = reward[t] + discount * later;
      result[t] = later;
    }
    reward += length;
    result += length;
  }
  return to_go.to(reward_N.options());
}

}  // namespace rlhf
