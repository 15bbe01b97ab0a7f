// What an update adds up while it runs, and what it says of itself in the end.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "core/comm/communicator.h"
#include "rlhf/v1/config.pb.h"
#include "rlhf/v1/report.pb.h"
#include "trainer/batch_evaluation.h"
#include "trainer/credit_assignment.h"

namespace rlhf {

// Sums over all minibatches, on one rank.
struct UpdateTotals {
  double policy_loss = 0, value_loss = 0;
  double clip_count = 0, approx_kl = 0;
  // Of PpoLoss; 0 where only the critic learns and the ratio is 1.
  double ratio_offset = 0, ratio_offset_square = 0;
  double value_clip_count = 0;
  double num_tokens = 0;
  double pretraining_loss = 0, num_pretraining_tokens = 0;
  // Equal on all ranks.
  double gradient_norm = 0;
  int64_t num_steps = 0;
  int64_t num_skipped_steps = 0;
};

// The report's fields on losses, KL and values, over the `num_samples` samples
// of all ranks; each rank gives its own part. Collective; the same on all
// ranks. Errors: of the communicator.
absl::StatusOr<v1::UpdateReport> SummarizeUpdate(
    UpdateTotals totals, const BatchEvaluation& evaluation,
    const Credit& credit, int64_t num_samples, Communicator& communicator);

// KL(policy, reference) per response, k1 estimate, over the `num_samples`
// samples of all ranks, if `config` limits it; else 0. Collective. Errors: of
// the communicator.
absl::StatusOr<double> LimitedKl(const v1::LearnerConfig& config,
                                 const BatchEvaluation& evaluation,
                                 int64_t num_samples,
                                 Communicator& communicator);

// The report of an update that was left out.
v1::UpdateReport LeftOutReport(int64_t update, const UpdateTotals& totals,
                               double kl_nats_per_sequence,
                               double kl_coefficient);

}  // namespace rlhf
