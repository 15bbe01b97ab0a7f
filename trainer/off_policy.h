// What a batch makes of rollouts that older policies sampled: a weight for each
// token (ppo/behaviour_weight.h).
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "absl/status/status.h"
#include "core/comm/communicator.h"
#include "rlhf/v1/report.pb.h"
#include "trainer/credit_assignment.h"
#include "trainer/ppo/behaviour_weight.h"
#include "trainer/ppo_sample.h"

namespace rlhf {

struct OffPolicyWeights {
  // [N], for this rank's tokens, on the CPU; undefined if all weigh 1.
  at::Tensor weight_N;
  BehaviourWeightSums sums;
};

// The weights of the samples `own`, whose log-probabilities under the policy
// before the update are `logprob_N`. Tokens of fresh samples weigh exactly 1:
// there the actor's and the learner's arithmetic differ, but not the policies.
// With ppo.behaviour_weight_cap 0, and where the loss is no PPO loss, all do.
OffPolicyWeights WeighByStaleness(const v1::PpoConfig& config,
                                  const std::vector<PpoSample>& batch,
                                  const OwnRewards& own,
                                  const at::Tensor& logprob_N);

// The report's fields on the weights, over all ranks. Collective. Errors: of
// the communicator.
absl::Status ReportWeights(BehaviourWeightSums sums, Communicator& communicator,
                           v1::UpdateReport& report);

}  // namespace rlhf
