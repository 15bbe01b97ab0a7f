// GRPO: a response is as good as it stands among the answers to its prompt
// (Shao et al. 2024, arXiv:2402.03300, §4.1.2).
// Shape letters: see response_groups.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rlhf {

// The advantage of every token of response i:
//   A_i = (r_i - mean) / (std + 1e-4)
// with mean and standard deviation of its group; the deviation is the unbiased
// one, divided by K - 1 (both constants are TRL's). A group whose rewards are
// all equal gets zeros.
//
// `reward_S` is the reward of each whole response. Computed in float64,
// returned in the dtype of `reward_S`. Dies unless `group_size` >= 2 divides S.
at::Tensor GrpoAdvantages(const at::Tensor& reward_S, int64_t group_size);

}  // namespace rlhf
