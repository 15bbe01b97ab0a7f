// What a learner must remember to go on: written and read as a checkpoint.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rlhf/v1/config.pb.h"
#include "trainer/ppo_trainer.h"

namespace rlhf {

struct LearnerState {
  // The policy's and the critic's.
  NamedTensors parameters;
  NamedTensors optimizer;
  double kl_coefficient = 0;
};

// Whole on rank 0, whatever the ranks hold; the tensors may be the trainer's
// own. Collective. Errors: of the communicator.
absl::StatusOr<LearnerState> GatherLearner(const PpoTrainer& trainer);

// Writes the state as of after `update` into the folder `directory`. The rest
// follows from the configuration and the update's number: sampling is
// counter-based, the prompt order and the learning rate are functions of it,
// and rollouts are journaled.
absl::Status SaveLearner(const LearnerState& state, int64_t update,
                         const std::string& directory);

// Restores what SaveLearner wrote, on any number of ranks, each of which reads
// the files; returns the update.
// Errors: as reading the files; InvalidArgument if they belong to another
// model.
absl::StatusOr<int64_t> LoadLearner(const std::string& directory,
                                    PpoTrainer& trainer);

}  // namespace rlhf
