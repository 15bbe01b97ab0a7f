// The models that a learner begins with.
#pragma once

#include "absl/status/statusor.h"
#include "rlhf/v1/config.pb.h"
#include "trainer/ppo_trainer.h"

namespace rlhf {

// Loads what `config` names: the initial policy, which is the reference too,
// and the model of a separate critic.
//
// Errors: as LoadModel; InvalidArgument if the initial policy is no language
// model, or the critic's vocabulary another than the policy's.
absl::StatusOr<PpoTrainer::Models> LoadLearnerModels(
    const v1::RunConfig& config);

}  // namespace rlhf
