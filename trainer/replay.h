// Replay: a run's updates made again, offline, from its journals, by the code
// that the learner runs.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rlhf/v1/config.pb.h"
#include "rlhf/v1/report.pb.h"
#include "trainer/batch.h"

namespace rlhf {

struct ReplayOptions {
  // Begin at the oldest checkpoint that was kept, not at the initial policy.
  bool from_checkpoint = false;
  // The last update to make.
  int64_t last_update = 0;
};

// Makes the updates of the run that `config` names, in order, and calls
// `on_update` with each one's report; an error of it ends the replay. What was
// sampled, by which policy version, and how it was rewarded comes from the
// journals; everything else follows from the configuration, so on the same
// machine with the same `threads` each report and each weight is what it was,
// to the bit, synchronous or not. Writes nothing.
//
// Errors: as LoadLearnerModels; InvalidArgument for a run of several ranks,
// whose sums one process does not repeat; NotFound without a checkpoint that
// was asked for; those of ReadBatch and PpoTrainer::Update, with the update's
// number.
absl::Status Replay(
    const v1::RunConfig& config, const ReplayOptions& options,
    const std::function<absl::Status(const v1::UpdateReport&)>& on_update);

// The batch of `update` as it was trained on, from its journal.
// Errors: NotFound; DataLoss if the journal is damaged or does not hold each of
// the `num_rollouts` once.
absl::StatusOr<Batch> ReadBatch(const std::string& run_directory,
                                int64_t update, int64_t num_rollouts);

// Says which field of an update differs first, and how; empty if they are the
// same to the bit. How long it took is not compared.
std::string FirstDifference(const v1::UpdateReport& recorded,
                            const v1::UpdateReport& replayed);

}  // namespace rlhf
