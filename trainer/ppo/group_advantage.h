// Advantages without a critic: each response is compared with the others to the
// same prompt.
//
// Shape letters: S responses. A batch is S / k groups of k consecutive
// responses to one prompt.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace rlhf {

// GRPO (Shao et al. 2024, arXiv:2402.03300, §4.1.2):
//   A_i = (r_i - mean) / (std + 1e-4)
// over the group, with the unbiased standard deviation (TRL's constants). A
// group whose rewards are all equal gets zeros.
//
// `reward_S` is the reward of each whole response. Computed in float64,
// returned in the dtype of `reward_S`. Dies unless `group_size` >= 2 divides S.
at::Tensor GroupNormalizedAdvantages(const at::Tensor& reward_S,
                                     int64_t group_size);

// RLOO (Ahmadian et al. 2024, arXiv:2402.14740, eq. 8): the reward minus the
// mean reward of the other responses to the prompt. Else as above.
at::Tensor LeaveOneOutAdvantages(const at::Tensor& reward_S,
                                 int64_t group_size);

// The index of the highest reward of each group, the first of equal ones: what
// rejection sampling imitates. Dies unless `group_size` >= 1 divides S.
std::vector<int64_t> BestOfEachGroup(const at::Tensor& reward_S,
                                     int64_t group_size);

}  // namespace rlhf
