#include "trainer/ppo/grpo.h"

#include <ATen/TensorOperators.h>

#include "core/base/check.h"
#include "trainer/ppo/response_groups.h"

namespace rlhf {

at::Tensor GrpoAdvantages(const at::Tensor& reward_S, int64_t group_size) {
  RLHF_CHECK(group_size >= 2) << group_size;
  const at::Tensor reward_GK = GroupRows(reward_S, group_size);
  const at::Tensor centred_GK = reward_GK - reward_GK.mean(1, true);
  const at::Tensor variance_G =
      centred_GK.square().sum(1, true) / static_cast<double>(group_size - 1);
  return (centred_GK / (variance_G.sqrt() + 1e-4))
      .view(-1)
      .to(reward_S.scalar_type());
}

}  // namespace rlhf
