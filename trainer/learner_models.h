// The models and the text that a learner begins with.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "rlhf/v1/config.pb.h"
#include "trainer/ppo_trainer.h"

namespace rlhf {

// Loads what `config` names: the initial policy, which is the reference too,
// and the model of a separate critic; onto `device`, but for models that will
// be sharded, whose shares get there alone.
//
// Errors: as LoadModel; InvalidArgument if the initial policy is no language
// model, or the critic's vocabulary another than the policy's.
absl::StatusOr<PpoTrainer::Models> LoadLearnerModels(
    const v1::RunConfig& config, at::Device device = at::kCPU);

// How `config` wants the trainer, computing on `device`.
// Errors: as LoadPretrainingMix.
absl::StatusOr<PpoTrainer::Options> LoadTrainerOptions(
    const v1::RunConfig& config, at::Device device = at::kCPU);

// The text of ppo.pretraining_mix; null if there is none.
// Errors: as PretrainingMix::Load and Tokenizer::Load.
absl::StatusOr<std::shared_ptr<const PretrainingMix>> LoadPretrainingMix(
    const v1::RunConfig& config);

}  // namespace rlhf
