// The loss of a preference model over comparisons.
//
// Shape letter: P pairs of a chosen and a rejected response.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace rlhf {

// Sums over pairs, not means: the caller divides by the number of pairs of all
// micro-batches. The tensors are scalars left on the device.
struct PairwiseLoss {
  // Differentiable.
  at::Tensor loss_sum;
  // Pairs whose chosen response scores strictly higher. No gradient.
  at::Tensor correct_count;
  int64_t num_pairs = 0;
};

// How the one who judged each pair judges (worker_model.h), both [P]: what the
// margin is multiplied with, and what is added to it. Undefined: 1 and 0.
struct WorkerTerms {
  at::Tensor temperature_P;
  at::Tensor offset_P;
};

// Returns the sum of log(1 + exp(-x)) over the pairs, x = r_chosen - r_rejected
// (Bradley & Terry; Askell et al. 2021, arXiv:2112.00861), exact for
// differences of any size. A constant added to both scores changes nothing. No
// pairs give 0, not NaN. With `worker`, x = temperature * (r_chosen -
// r_rejected) + offset; what counts as correct is the same.
//
// `weight_P` are factors of the pairs' losses, undefined for 1. The tensors are
// [P], of one floating dtype; dies if the shapes differ.
PairwiseLoss ComputePairwiseLoss(const at::Tensor& chosen_score_P,
                                 const at::Tensor& rejected_score_P,
                                 const at::Tensor& weight_P = {},
                                 const WorkerTerms& worker = {});

}  // namespace rlhf
