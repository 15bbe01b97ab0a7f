// What a learner must remember to go on, as one consistent cut: written and
// read as a checkpoint.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/comm/named_tensor.h"
#include "rlhf/v1/common.pb.h"
#include "rlhf/v1/config.pb.h"
#include "rlhf/v1/report.pb.h"
#include "rlhf/v1/rollout.pb.h"
#include "trainer/ppo_trainer.h"

namespace rlhf {

struct LearnerState {
  // The policy's and the critic's.
  NamedTensors parameters;
  NamedTensors optimizer;
  double kl_coefficient = 0;
  int64_t kl_order = 0;
};

// Whole on rank 0, whatever the ranks hold; the tensors may be the trainer's
// own. Collective. Errors: of the communicator.
absl::StatusOr<LearnerState> GatherLearner(const PpoTrainer& trainer);

// What a run may not change between two sessions, because its numbers follow
// from it.
struct RunIdentity {
  v1::RunConfig config;
  // Of the initial policy's weights, wherever they lie.
  std::string initial_policy_hash;
  // Of the prompts that are trained on, in order.
  std::string prompts_hash;
};

RunIdentity IdentifyRun(const v1::RunConfig& config,
                        const NamedTensors& initial_policy,
                        const std::vector<v1::Prompt>& training_prompts);

// The moment between two updates. Leases, random streams and schedules are not
// in it: no batch is open then, and the rest are functions of the update.
struct LearnerCut {
  // Updates done.
  int64_t update = 0;
  double kl_coefficient = 0;
  // PpoTrainer::kl_order.
  int64_t kl_order = 0;
  // Ranks that wrote it; any number may resume.
  int world_size = 1;
  // The last batch: its PM, the anchor that normalised its rewards, and the
  // settings that it was trained with.
  v1::BatchHeader batch;
  // The prefix of the comparison log that this PM was trained on, if known.
  v1::DataSnapshot comparisons;
  // Mean anchored reward of the last batch; unset if it was left out.
  std::optional<double> reward;
};

// Copies of everything a checkpoint holds, so that it can be written while
// training goes on.
struct LearnerSnapshot {
  LearnerCut cut;
  NamedTensors parameters;
  NamedTensors optimizer;
};

// Errors: of LibTorch.
absl::StatusOr<LearnerSnapshot> CopyLearner(const LearnerState& state,
                                            LearnerCut cut);

// Writes policy.safetensors, optimizer.safetensors, config.txtpb and state.json
// into the folder `directory`.
absl::Status WriteLearner(const LearnerSnapshot& snapshot,
                          const RunIdentity& identity,
                          const std::string& directory);

// Whether a run of `identity` may go on from the checkpoint in `directory`.
//
// Errors: FailedPrecondition with everything that differs and what to do; as
// reading the files.
absl::Status CheckResumable(const std::string& directory,
                            const RunIdentity& identity);

// Restores what WriteLearner wrote, on any number of ranks, each of which reads
// the files.
// Errors: as reading the files; InvalidArgument if they belong to another
// model.
absl::StatusOr<LearnerCut> LoadLearner(const std::string& directory,
                                       PpoTrainer& trainer);

// Whether the journals that stand after update `done` are all that a run in
// `run_directory` ever trained on or collected after it, so that going on from
// there repeats it exactly. Logs it if that means to start from zero.
//
// Errors: FailedPrecondition that names the missing journals: to sample those
// batches anew would silently make another run of it.
absl::Status CheckHistory(const std::string& run_directory, int64_t done);

}  // namespace rlhf
