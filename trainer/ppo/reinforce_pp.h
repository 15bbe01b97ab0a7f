// REINFORCE++: the reward to go, without a critic and without groups (Hu 2025,
// arXiv:2501.03262).
// Shape letters: see packed_lengths.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "absl/types/span.h"

namespace rlhf {

// The advantage of token t before whitening:
//   A_t = sum over l >= t of gamma^(l - t) r_l
// within its response; with the KL penalty in the rewards and gamma = 1 that is
// the score minus beta times the KL of what is still to come. The baseline is
// the batch's mean: whiten (whiten.h) over all tokens of all ranks.
//
// `discount` is gamma, in [0, 1]. Computed on the CPU in float64, returned in
// the dtype of `reward_N`. Dies if shape and `lengths` disagree.
at::Tensor RewardsToGo(const at::Tensor& reward_N,
                       absl::Span<const int64_t> lengths, double discount);

}  // namespace rlhf
