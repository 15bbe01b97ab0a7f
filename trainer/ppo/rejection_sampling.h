// Rejection sampling: of k answers to a prompt, the one with the highest score
// is taken (Bai et al. 2022, appendix B.6) and imitated.
// Shape letters: see response_groups.h; N tokens of all imitated responses.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace rlhf {

// The index of the highest score of each group, the first of equal ones. Dies
// unless `group_size` >= 1 divides S.
std::vector<int64_t> BestOfEachGroup(const at::Tensor& score_S,
                                     int64_t group_size);

// Returns the sum of -log pi over the tokens, differentiable: no ratio to the
// policy that sampled them, no clip. The caller divides, see PpoLoss.
at::Tensor ImitationLossSum(const at::Tensor& logprob_N);

}  // namespace rlhf
