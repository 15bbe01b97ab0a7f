// The learner: PPO over batches of rollouts, on one rank or many.
#pragma once

#include "absl/status/status.h"
#include "core/launch/launch_environment.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// Runs until all updates are done, or shutdown is requested; then it saves, and
// the same call goes on where it was.
//
// Rank 0 serves Rollouts, Weights and Control, reads rewards from the reward
// server, and writes into the run directory:
//   rollouts/NNNNNN.pb    every acknowledged rollout
//   checkpoints/NNNNNN/   weights, optimizer, position
//   metrics.jsonl         one UpdateReport a line (after a crash an update may
//                         come twice; the last one counts)
//   tensorboard/          the same as event files, one a start
//   registry/policy/      published snapshots of the policy
//
// Errors: Cancelled if shutdown came before the last update; those of bad
// configuration or input (InvalidArgument, NotFound), of the disk, and of ranks
// that do not answer.
absl::Status RunLearner(const v1::RunConfig& config, const LaunchInfo& launch);

}  // namespace rlhf
