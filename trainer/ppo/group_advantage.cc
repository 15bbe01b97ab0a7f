#include "trainer/ppo/group_advantage.h"

#include <ATen/TensorOperators.h>

#include "core/base/check.h"

namespace rlhf {
namespace {

// [groups, k], float64.
at::Tensor Grouped(const at::Tensor& reward_S, int64_t group_size) {
  RLHF_CHECK(group_size >= 1 && reward_S.dim() == 1 &&
             reward_S.size(0) % group_size == 0)
      << reward_S.sizes() << " rewards in groups of " << group_size;
  return reward_S.detach().to(at::kDouble).view({-1, group_size});
}

}  // namespace

at::Tensor GroupNormalizedAdvantages(const at::Tensor& reward_S,
                                     int64_t group_size) {
  RLHF_CHECK(group_size >= 2) << group_size;
  const at::Tensor reward_GK = Grouped(reward_S, group_size);
  const at::Tensor centred_GK = reward_GK - reward_GK.mean(1, true);
  const at::Tensor std_G =
      (centred_GK.square().sum(1, true) / static_cast<double>(group_size - 1))
          .sqrt();
  return (centred_GK / (std_G + 1e-4)).view(-1).to(reward_S.scalar_type());
}

at::Tensor LeaveOneOutAdvantages(const at::Tensor& reward_S,
                                 int64_t group_size) {
  RLHF_CHECK(group_size >= 2) << group_size;
  const at::Tensor reward_GK = Grouped(reward_S, group_size);
  const at::Tensor others_GK = (reward_GK.sum(1, true) - reward_GK) /
                               static_cast<double>(group_size - 1);
  return (reward_GK - others_GK).view(-1).to(reward_S.scalar_type());
}

std::vector<int64_t> BestOfEachGroup(const at::Tensor& reward_S,
                                     int64_t group_size) {
  const at::Tensor reward_GK =
      Grouped(reward_S, group_size).to(at::kCPU).contiguous();
  const double* reward = reward_GK.const_data_ptr<double>();
  std::vector<int64_t> best;
  for (int64_t begin = 0; begin < reward_GK.numel(); begin += group_size) {
    int64_t winner = begin;
    for (int64_t i = begin + 1; i < begin + group_size; ++i) {
      if (reward[i] > reward[winner]) winner = i;
    }
    best.push_back(winner);
  }
  return best;
}

}  // namespace rlhf
