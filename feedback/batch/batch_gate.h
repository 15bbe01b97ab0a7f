// Whether a batch of comparisons may be learned from. Pure, as
// trainer/preference/gate.h is for preference models.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "feedback/batch/batch_evidence.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// Of BatchGateConfig and WorkerTestConfig in config.proto, where each is
// explained, and two that have no field there.
struct BatchLimits {
  int64_t min_size = 50;
  double max_malformed_share = 0.2;
  double max_duplicate_share = 0.2;
  double max_personal_data_share = 0.02;
  double max_position_bias = 0.2;
  double max_length_shift = 0.2;
  double max_choice_shift = 0.2;
  double max_too_fast_share = 0.2;
  double min_pm_agreement = 0.5;
  double min_worker_agreement = 0.5;
  double max_other_language_share = 0.5;
  // Share of right answers to gold questions: WorkerTestConfig.good_accuracy.
  double min_gold_accuracy = 0.85;
  // No two people agree so often on which of two answers is better; who does
  // has copied. (Bai et al. 2022, section 2.1, saw 63 % between crowdworkers
  // and researchers.)
  double max_twin_agreement = 0.9;
  // Share of responses longer than 99 %, or shorter than 1 %, of the log's; by
  // themselves 2 %.
  double max_unusual_length_share = 0.1;
  // Of the interval of what was seen in the whole batch.
  double quantile = kBatchQuantile;
};
BatchLimits LimitsOf(const v1::FeedbackConfig& config);

enum class BatchVerdictKind {
  // Goes into the log.
  kAccepted,
  // Waits for a person, who releases or refuses it.
  kQuarantined,
  // Is not taken.
  kRefused,
};
// "accepted", "quarantined", "refused".
const char* BatchVerdictName(BatchVerdictKind kind);

// Why one worker does not pass a check.
struct WorkerFinding {
  std::string worker_id;
  std::string detail;
};

struct BatchFinding {
  // A short name, the same in every report: one of BatchChecks().
  std::string check;
  bool passed = false;
  // What was found and what was wanted, or why nothing could be said. Names
  // nobody: it is logged, and workers may be forgotten.
  std::string detail;
  // The first five of those who do not pass.
  std::vector<WorkerFinding> workers;
};

struct BatchVerdict {
  BatchVerdictKind kind = BatchVerdictKind::kAccepted;
  // One line for people; names nobody.
  std::string reason;
  std::vector<BatchFinding> findings;
  // It does not pass together with what came before it in small batches.
  bool suspects_those_before = false;
};

// The names of all checks, in the order in which they are reported.
const std::vector<std::string>& BatchChecks();

// A limit is crossed where the interval of what was seen lies beyond it: 95 %
// for the batch, 99.9 % for each worker in it, as there are many. A check that
// saw nothing passes and says so.
//
// Malformed records refuse the batch; what else is crossed quarantines it. A
// small batch is judged as JudgeSmallBatch does when nothing came before it.
BatchVerdict JudgeBatch(const BatchEvidence& evidence,
                        const BatchLimits& limits = {});

// Whether it has fewer than min_size comparisons. Few comparisons of many
// records are no small batch: most are malformed.
bool IsSmallBatch(const BatchEvidence& evidence, const BatchLimits& limits);

// A small batch is refused for any malformed record and quarantined for any
// comparison with personal data. All else is judged in `window`, which is what
// was seen in the batch and in those before it together (DripWindow), once
// that has min_size comparisons: at 99.9 %, as it is looked at again with each
// batch. copied_answers is left to big batches.
BatchVerdict JudgeSmallBatch(const BatchEvidence& batch,
                             const BatchEvidence& window,
                             const BatchLimits& limits = {});

}  // namespace rlhf
