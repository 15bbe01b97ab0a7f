// A batch of rollouts on its way from the actors to the update.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rlhf/v1/config.pb.h"
#include "rlhf/v1/report.pb.h"
#include "rlhf/v1/rollout.pb.h"
#include "trainer/ppo_trainer.h"
#include "trainer/steering.h"

namespace rlhf {

struct Batch {
  v1::BatchHeader header;
  // In slot order.
  std::vector<v1::Rollout> rollouts;
  // Waiting for actors, in seconds.
  double seconds = 0;
};

// As the mathematics sees it: scores on the anchor's scale.
std::vector<PpoSample> ToSamples(const Batch& batch);

// Fills in the report's fields that are about the batch rather than about what
// the update made of it.
void DescribeBatch(const Batch& batch, v1::UpdateReport& report);

// Trains on the batch as `orders` and the header's settings say, which are no
// restart; the whole report but for what the learner does with it afterwards.
// Errors: as PpoTrainer::Update.
absl::StatusOr<v1::UpdateReport> MakeUpdate(const Batch& batch,
                                            const UpdateOrders& orders,
                                            PpoTrainer& trainer);

// Begins again from what `config` names instead of training on the batch; the
// report of that. Errors: as LoadLearnerModels.
absl::StatusOr<v1::UpdateReport> RestartPolicy(const v1::RunConfig& config,
                                               const Batch& batch,
                                               PpoTrainer& trainer);

// A batch as bytes for the other ranks, never empty; `seconds` is left out.
std::string EncodeBatch(const Batch& batch);

// The inverse. Dies on bytes that EncodeBatch did not make.
Batch DecodeBatch(const std::string& bytes);

}  // namespace rlhf
