#include "trainer/ppo/rloo.h"

#include <ATen/TensorOperators.h>

#include "core/base/check.h"
#include "trainer/ppo/response_groups.h"

namespace rlhf {

at::Tensor RlooAdvantages(const at::Tensor& reward_S, int64_t group_size) {
  RLHF_CHECK(group_size >= 2) << group_size;
  const at::Tensor reward_GK = GroupRows(reward_S, group_size);
  const at::Tensor others_GK = (reward_GK.sum(1, true) - reward_GK) /
                               static_cast<double>(group_size - 1);
  return (reward_GK - others_GK).view(-1).to(reward_S.scalar_type());
}

}  // namespace rlhf
