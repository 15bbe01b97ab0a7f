// RLOO: REINFORCE whose baseline is what the other answers to the prompt got
// (Ahmadian et al. 2024, arXiv:2402.14740, eq. 8).
// Shape letters: see response_groups.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rlhf {

// The advantage of every token of response i:
//   A_i = r_i - 1 / (K - 1) * sum of r_j over the j != i of its group
//
// `reward_S` is the reward of each whole response. Computed in float64,
// returned in the dtype of `reward_S`. Dies unless `group_size` >= 2 divides S.
at::Tensor RlooAdvantages(const at::Tensor& reward_S, int64_t group_size);

}  // namespace rlhf
