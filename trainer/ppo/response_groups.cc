#include "trainer/ppo/response_groups.h"

#include "core/base/check.h"

namespace rlhf {

at::Tensor GroupRows(const at::Tensor& reward_S, int64_t group_size) {
  RLHF_CHECK(group_size >= 1 && reward_S.dim() == 1 &&
             reward_S.size(0) % group_size == 0)
      << reward_S.sizes() << " rewards in groups of " << group_size;
  return reward_S.detach().to(at::kDouble).view({-1, group_size});
}

}  // namespace rlhf
