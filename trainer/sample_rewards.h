// The rewards of a batch's tokens, and how far actors and learner agree.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "rlhf/v1/config.pb.h"
#include "trainer/batch_evaluation.h"
#include "trainer/credit_assignment.h"
#include "trainer/ppo_sample.h"

namespace rlhf {

// KL penalty and score (kl_penalty.h), [N], for the samples `own`, whose tokens
// `evaluation` holds.
at::Tensor TokenRewards(const v1::PpoConfig& config, double kl_coefficient,
                        const std::vector<PpoSample>& batch,
                        const OwnRewards& own,
                        const BatchEvaluation& evaluation);

// The largest difference between the actors' log-probabilities and ours, nats.
double BehaviourMismatch(const std::vector<PpoSample>& batch,
                         const OwnRewards& own, const at::Tensor& logprob_N);

}  // namespace rlhf
